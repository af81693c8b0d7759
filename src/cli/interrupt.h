// Ctrl-C as a flag, for commands that can end in the middle of their work.
#pragma once

#include <signal.h>

#include <atomic>
#include <utility>
#include <vector>

namespace ivtrace::cli {

/// Lets signals set a flag instead of ending the program, for as long as it lives. A second one of the same
/// ends the program in the system's way. One at a time.
class InterruptFlag {
 public:
  explicit InterruptFlag(std::vector<int> signals = {SIGINT});
  ~InterruptFlag();
  InterruptFlag(const InterruptFlag&) = delete;
  InterruptFlag& operator=(const InterruptFlag&) = delete;

  const std::atomic<bool>* flag() const;

 private:
  std::vector<std::pair<int, struct sigaction>> before_;
};

}  // namespace ivtrace::cli
