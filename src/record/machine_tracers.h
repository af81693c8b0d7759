// The tracers of one machine while it is recorded: prepared, brought there, started, followed, ended.
// tracer_entry.h has the life of one.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "record/line_file.h"
#include "record/prepared_ahead.h"
#include "record/recorder.h"
#include "record/run_log.h"
#include "record/tracer_entry.h"
#include "record/tracer_formats.h"
#include "record/tracer_port.h"
#include "record/tracer_preparation.h"

namespace ivtrace::record {

/// Those of `requests` whose machine matches.
std::vector<TracerRequest> tracers_of(const std::vector<TracerRequest>& requests, const std::string& machine);

/// Where what a machine's scripts tell goes, as a note of the run. `to_instance`: its kernel sends
/// trace_printk() to an instance.
std::string printk_note(bool to_instance);

/// The machine that is recorded, as it is at the recording's begin.
struct TracedMachine {
  std::string kernel_release;
  bool is_guest = false;
  const AheadOfMachine* ahead = nullptr;  ///< borrowed until begin() has ended; may be missing
};

/// Owns its preparations and what it writes to the run. One thread, which is also the port's.
class MachineTracers {
 public:
  using Notice = TracerPreparation::Notice;

  /// `requests` as tracers_of() gives them.
  MachineTracers(std::string machine, std::vector<TracerRequest> requests, RunLog& log, Notice notice);

  bool empty() const { return requests_.empty(); }
  /// Whether one of them writes to the kernel's ring by trace_printk().
  bool want_printk() const;
  /// Prepares all of them, from the beginning: also for an agent that was started again. The formats of the
  /// machine must be in the run. Borrows the port until the next begin() or the end.
  void begin(TracerPort& port, const TracedMachine& machine, std::uint64_t generation);
  /// Goes on with what is ready, takes what was printed. False: nobody answers; then try again later.
  bool tick();
  /// Whether one of them is not armed yet and may still become so.
  bool busy() const;
  /// Asks all to end and takes their last words; bounded.
  void stop();
  /// Nobody answers any more.
  void abandon(const std::string& why);

  bool lost_anything() const { return lost_; }

 private:
  using Stage = TracerEntry::Stage;
  struct One {
    TracerEntry entry;
    std::optional<Result<PreparedTracer>> made;      // ahead
    std::unique_ptr<TracerPreparation> preparation;  // when nothing was
    std::string lines_event;  // what it prints becomes that; empty: it has printed nothing yet
  };

  void prepare(One& one, const TracerMachine& machine);
  void go_on(One& one);
  Status start(One& one, const PreparedTracer& made);
  void fail(TracerEntry& entry, const Error& error);
  bool poll_due();
  void take(const format::Reply& reply);
  void take_line(const format::TracerLine& line);
  void take_text(One& one, const format::TracerLine& line);
  void declare(TracerEntry& entry, const std::string& declaration);
  bool running() const;
  std::string name_of(const TracerRequest& request) const;
  void write_settled_lines();
  void give_up_preparing();
  void finish();
  void journal_changes();
  One* find(std::uint32_t id);

  const std::string machine_;
  const std::vector<TracerRequest> requests_;
  RunLog& log_;
  const Notice notice_;
  TracerPort* port_ = nullptr;
  std::vector<One> all_;
  TracerFormats formats_;
  std::unique_ptr<LineFile> lines_;
  std::map<std::uint32_t, TracerEntry::Earlier> earlier_;  // by the tracer's id
  std::uint64_t newest_tsc_ = 0;                           // the machine's own, of what it printed
  std::uint64_t settled_tsc_ = 0;                          // newest_tsc_ a second ago
  std::chrono::steady_clock::time_point next_write_{};
  bool more_ = false;  // lines are waiting, as the last reply said
  bool lost_ = false;
};

}  // namespace ivtrace::record
