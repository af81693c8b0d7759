// From a run directory to what `ivtrace info` tells.
#pragma once

#include "base/result.h"
#include "cli/run_info.h"
#include "clock/clock_map.h"
#include "run/run_reader.h"

namespace ivtrace::cli {

/// Reads all page files once and does the books. `recording`: a living recorder is writing the run. Without
/// it, a run that has no end is one whose recorder died, and what that cost nobody knows yet.
RunInfo load_run_info(const run::RunReader& run, bool recording);

/// The host's clock of a run, time 0 at its start. An error when its anchors do not make one.
Result<clock::HostClock> host_clock_of(const run::RunReader& run);

}  // namespace ivtrace::cli
