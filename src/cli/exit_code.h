// What the programs' exit status says.
#pragma once

namespace ivtrace::cli {

/// The exit status of every ivtrace command; docs/commands/ivtrace.md is the page for people.
enum class ExitCode : int {
  kOk = 0,
  kFailed = 1,  ///< the command could not do what was asked
  kUsage = 2,   ///< the command line makes no sense
  kLoss = 3,    ///< finished, and some of the recorded data is lost or damaged
};

}  // namespace ivtrace::cli
