#include "view/query_string.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ivtrace::view {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<QueryString> parsed(std::string_view text) {
  return QueryString::parse(text, {"tracks", "from", "q"});
}
Result<std::vector<std::uint32_t>> list_of(const std::string& text) {
  return parsed("tracks=" + text)->list("tracks", 100, 16);
}

TEST(QueryString, HasValuesByName) {
  const auto query = parsed("q=a%3c%2Bb+c&from=-12");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->text("q"), "a<+b c");
  EXPECT_EQ(*query->number("from", -100, 100), -12);
  EXPECT_TRUE(query->has("q"));
  EXPECT_FALSE(query->has("tracks"));
  EXPECT_EQ(query->text("tracks"), "");
  EXPECT_TRUE(parsed(""));
  EXPECT_EQ(parsed("q=%00")->text("q"), std::string(1, '\0'));
}

TEST(QueryString, RefusesWhatNoPageOfOursMakes) {
  for (const char* const text : {"q", "&", "q=1&", "q=1&q=2", "other=1", "=1", "q=%", "q=%1", "q=%zz", "Q=1",
                                 "q%3d=1", "q=1;from=2"}) {
    const auto query = parsed(text);
    const bool is_taken_as_text = std::string_view(text) == "q=1;from=2";
    EXPECT_EQ(query.ok(), is_taken_as_text) << text;
    if (!query) {
      EXPECT_EQ(query.error().code, ErrorCode::kInvalid);
    }
  }
}

TEST(QueryString, NumbersAreWholeAndWithinTheirBounds) {
  for (const char* const text : {"", "1.5", "0x10", "+1", " 1", "1 ", "99999999999999999999", "one"})
    EXPECT_FALSE(parsed("from=" + std::string(text))->number("from", -5, INT64_MAX)) << text;
  EXPECT_FALSE(parsed("from=6")->number("from", -5, 5));
  EXPECT_FALSE(parsed("from=-6")->number("from", -5, 5));
  EXPECT_TRUE(parsed("from=-5")->number("from", -5, 5));
  EXPECT_EQ(*parsed("")->number("from", 0, 9, 7), 7);
  EXPECT_THAT(parsed("")->number("from", 0, 9).error().message, HasSubstr("from is missing"));
}

TEST(QueryString, ListsHaveNumbersAndRangesInTheirOrder) {
  EXPECT_THAT(*list_of("7"), ElementsAre(7));
  EXPECT_THAT(*list_of("7,0,3-5,3"), ElementsAre(7, 0, 3, 4, 5, 3));
  EXPECT_THAT(list_of("99")->size(), 1);
  EXPECT_THAT(list_of("0-15")->size(), 16);
}

TEST(QueryString, RefusesListsThatAreNone) {
  for (const char* const text :
       {"", ",", "1,", "1-", "-1", "5-3", "1--2", "1-2-3", "a", "1 2", "100", "98-100", "4294967296"})
    EXPECT_FALSE(list_of(text)) << text;
  EXPECT_FALSE(parsed("")->list("tracks", 100, 16));
}

TEST(QueryString, RefusesListsOfTooManyBeforeItMakesThem) {
  EXPECT_FALSE(list_of("0-16"));
  EXPECT_FALSE(list_of("0-15,0"));
  const auto all = parsed("tracks=0-4294967294");
  EXPECT_FALSE(all->list("tracks", 4294967295u, 16));
}

}  // namespace
}  // namespace ivtrace::view
