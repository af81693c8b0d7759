// One tracer program, understood: is it armed, what has it lost, which of its lines are events.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "format/mailbox_message.h"
#include "tracers/line_clock.h"
#include "tracers/program.h"

namespace ivtrace::tracers {

/// What a tracer prints for the recorder, not for people: a line that begins with one of these.
inline constexpr const char* kEventLine =
    "ivtrace-event ";  ///< "NAME u64 sector; string disk": declares an event
inline constexpr const char* kArmedLine = "ivtrace-armed";  ///< all probes are armed
inline constexpr const char* kLostLine = "ivtrace-lost ";   ///< so many events were lost, in all
inline constexpr const char* kOutputLine =
    "ivtrace-output ";  ///< belongs to what is kept of the tracer's end

/// Bytes of a line that the recorder gets; what is longer is cut.
inline constexpr std::size_t kMaxLine = 4000;

/// Kinds of tracers, as TracerSpec and the mailbox name them.
inline constexpr const char* kModuleKind = "stap-module";  ///< the file is a compiled module
inline constexpr const char* kScriptKind =
    "stap-script";  ///< a script that the machine itself compiles first
inline constexpr const char* kBpftraceKind = "bpftrace";

/// How a tracer is run.
struct TracerSpec {
  std::uint32_t id = 0;
  std::string kind;  ///< kModuleKind or kBpftraceKind
  std::string file;
  std::vector<std::string> arguments;  ///< further ones of the program
};

/// Owns the program. One thread.
class Tracer {
 public:
  virtual ~Tracer() = default;
  /// kNotFound, with what to install, when the machine has no such program; kUnsupported for another kind.
  static Result<std::unique_ptr<Tracer>> start(const TracerSpec& spec);

  /// How it is now; looks at what it printed.
  format::TracerState poll();
  /// Moves lines of at most about `max_bytes` to `lines`; false: there are more.
  bool take(std::size_t max_bytes, std::vector<format::TracerLine>& lines);
  /// Asks it to end, as Ctrl-C would; poll() tells when it has.
  void stop();
  bool ended() const { return ended_; }

 protected:
  Tracer(std::uint32_t id, std::unique_ptr<Program> program) : id_(id), program_(std::move(program)) {}
  /// What one line means.
  virtual void understand(PrintedLine line) = 0;
  /// The program has ended, and all of its lines are understood.
  virtual void at_end() {}
  /// Whether it waits for events; asked while it is not armed.
  virtual bool looks_armed() { return false; }

  void arm() { armed_ = true; }
  void set_lost(std::uint64_t events) { lost_events_ = events; }
  void add_lost(std::uint64_t events) { lost_events_ += events; }
  bool stopping() const { return stopping_; }
  Program& program() { return *program_; }
  /// Keeps a line for the recorder, with its own time where it tells one.
  void keep(PrintedLine line);
  /// A line of its standard error, also kept for the recorder. The last one that names an error, or else the
  /// last one of all, is why it ended, if it ends.
  void complain(PrintedLine line);

 private:
  void read_lines();

  const std::uint32_t id_;
  std::unique_ptr<Program> program_;
  LineClock clock_;
  std::vector<format::TracerLine> kept_;
  std::size_t kept_bytes_ = 0;
  std::uint64_t lost_kept_ = 0;
  std::string complaint_;
  bool armed_ = false;
  bool stopping_ = false;
  bool ended_ = false;
  int wait_status_ = 0;
  std::uint64_t lost_events_ = 0;
};

}  // namespace ivtrace::tracers
