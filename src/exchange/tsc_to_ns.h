// Ticks of a TSC as nanoseconds, in the arithmetic of trace-cmd's TSC2NSEC option.
#pragma once

#include <cstdint>

#include "base/units.h"
#include "clock/clock_map.h"

namespace ivtrace::exchange {

/// ns = ticks * mult >> shift.
struct TscToNs {
  std::uint32_t mult = 1;
  std::uint32_t shift = 0;

  /// The exact value, its fraction cut off. libtracecmd gets the same for shifts of up to 32.
  constexpr std::uint64_t to_ns(std::uint64_t ticks) const {
    return static_cast<std::uint64_t>(static_cast<unsigned __int128>(ticks) * mult >> shift);
  }
  /// Can this be a clock's speed? Numbers of a file need not make sense. From 1 MHz to 1 THz.
  constexpr bool valid() const {
    return shift <= 32 && mult <= 1000ull << shift && 1000ull * mult >= 1ull << shift;
  }
};

/// The speed of the host's clock from `from` to `until`, with 30 bits or more: after an hour it is off by two
/// microseconds at most. One number is all that the option has, so what the clock's speed varies between its
/// anchors is left out.
TscToNs tsc_to_ns(const clock::HostClock& clock, HostTsc from, HostTsc until);

}  // namespace ivtrace::exchange
