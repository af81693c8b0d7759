// The tracers of one machine while it is recorded: prepared, brought there, started, followed, ended.
//
//   PREPARING ── file is there, port started it ──▶ STARTED ── armed ── stop() or its own end ──▶ ENDED
//       └────────────────── what fails is journalled and told ──────────────────────────────────▶ FAILED
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "record/line_file.h"
#include "record/recorder.h"
#include "record/run_log.h"
#include "record/tracer_port.h"
#include "record/tracer_prepare.h"

namespace ivtrace::record {

/// Those of `requests` whose machine matches.
std::vector<TracerRequest> tracers_of(const std::vector<TracerRequest>& requests, const std::string& machine);

/// Owns its preparing threads and what it writes to the run. One thread, which is also the port's. Its
/// records in the journal: TracerRecord for each tracer, LossRecord for what one lost.
class MachineTracers {
 public:
  using Notice = std::function<void(const std::string&)>;

  /// `requests` as tracers_of() gives them.
  MachineTracers(std::string machine, std::vector<TracerRequest> requests, RunLog& log, Notice notice);
  ~MachineTracers();

  bool empty() const { return requests_.empty(); }
  /// Whether one of them writes to the kernel's ring by trace_printk().
  bool want_printk() const;
  /// Prepares all of them, from the beginning: also for an agent that was started again. The formats of the
  /// machine must be in the run. Borrows the port until the next begin() or the end.
  void begin(TracerPort& port, const std::string& kernel_release, std::uint64_t generation);
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
  enum class Stage { kPreparing, kStarted, kEnded, kFailed };
  struct Preparation;  // a thread and what it made
  struct One {
    TracerRequest request;
    run::TracerRecord record;
    Stage stage = Stage::kPreparing;
    std::unique_ptr<Preparation> preparation;
    std::set<std::string> declared;
    std::string output;
    std::uint64_t lost_before = 0;  // by the agent's earlier lives, told already
    std::uint64_t complaints = 0;   // the first of them are notes of the run
    bool changed = false;           // since its record was journalled
  };
  /// What is carried from one life of an agent to the next.
  struct Earlier {
    std::uint64_t lines = 0;
    std::uint64_t lost = 0;
  };

  void start(One& one);
  void fail(One& one, const Error& error);
  void take(const format::Reply& reply);
  void take_state(const format::TracerState& state);
  void take_line(const format::TracerLine& line);
  void take_output(One& one, const std::string& line);
  void take_complaint(One& one, const std::string& text);
  void tell_unwritten_complaints(const One& one);
  bool running() const;
  void prepare(One& one, const TracerMachine& machine);
  std::string name_of(const TracerRequest& request) const;
  void declare(One& one, const std::string& event, const std::string& format_text);
  void declare_typed(One& one, const std::string& declaration);
  std::uint16_t id_of(const std::string& event);
  void write_settled_lines();
  void finish();
  void save_output(One& one);
  void tell_loss(One& one);
  void journal_changes();
  One* find(std::uint32_t id);

  const std::string machine_;
  const std::vector<TracerRequest> requests_;
  RunLog& log_;
  const Notice notice_;
  TracerPort* port_ = nullptr;
  std::vector<One> all_;
  std::unique_ptr<LineFile> lines_;
  std::map<std::string, std::uint16_t> ids_;  // "system:event" → id of its format
  std::map<std::uint32_t, Earlier> earlier_;  // by the tracer's id
  std::uint64_t newest_tsc_ = 0;              // the machine's own, of what it printed
  std::uint64_t settled_tsc_ = 0;             // newest_tsc_ a second ago
  std::chrono::steady_clock::time_point next_write_{};
  std::atomic<bool> give_up_{false};
  bool more_ = false;  // lines are waiting, as the last reply said
  bool lost_ = false;
};

}  // namespace ivtrace::record
