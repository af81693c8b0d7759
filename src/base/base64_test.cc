#include "base/base64.h"

#include <gtest/gtest.h>

namespace ivtrace {
namespace {

std::string encoded(std::string_view text) { return base64_encode(std::as_bytes(std::span(text))); }

TEST(Base64, VectorsOfTheStandard) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : vectors) {
    EXPECT_EQ(encoded(plain), coded);
    EXPECT_EQ(base64_decode(coded).value(), plain);
  }
}

TEST(Base64, EveryByteComesBack) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(base64_decode(encoded(all)).value(), all);
}

TEST(Base64, WhatIsNoEncodingIsRefused) {
  for (const char* text : {"Z", "Zg=", "Z===", "====", "Zm9v!m9v", "=m9v", "Zg==Zg=="})
    EXPECT_FALSE(base64_decode(text).ok()) << text;
}

}  // namespace
}  // namespace ivtrace
