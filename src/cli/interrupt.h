// Ctrl-C as a flag, for commands that can end in the middle of their work.
#pragma once

#include <signal.h>

#include <atomic>

namespace ivtrace::cli {

/// Lets Ctrl-C set a flag instead of ending the program, for as long as it lives. A second Ctrl-C ends the
/// program in the system's way. One at a time.
class InterruptFlag {
 public:
  InterruptFlag();
  ~InterruptFlag();
  InterruptFlag(const InterruptFlag&) = delete;
  InterruptFlag& operator=(const InterruptFlag&) = delete;

  const std::atomic<bool>* flag() const;

 private:
  struct sigaction before_;
};

}  // namespace ivtrace::cli
