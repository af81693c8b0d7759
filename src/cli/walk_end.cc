#include "cli/walk_end.h"

namespace ivtrace::cli {

ExitCode end_of_walk(const model::Walk& walk, Streams& streams) {
  for (const std::string& notice : walk.notices) print_notice(streams, notice);
  if (!walk.incomplete) return ExitCode::kOk;
  print_notice(streams, "events are missing in the run, see ivtrace info: where they are, nothing is told");
  return ExitCode::kLoss;
}

}  // namespace ivtrace::cli
