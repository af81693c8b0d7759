// The clocks of trace-cmd's files as a run has them.
#pragma once

#include <cstdint>
#include <vector>

#include "clock/types.h"
#include "exchange/trace_dat_reader.h"

namespace ivtrace::exchange {

/// A guest's clock by its TIMESHIFT option, for CPUs 0 to `cpus` − 1; those that the option lacks have none.
///
/// A sample holds from its time on, the first one from ever. Where the offsets change linearly (as with the
/// protocol PTP, which measures them) each pair of samples gives one line, and as its error as much as the
/// two differ; where they do not (the protocol KVM, which reads them), they are exact. A ratio is KVM's own
/// (guest = host * ratio >> fraction), as trace-cmd copies it.
std::vector<clock::Epoch> epochs_of(const TimeShift& shift, std::uint32_t cpus);

/// Anchors at `start` and `until` that give the ticks of the file their time. Without a DATE option the wall
/// clock is not known; it then begins with the clock itself, in 1970.
std::vector<clock::Anchor> anchors_of(const TraceDat& dat, HostTsc start, HostTsc until);
/// Ticks of the file's clock as nanoseconds: by TSC2NSEC, else they are nanoseconds.
TscToNs speed_of(const TraceDat& dat);
std::uint64_t khz_of(const TscToNs& speed);
/// The tick at which the file's times are 0; 0 when there is none.
HostTsc zero_of(const TraceDat& dat);

}  // namespace ivtrace::exchange
