#include "tracers/line_clock.h"

#include <gtest/gtest.h>
#include <time.h>

#include "base/tsc.h"

namespace ivtrace::tracers {

std::uint64_t monotonic_now() {
  struct timespec now {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

/// Gives a clock pairs of its choice.
class LineClockTest : public testing::Test {
 protected:
  static void add(LineClock& clock, std::int64_t monotonic, std::uint64_t tsc) {
    clock.add({monotonic, tsc});
  }
  static void forget(LineClock& clock) { clock.pairs_.clear(); }
  static std::optional<std::uint64_t> between(const LineClock& clock, std::int64_t monotonic) {
    return clock.between(monotonic);
  }
};

TEST(LeadingNanoseconds, OnlyANumberOfItsOwnIsATime) {
  EXPECT_EQ(leading_nanoseconds("15259730507266 nap of 7"), 15259730507266u);
  EXPECT_EQ(leading_nanoseconds("[15259730507266] nap"), 15259730507266u);
  EXPECT_EQ(leading_nanoseconds("15259730507266"), 15259730507266u);
  EXPECT_EQ(leading_nanoseconds("15259730507266,7"), 15259730507266u);
  for (const char* text :
       {"", "[", "x12", "12.5 s", "12ms", "12_a", " 12", "-12", "99999999999999999999 a", "@x: 3"})
    EXPECT_EQ(leading_nanoseconds(text), std::nullopt) << text;
}

TEST_F(LineClockTest, ATimeBetweenTwoPairsIsProportional) {
  LineClock clock;
  forget(clock);
  add(clock, 1000, 50'000);
  add(clock, 2000, 53'000);
  add(clock, 3000, 57'000);
  EXPECT_EQ(between(clock, 1500), 51'500u);
  EXPECT_EQ(between(clock, 2000), 53'000u);
  EXPECT_EQ(between(clock, 2500), 55'000u);
  EXPECT_EQ(between(clock, 3100), 57'400u);  // just behind the last one
  EXPECT_EQ(between(clock, 900), 49'700u);
}

TEST_F(LineClockTest, NowLiesBetweenTheTscsAroundIt) {
  LineClock clock;
  for (int i = 0; i < 20; ++i) {
    clock.tick();
    const std::uint64_t before = read_tsc();
    const std::uint64_t now = monotonic_now();
    const std::uint64_t after = read_tsc();
    const auto tsc = clock.tsc_at(now);
    ASSERT_TRUE(tsc);
    // A pair's own error is half its bracket; a preempted one may be off by more, the next is not.
    if (*tsc + 20'000 < before || *tsc > after + 20'000) continue;
    return;
  }
  FAIL() << "no time was within its TSCs";
}

TEST_F(LineClockTest, WhatIsNoTimeOfThisRunIsNone) {
  const std::uint64_t before = monotonic_now();
  LineClock clock;
  EXPECT_EQ(clock.tsc_at(before - 1), std::nullopt);
  EXPECT_EQ(clock.tsc_at(7), std::nullopt);
  EXPECT_EQ(clock.tsc_at(monotonic_now() + 3'600'000'000'000), std::nullopt);
  EXPECT_EQ(clock.tsc_at(~std::uint64_t{0}), std::nullopt);
}

}  // namespace ivtrace::tracers
