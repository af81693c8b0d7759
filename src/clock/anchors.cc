#include "clock/anchors.h"

#include <sys/timex.h>
#include <time.h>

#include "base/tsc.h"

namespace ivtrace::clock {
namespace {

Nanoseconds clock_now(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return Nanoseconds(now.tv_sec * 1'000'000'000ll + now.tv_nsec);
}

}  // namespace

Anchor sample_anchor(int tries) {
  Anchor best;
  best.bracket = ~0ull;
  for (int i = 0; i < tries || i == 0; ++i) {
    Anchor anchor;
    const std::uint64_t before = read_tsc();
    anchor.monotonic_raw = clock_now(CLOCK_MONOTONIC_RAW);
    anchor.monotonic = clock_now(CLOCK_MONOTONIC);
    anchor.realtime = clock_now(CLOCK_REALTIME);
    const std::uint64_t after = read_tsc();
    anchor.bracket = after - before;
    anchor.tsc = HostTsc(before + anchor.bracket / 2);
    if (anchor.bracket < best.bracket) best = anchor;
  }
  timex kernel{};
  if (adjtimex(&kernel) >= 0) {
    best.maxerror_us = kernel.maxerror;
    best.esterror_us = kernel.esterror;
  }
  return best;
}

}  // namespace ivtrace::clock
