#include "base/utf8.h"

#include <gtest/gtest.h>

namespace ivtrace {
namespace {

TEST(Utf8, IsKeptAndWhatIsNoneReplaced) {
  std::string out;
  append_utf8(out, "a\"\n\xc3\xa4\xffz\xe2\x82");
  EXPECT_EQ(out, "a\"\n\xc3\xa4\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(Utf8, HasNoLongFormsAndNoSurrogates) {
  EXPECT_EQ(utf8_length("\xe2\x82\xac"), 3u);
  EXPECT_EQ(utf8_length("\xf0\x9f\x98\x80"), 4u);
  EXPECT_EQ(utf8_length("\xc0\xaf"), 0u);
  EXPECT_EQ(utf8_length("\xed\xa0\x80"), 0u);
  EXPECT_EQ(utf8_length("\x80"), 0u);
}

}  // namespace
}  // namespace ivtrace
