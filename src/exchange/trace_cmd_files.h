// The files of one recording of trace-cmd's: which machine each is of, and how they belong together.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/mapping.h"
#include "base/result.h"
#include "clock/clock_map.h"
#include "exchange/trace_dat_reader.h"
#include "run/journal.h"

namespace ivtrace::exchange {

/// One opened file. `dat` borrows the mapping.
struct TraceCmdFile {
  std::string path;
  std::string machine;  ///< its name in the run
  Mapping mapping;
  TraceDat dat;
  const TraceDatGuest* guest = nullptr;  ///< what the host's file tells of it
  std::vector<clock::Epoch> epochs;      ///< of a guest; none: not aligned
};

/// Opens them and finds out how they belong together; what does not fit is told in `notices`. The host's is
/// the first, the files' addresses are final.
Result<std::vector<TraceCmdFile>> open_trace_cmd_files(const std::vector<std::string>& paths,
                                                       std::vector<std::string>& notices);

/// The host's time of the first event's sub-buffer of all that have a clock; empty when there is none.
Result<std::optional<HostTsc>> first_time(const std::vector<TraceCmdFile>& files);

/// The machine as the journal has it, but for its events.
run::MachineRecord machine_record(const TraceCmdFile& file, bool is_host);
/// What the file tells of the counters of its first buffer, which is the main one where there is one.
std::vector<run::CountersRecord> counters_of(const TraceCmdFile& file);
/// A buffer's name as the run can have it: "" for the main one.
std::string buffer_name(const TraceDatBuffer& buffer);

/// The error with the file's name before it.
Error about(const TraceCmdFile& file, const Error& error);

}  // namespace ivtrace::exchange
