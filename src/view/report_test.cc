#include "view/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ivtrace::view {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kPage =
    "<!doctype html><html><head><title>t</title><script type=\"module\" src=\"./app.js\"></script>"
    "<link rel=\"stylesheet\" href=\"./app.css\"></head><body></body></html>";

TEST(Report, IsOnePageThatRefersToNothing) {
  const auto page = joined_page(kPage, "draw('app.css')", "a{}", R"({"a":1})");
  ASSERT_TRUE(page);
  EXPECT_THAT(*page, Not(HasSubstr("src=")));
  EXPECT_THAT(*page, Not(HasSubstr("href=")));
  EXPECT_THAT(*page, Not(HasSubstr("./app")));
  EXPECT_THAT(*page, HasSubstr("<script type=\"application/json\" id=\"ivtrace-report\">{\"a\":1}</script>"));
  EXPECT_THAT(*page, HasSubstr("<script type=\"module\">draw('app.css')</script>"));
  EXPECT_THAT(*page, HasSubstr("<style>a{}</style></head>"));
  EXPECT_THAT(*page,
              HasSubstr("<head><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'"));
  // The data stand before the script that reads them.
  EXPECT_LT(page->find("ivtrace-report"), page->find("draw("));
}

TEST(Report, ItsOrderOfTagsIsNoMatter) {
  const auto page = joined_page(
      "<html><head><link rel=\"stylesheet\" href=\"./app.css\"></head><body><script "
      "src=\"./app.js\"></script></body></html>",
      "'app.css'", "/* app.js */", "{}");
  ASSERT_TRUE(page);
  EXPECT_THAT(*page, HasSubstr("<style>/* app.js */</style></head><body><script type=\"application/json\""));
}

TEST(Report, APageWithoutItsPartsIsAnError) {
  EXPECT_FALSE(joined_page("<html><head></head></html>", "", "", "{}"));
  EXPECT_FALSE(
      joined_page("<html><script src=\"./app.js\"></script><link href=\"./app.css\"></html>", "", "", "{}"));
}

TEST(Report, NothingInItEndsAScript) {
  EXPECT_EQ(escaped_for_script("</script><!--&\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa"),
            "\\u003c/script\\u003e\\u003c!--\\u0026\\u2028\\u2029\xe2\x80\xaa");
  const auto page = joined_page(kPage, "s='</SCRIPT><!-- </b> a<b'", "", "{\"comm\":\"</script>\"}");
  ASSERT_TRUE(page);
  EXPECT_THAT(*page, HasSubstr("s='<\\/SCRIPT><\\!-- </b> a<b'"));
  EXPECT_THAT(*page, HasSubstr("{\"comm\":\"\\u003c/script\\u003e\"}"));
}

TEST(Report, ShowsTheGravestFindingWithWhatLiesAround) {
  patterns::Finding gravest;
  gravest.from_ns = 400;
  gravest.until_ns = 800;
  patterns::Finding other;
  other.until_ns = 5;
  const Stretch stretch = stretch_that_matters({gravest, other}, 10'000);
  EXPECT_EQ(stretch.from_ns, 300);
  EXPECT_EQ(stretch.until_ns, 900);
  const Stretch cut = stretch_that_matters({gravest}, 850);
  EXPECT_EQ(cut.until_ns, 850);
  const Stretch whole = stretch_that_matters({}, 10'000);
  EXPECT_EQ(whole.from_ns, 0);
  EXPECT_EQ(whole.until_ns, 10'000);
  // One without a length is no stretch.
  gravest.from_ns = gravest.until_ns = 20'000;
  EXPECT_EQ(stretch_that_matters({gravest}, 10'000).until_ns, 10'000);
}

TEST(Report, ItsFinestLevelShowsTheStretchWithAFewTiles) {
  constexpr std::int64_t kBase = std::int64_t{1} << 34;
  EXPECT_EQ(level_for({0, kBase}, kBase), 2u);
  EXPECT_EQ(level_for({0, kBase / 8}, kBase), 5u);
  EXPECT_EQ(level_for({0, kBase / 8 - 1}, kBase), 6u);
  // A bin is never shorter than a nanosecond.
  EXPECT_EQ(level_for({0, 1}, kBase), 26u);
}

}  // namespace
}  // namespace ivtrace::view
