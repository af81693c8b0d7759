// Scripts that a machine compiles for itself, because the recorder's host cannot.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "format/mailbox_message.h"

namespace ivtrace::tracers {

/// A compilation that takes longer is given up.
inline constexpr std::chrono::minutes kOwnCompileLimit{30};

/// Compiles SystemTap scripts for the kernel that runs here, one after the other, in a thread that yields to
/// everybody else. Owns that thread; destroying it gives up what is not done. Used by one thread.
class OwnCompiler {
 public:
  OwnCompiler() = default;
  ~OwnCompiler();
  OwnCompiler(const OwnCompiler&) = delete;
  OwnCompiler& operator=(const OwnCompiler&) = delete;

  /// Queues the script of that number. One that it had compiled already, with the same options, stays.
  /// kNotFound when there is no stap.
  Status compile(std::uint32_t id, const std::string& script, const std::vector<std::string>& options);
  /// Of each number, "compiling" with the last word on its progress, "compiled", or "failed" with the reason.
  std::vector<format::TracerState> states();
  /// The compiled module's path.
  Result<std::string> module(std::uint32_t id);
  /// Gives up what is not done.
  void stop();

 private:
  struct Job;
  void work();

  std::mutex mutex_;  // guards the next four, and what a Job says of itself
  std::condition_variable changed_;
  std::map<std::uint32_t, std::shared_ptr<Job>> jobs_;
  std::deque<std::shared_ptr<Job>> waiting_;
  bool ending_ = false;
  std::thread worker_;
};

}  // namespace ivtrace::tracers
