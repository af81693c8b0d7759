#include "patterns/finding.h"

#include <gtest/gtest.h>

#include <limits>

namespace ivtrace::patterns {
namespace {

using query::OwnedCell;

TEST(ValueText, IsWrittenAsItsColumnsNameSays) {
  EXPECT_EQ(value_text("from_ns", OwnedCell(std::int64_t{1'234'567'890})), "1.235 s");
  EXPECT_EQ(value_text("until_ns", OwnedCell(2e9)), "2.000 s");
  EXPECT_EQ(value_text("mean_ns", OwnedCell(17'200'000.4)), "17.2 ms");
  EXPECT_EQ(value_text("share", OwnedCell(0.804)), "80 %");
  EXPECT_EQ(value_text("host_share", OwnedCell(std::int64_t{1})), "100 %");
  EXPECT_EQ(value_text("bytes", OwnedCell(std::int64_t{4096})), "4.0 KiB");
  EXPECT_EQ(value_text("device_bps", OwnedCell(2097152.0)), "2.0 MiB/s");
  EXPECT_EQ(value_text("times", OwnedCell(4.44)), "4.4");
  EXPECT_EQ(value_text("rate", OwnedCell(1234.5)), "1234");
  EXPECT_EQ(value_text("requests", OwnedCell(std::int64_t{7})), "7");
  EXPECT_EQ(value_text("mean_ns", OwnedCell(std::string("text"))), "text");
  EXPECT_EQ(value_text("mean_ns", OwnedCell()), "?");
}

TEST(ValueText, NumbersBeyondAllMeasureHaveSomeText) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  for (const char* column : {"from_ns", "mean_ns", "share", "bytes", "device_bps", "times"}) {
    for (const double value : {kInfinite, -kInfinite, 1e300, -1e300}) {
      EXPECT_NE(value_text(column, OwnedCell(value)), "") << column;
    }
  }
}

TEST(FillIn, ReplacesColumnsAndLeavesOtherBraces) {
  const query::Parameters columns = {{"victim", std::string("vm1 {share}")}, {"share", 0.5}};
  EXPECT_EQ(fill_in("{victim} has {share}{share}", columns), "vm1 {share} has 50 %50 %");
  EXPECT_EQ(fill_in("", columns), "");
  EXPECT_EQ(fill_in("no braces", columns), "no braces");
  EXPECT_EQ(fill_in("{unknown} } {", columns), "{unknown} } {");
  EXPECT_EQ(fill_in("{}", columns), "{}");
}

TEST(UnknownColumn, IsTheFirstThatTheQueryDoesNotGive) {
  EXPECT_EQ(unknown_column("{victim} {one} {two}", {"victim", "two"}), "one");
  EXPECT_EQ(unknown_column("{victim} { and no end", {"victim"}), std::nullopt);
  EXPECT_EQ(unknown_column("nothing", {}), std::nullopt);
}

}  // namespace
}  // namespace ivtrace::patterns
