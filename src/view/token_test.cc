#include "view/token.h"

#include <gtest/gtest.h>

#include <set>

namespace ivtrace::view {
namespace {

TEST(Token, IsOfLettersAndDigitsAndNeverTheSame) {
  std::set<std::string> tokens;
  std::set<char> letters;
  for (int i = 0; i < 200; ++i) {
    const auto token = make_token();
    ASSERT_TRUE(token);
    EXPECT_EQ(token->size(), kTokenLength);
    letters.insert(token->begin(), token->end());
    tokens.insert(*token);
  }
  EXPECT_EQ(tokens.size(), 200u);
  EXPECT_EQ(letters.size(), 62u);
  for (const char letter : letters) EXPECT_TRUE(std::isalnum(static_cast<unsigned char>(letter)));
}

TEST(Token, IsComparedInFull) {
  EXPECT_TRUE(is_same_secret("abc", "abc"));
  EXPECT_TRUE(is_same_secret("", ""));
  for (const char* const other : {"abd", "bbc", "ab", "abcd", "", "ABC"})
    EXPECT_FALSE(is_same_secret(other, "abc"));
  EXPECT_FALSE(is_same_secret("\x80", std::string(1, '\0')));
}

}  // namespace
}  // namespace ivtrace::view
