#include "cli/report_time.h"

#include <gtest/gtest.h>

namespace ivtrace::cli {
namespace {

TEST(ParseTime, SecondsAndSpansCountFromTheStart) {
  EXPECT_EQ(parse_time("1.5")->ns, Nanoseconds(1'500'000'000));
  EXPECT_EQ(parse_time("250ms")->ns, Nanoseconds(250'000'000));
  EXPECT_EQ(parse_time("0")->kind, TimeSpec::Kind::kFromStart);
}

TEST(ParseTime, TscStandsBehindAnAt) {
  const TimeSpec spec = parse_time("@123456789012").value();
  EXPECT_EQ(spec.kind, TimeSpec::Kind::kHostTsc);
  EXPECT_EQ(spec.tsc, HostTsc(123456789012));
}

TEST(ParseTime, IsoTimesAreOnTheWallClock) {
  const TimeSpec spec = parse_time("2000-02-29T12:34:56.5Z").value();
  EXPECT_EQ(spec.kind, TimeSpec::Kind::kRealtime);
  EXPECT_EQ(spec.ns, Nanoseconds(951'827'696'500'000'000));
}

TEST(ParseTime, NonsenseIsRefusedWithAHint) {
  for (const char* text : {"", "soon", "@", "@x", "-1", "2000-02-30T00:00:00Z", "1.5 parsecs"}) {
    const Result<TimeSpec> spec = parse_time(text);
    ASSERT_FALSE(spec) << text;
    EXPECT_FALSE(spec.error().hint.empty());
  }
}

}  // namespace
}  // namespace ivtrace::cli
