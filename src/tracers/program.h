// A tracer program that runs beside us, and what it prints.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace ivtrace::tracers {

inline constexpr std::size_t kMaxPrinted = 4u << 20;    ///< bytes of a line; what is longer is cut
inline constexpr std::size_t kMaxHeldBytes = 8u << 20;  ///< of lines that nobody has taken

/// What a line costs beside its text, for bounds on what is held.
inline constexpr std::size_t kLineOverhead = 64;

/// A line that a program printed, without its newline.
struct PrintedLine {
  std::uint64_t tsc = 0;  ///< when it was read
  bool is_error = false;  ///< from standard error
  bool is_cut = false;    ///< it was longer than kMaxPrinted
  std::string text;
};

/// A child process in a session of its own whose standard output and error are read line by line by a thread.
/// Dies with us, also when we are killed. Everything may be called from any thread, ends by one.
class Program {
 public:
  /// `arguments` begins with the program's name, which is looked for in PATH. kNotFound when it is not there.
  static Result<std::unique_ptr<Program>> start(const std::vector<std::string>& arguments);
  /// Ends it for good.
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// The oldest line that was not taken yet.
  std::optional<PrintedLine> take();
  /// Lines that were dropped because kMaxHeldBytes were held.
  std::uint64_t lost_lines() const { return lost_.load(std::memory_order_relaxed); }
  pid_t pid() const { return pid_; }
  /// Sends a signal to the program and to all that it started, unless it has ended.
  void signal(int number);
  /// Its wait status once it has ended and all that it printed was read.
  std::optional<int> status();

 private:
  Program(pid_t pid, UniqueFd out, UniqueFd err);
  void read_all();
  void take_bytes(int which, const char* bytes, std::size_t size);
  void put(int which);

  const pid_t pid_;
  UniqueFd streams_[2];
  std::string partial_[2];
  bool cut_[2] = {false, false};
  std::mutex mutex_;  // guards the next three
  std::deque<PrintedLine> lines_;
  std::size_t held_ = 0;
  std::optional<int> status_;
  bool reaped_ = false;
  std::atomic<std::uint64_t> lost_{0};
  std::atomic<bool> read_to_end_{false};
  std::atomic<bool> give_up_{false};
  std::thread reader_;
};

}  // namespace ivtrace::tracers
