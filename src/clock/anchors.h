// Samples of the host's clocks around one TSC reading: the points from which TSC values become nanoseconds.
#pragma once

#include "clock/types.h"

namespace ivtrace::clock {

/// Reads TSC, MONOTONIC_RAW, MONOTONIC, REALTIME, TSC several times and keeps the try with the smallest
/// distance between the two TSC readings: an interrupt or a preemption in between shows as a wide bracket and
/// loses. `Anchor::tsc` is the middle of the bracket. adjtimex(2) adds what the kernel believes of its wall
/// clock's error.
Anchor sample_anchor(int tries = 16);

}  // namespace ivtrace::clock
