#include "cli/run_choice.h"

#include <CLI/App.hpp>
#include <algorithm>

namespace ivtrace::cli {

bool RunChoice::includes(const std::string& machine) const {
  return guests.empty() || std::find(guests.begin(), guests.end(), machine) != guests.end();
}

void add_run_choice(CLI::App& command, RunChoice& choice) {
  command.add_option("run", choice.run, "The run directory")->required()->type_name("RUN");
  command.add_option("-g,--guest", choice.guests, "Only this guest; may be repeated")
      ->type_name("NAME")
      ->allow_extra_args(false);
}

Result<run::RunReader> open_run(const RunChoice& choice) {
  IVT_ASSIGN_OR_RETURN(run::RunReader run, run::RunReader::open(choice.run));
  for (const std::string& name : choice.guests) {
    if (run.find(name) == nullptr)
      return Error(ErrorCode::kNotFound, "no machine '" + name + "' in " + choice.run);
  }
  return run;
}

ExitCode exit_code_of(const Result<ExitCode>& done, Streams& streams) {
  if (done) return *done;
  print_error(streams, done.error());
  return ExitCode::kFailed;
}

}  // namespace ivtrace::cli
