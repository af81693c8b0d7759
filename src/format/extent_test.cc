#include "format/extent.h"

#include <gtest/gtest.h>

namespace ivtrace::format {
namespace {

const Extent kExtent{8192, 512, 8u << 20 | 1, 65536};

// The layout is a contract between programs of different ages.
TEST(ExtentLine, IsWrittenAndReadAlike) {
  std::string text;
  append_extent(text, kExtent);
  append_extent(text, {0, 4096, 0xfffu << 20 | 0xfffff, 1ull << 62});
  EXPECT_EQ(text, "8192 512 8:1 65536\n0 4096 4095:1048575 4611686018427387904\n");
  EXPECT_EQ(parse_extent("8192 512 8:1 65536"), kExtent);
  EXPECT_EQ(parse_extent("0 4096 4095:1048575 4611686018427387904"),
            (Extent{0, 4096, 0xffffffff, 1ull << 62}));
}

TEST(ExtentLine, CutAnywhereItIsNoneOrHasAShorterLastNumber) {
  const std::string_view line = "8192 512 8:1 65536";
  const std::size_t last = line.rfind(' ') + 1;
  for (std::size_t length = 0; length < line.size(); ++length) {
    const auto read = parse_extent(line.substr(0, length));
    EXPECT_EQ(read.has_value(), length > last) << length;
  }
}

TEST(ExtentLine, WhatIsOutOfRangeIsNone) {
  for (const char* line :
       {"0 1 4096:0 0", "0 1 0:1048576 0", "0 1 8:0 4611686018427387905", "0 4611686018427387905 8:0 0",
        "4611686018427387905 1 8:0 0", "-1 1 8:0 0", "0 1 8:0 0 ", " 0 1 8:0 0", "0 1 8:0:0 0", "0 1 8 0",
        "0 1 8:0 18446744073709551616", "0 x 8:0 0"})
    EXPECT_FALSE(parse_extent(line)) << line;
}

}  // namespace
}  // namespace ivtrace::format
