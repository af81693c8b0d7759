// RUN and -g NAME, as every command has them that looks at the guests of a run.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "run/run_reader.h"

namespace CLI {
class App;
}

namespace ivtrace::cli {

struct RunChoice {
  std::string run;
  std::vector<std::string> guests;  ///< empty: all

  bool includes(const std::string& machine) const;
};

/// Declares both. `choice` outlives the parse.
void add_run_choice(CLI::App& command, RunChoice& choice);
/// kNotFound when a guest that was asked for is not in the run.
Result<run::RunReader> open_run(const RunChoice& choice);
/// Prints the error, when there is one.
ExitCode exit_code_of(const Result<ExitCode>& done, Streams& streams);

}  // namespace ivtrace::cli
