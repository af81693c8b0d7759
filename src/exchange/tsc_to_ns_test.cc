#include "exchange/tsc_to_ns.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ivtrace::exchange {
namespace {

clock::HostClock clock_of(std::uint64_t khz) {
  clock::Anchor anchor;
  anchor.tsc = HostTsc(1'000'000);
  return clock::HostClock::create({anchor}, HostTsc(1'000'000), khz).value();
}

TEST(TscToNs, AnHourIsRightToTwoMicrosecondsAtAnySpeed) {
  for (const std::uint64_t khz : {1'000'000ull, 1'999'999ull, 2'100'000ull, 2'894'561ull, 5'700'123ull}) {
    const std::uint64_t hour = khz * 1000 * 3600;
    const TscToNs speed = tsc_to_ns(clock_of(khz), HostTsc(1'000'000), HostTsc(hour));
    EXPECT_TRUE(speed.valid());
    EXPECT_LE(speed.mult, 0x7fffffffu) << "libtracecmd takes it for an int";
    EXPECT_NEAR(static_cast<double>(speed.to_ns(hour)), 3600e9, 2000) << khz;
  }
}

TEST(TscToNs, ARunWithoutLengthStillHasASpeed) {
  const TscToNs speed = tsc_to_ns(clock_of(2'000'000), HostTsc(1'000'000), HostTsc(0));
  EXPECT_NEAR(static_cast<double>(speed.to_ns(2'000'000'000)), 1e9, 5);
}

TEST(TscToNs, SpeedsThatNoClockHasAreNotValid) {
  EXPECT_FALSE((TscToNs{0, 0}.valid()));
  EXPECT_FALSE((TscToNs{1, 33}.valid()));
  EXPECT_FALSE((TscToNs{1, 32}.valid()));
  EXPECT_FALSE((TscToNs{1001, 0}.valid()));
  EXPECT_TRUE((TscToNs{1, 0}.valid()));
}

}  // namespace
}  // namespace ivtrace::exchange
