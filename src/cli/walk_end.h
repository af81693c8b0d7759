// How a command ends that has walked a run's events.
#pragma once

#include "cli/exit_code.h"
#include "cli/output.h"
#include "model/walk.h"

namespace ivtrace::cli {

/// Tells what was left out; kLoss when events are missing in what was walked.
ExitCode end_of_walk(const model::Walk& walk, Streams& streams);

}  // namespace ivtrace::cli
