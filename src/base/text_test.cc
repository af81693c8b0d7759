#include "base/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ivtrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ParseSize, TakesUnitsOf1024) {
  EXPECT_EQ(*parse_size("4096"), 4096u);
  EXPECT_EQ(*parse_size("64K"), 65536u);
  EXPECT_EQ(*parse_size("16MiB"), 16u << 20);
  EXPECT_EQ(*parse_size("2g"), 2ull << 30);
}

TEST(ParseSize, RefusesNonsenseAndOverflow) {
  for (const char* text : {"", "K", "-1", "1.5M", "18446744073709551615K", "12Q", "1 M"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(ParseDuration, TakesUnitsAndBareSeconds) {
  EXPECT_EQ(parse_duration("10")->value, 10'000'000'000);
  EXPECT_EQ(parse_duration("1.5m")->value, 90'000'000'000);
  EXPECT_EQ(parse_duration("250ms")->value, 250'000'000);
  EXPECT_EQ(parse_duration("100us")->value, 100'000);
}

TEST(ParseDuration, RefusesNonsense) {
  for (const char* text : {"", "s", "-1s", "nan", "inf", "1e400s", "10 s"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(NearestNames, FindsTypingErrorsAndLeavesOutStrangers) {
  const std::vector<std::string> names = {"block:block_rq_issue", "block:block_rq_insert",
                                          "sched:sched_switch"};
  EXPECT_THAT(nearest_names("block:block_rq_isue", names, 1), ElementsAre("block:block_rq_issue"));
  EXPECT_THAT(nearest_names("xyz", names), IsEmpty());
}

TEST(TerminalSafe, NoByteCanActOnATerminal) {
  std::string out;
  append_terminal_safe(out, "a\x1b[31m\xc2\x9b\xff\\\xc3\xa4");
  EXPECT_EQ(out, "a\\x1b[31m\\xc2\\x9b\\xff\\\\\xc3\xa4");
}

TEST(JsonEscaped, QuotesControlsAndBrokenUtf8) {
  std::string out;
  append_json_escaped(out, "a\"b\\c\n\xffz\xe2\x82");
  EXPECT_EQ(out, "a\\\"b\\\\c\\u000a\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(Utf8, IsKeptAndWhatIsNoneReplaced) {
  std::string out;
  append_utf8(out, "a\"\n\xc3\xa4\xffz\xe2\x82");
  EXPECT_EQ(out, "a\"\n\xc3\xa4\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(Grouped, SetsThousandsApart) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1'000), "1,000");
  EXPECT_EQ(grouped(1'234'567), "1,234,567");
}

TEST(Split, KeepsEmptyPieces) { EXPECT_THAT(split("a,,b", ','), ElementsAre("a", "", "b")); }

}  // namespace
}  // namespace ivtrace
