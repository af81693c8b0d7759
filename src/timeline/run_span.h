// How long a run is, before anything of it was read.
#pragma once

#include <cstdint>

#include "clock/clock_map.h"
#include "run/run_reader.h"

namespace ivtrace::timeline {

/// To the last thing that the journal tells or the host's events do, in nanoseconds from the run's start; not
/// negative. What a guest calls its events' time does not count where the host has events: it may be
/// anything.
std::int64_t run_duration(const run::RunReader& run, const clock::HostClock& clock);

}  // namespace ivtrace::timeline
