// Running a program of many seconds to its end, in a directory of its own, with somebody asked meanwhile
// whether to go on.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace ivtrace::tracers {

struct QuietRun {
  int status = 0;      ///< its exit code, or 128 and the signal
  std::string output;  ///< of standard output, its first 64 MiB
  std::string errors;  ///< of standard error, its first 1 MiB
};

/// Runs argv[0], looked for in PATH, in `directory`, where its output is kept while it runs. `go_on` is asked
/// some ten times a second; when it says no, the program and its children are ended, and the error is
/// kGone. It gets SIGTERM when this process dies. Blocks.
Result<QuietRun> run_quietly(const std::vector<std::string>& argv, const std::string& directory,
                             const std::function<bool()>& go_on);

/// Where a program of that name is: in PATH, or where Debian has the administrator's; empty when it is
/// nowhere.
std::string find_program(const std::string& name);

}  // namespace ivtrace::tracers
