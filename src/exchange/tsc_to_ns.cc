#include "exchange/tsc_to_ns.h"

#include <algorithm>
#include <cmath>

namespace ivtrace::exchange {
namespace {

// libtracecmd takes the multiplier for an int, and shifts by no more.
constexpr double kMostMult = 0x7fffffff;
constexpr std::uint32_t kMostShift = 32;
constexpr std::uint64_t kShortest = 1u << 20;  // ticks; a shorter span tells no speed

}  // namespace

TscToNs tsc_to_ns(const clock::HostClock& clock, HostTsc from, HostTsc until) {
  const std::uint64_t end = std::max(until.value, from.value + kShortest);
  const double ticks = static_cast<double>(end - from.value);
  const double speed = static_cast<double>(clock.to_ns(HostTsc(end)).value - clock.to_ns(from).value) / ticks;
  TscToNs found{0, kMostShift};
  while (found.shift > 0 && speed * std::ldexp(1.0, static_cast<int>(found.shift)) > kMostMult) --found.shift;
  const double mult = std::round(speed * std::ldexp(1.0, static_cast<int>(found.shift)));
  found.mult = static_cast<std::uint32_t>(std::clamp(mult, 1.0, kMostMult));
  return found;
}

}  // namespace ivtrace::exchange
