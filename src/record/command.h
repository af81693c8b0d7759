// The command that is recorded while it runs: `ivtrace record … -- CMD`.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace ivtrace::record {

/// A child process with this process' terminal, environment and process group, so that Ctrl-C reaches both.
/// One thread.
class Command {
 public:
  static Result<Command> start(const std::vector<std::string>& argv);

  /// Its wait status once it has ended.
  std::optional<int> poll();
  void terminate();

 private:
  explicit Command(pid_t pid) : pid_(pid) {}
  pid_t pid_;
  std::optional<int> status_;
};

}  // namespace ivtrace::record
