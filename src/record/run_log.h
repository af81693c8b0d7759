// What every part of the recorder writes to: the run and its budget.
#pragma once

#include <string>

#include "base/tsc.h"
#include "record/space.h"
#include "run/run_writer.h"

namespace ivtrace::record {

/// Borrows both, which outlive it. Thread-safe.
class RunLog {
 public:
  RunLog(run::RunWriter& writer, SpaceBudget& space) : writer_(writer), space_(space) {}

  /// Appends to the journal; when even that fails the recording ends.
  void put(const run::Record& record) {
    if (Status written = writer_.append(record); !written) space_.trip("disk-full", written.error().message);
  }
  void note(const std::string& machine, const std::string& text) {
    put(run::NoteRecord{HostTsc(read_tsc()), machine, text});
  }
  run::RunWriter& writer() { return writer_; }
  SpaceBudget& space() { return space_; }

 private:
  run::RunWriter& writer_;
  SpaceBudget& space_;
};

}  // namespace ivtrace::record
