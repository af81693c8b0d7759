#include "clock/wall_time.h"

#include <gtest/gtest.h>

namespace ivtrace::clock {
namespace {

TEST(WallTime, ParsesWhatItWrites) {
  const Nanoseconds time(1'769'850'245'123'456'789);
  const std::string text = format_wall_time(time);
  EXPECT_EQ(text, "2026-01-31T09:04:05.123456789Z");
  ASSERT_TRUE(parse_wall_time(text).ok());
  EXPECT_EQ(*parse_wall_time(text), time);
}

TEST(WallTime, TakesZonesFractionsAndBlanks) {
  const Nanoseconds noon = *parse_wall_time("2026-01-31T12:00:00Z");
  for (const char* same : {"2026-01-31 12:00:00", "2026-01-31T14:00:00+02:00", "2026-01-31T14:00:00+0200",
                           "2026-01-31T14:00:00+02", "2026-01-31T06:30:00.0-05:30"}) {
    ASSERT_TRUE(parse_wall_time(same).ok()) << same;
    EXPECT_EQ(*parse_wall_time(same), noon) << same;
  }
  EXPECT_EQ(parse_wall_time("2026-01-31T12:00:00.5Z")->value - noon.value, 500'000'000);
}

TEST(WallTime, RefusesWhatIsNoTime) {
  for (const char* bad :
       {"", "now", "2026", "2026-01-31", "2026-01-31T", "2026-13-01T00:00:00", "2026-02-30T00:00:00Z",
        "2026-01-31T24:00:00", "2026-01-31T12:60:00", "2026-01-31T12:00:00.", "2026-01-31T12:00:00X",
        "2026-01-31T12:00:00.1234567890", "2026-01-31T12:00:00Z ", "2026-01-31T12:00:00+",
        "2026-01-31T12:00:00+1", "2026-01-31T12:00:00+02:", "-026-01-31T12:00:00"}) {
    EXPECT_FALSE(parse_wall_time(bad).ok()) << bad;
  }
}

TEST(WallTime, BeforeTheEpochIsWrittenRight) {
  EXPECT_EQ(format_wall_time(Nanoseconds(-1)), "1969-12-31T23:59:59.999999999Z");
}

}  // namespace
}  // namespace ivtrace::clock
