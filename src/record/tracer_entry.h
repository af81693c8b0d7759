// One tracer of a recording, and what becomes of it, as the run tells it.
//
//   PREPARING ── file is there, port started it ──▶ STARTED ── armed ── stop() or its own end ──▶ ENDED
//       └────────────────── what fails is journalled ───────────────────────────────────────▶ FAILED
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "format/mailbox_message.h"
#include "record/recorder.h"
#include "record/run_log.h"
#include "run/journal.h"

namespace ivtrace::record {

/// Its records in the journal: TracerRecord, LossRecord for what it lost. One thread.
class TracerEntry {
 public:
  enum class Stage { kPreparing, kStarted, kEnded, kFailed };
  /// What is carried from one life of an agent to the next.
  struct Earlier {
    std::uint64_t lines = 0;
    std::uint64_t lost = 0;
  };

  TracerEntry(TracerRequest request, run::TracerRecord record, const Earlier& earlier, RunLog& log);

  Stage stage() const { return stage_; }
  std::uint32_t id() const { return record_.id; }
  const std::string& name() const { return record_.name; }
  const TracerRequest& request() const { return request_; }
  /// Whether it is not armed yet and may still become so.
  bool busy() const;

  /// `origin` is told as its detail: how its module was made.
  void started(const std::string& origin);
  void fail(const Error& error);
  /// As its machine tells it. An Error: it failed.
  Status take_state(const format::TracerState& state);
  void gives(const std::string& event);
  void count_line() { ++record_.lines; }
  void count_lost(std::uint64_t lost) { record_.lost += lost; }
  /// A line of what it prints at its end.
  void take_output(const std::string& line);
  /// What it says on its standard error belongs to the recording; a guest's may say it for ever.
  void take_complaint(const std::string& text);

  /// Writes the record down if it has changed.
  void journal();
  /// The last word: output and losses go to the run. `cut_off`: it still had something to tell. True when it
  /// has lost something.
  bool finish(bool cut_off);
  Earlier so_far() const { return {record_.lines, record_.lost}; }

 private:
  void save_output();
  void tell_unwritten_complaints();
  bool tell_loss(bool cut_off);

  const TracerRequest request_;
  run::TracerRecord record_;
  const Earlier earlier_;
  RunLog& log_;
  Stage stage_ = Stage::kPreparing;
  std::string origin_;
  std::string output_;
  std::uint64_t lost_here_ = 0;   // that its machine does not know of: what came and was not kept
  std::uint64_t complaints_ = 0;  // the first of them are notes of the run
  bool changed_ = false;          // since its record was journalled
};

/// The error's message as one line that is safe to show.
std::string one_line(const Error& error);

}  // namespace ivtrace::record
