#include "base/checksum.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace ivtrace {
namespace {

std::uint64_t sum_of(const std::string& text, std::uint64_t before = 0) {
  return checksum(std::as_bytes(std::span(text)), before);
}

TEST(Checksum, TellsEveryBitEveryLengthAndTheOrder) {
  std::set<std::uint64_t> sums;
  std::size_t wanted = 0;
  for (std::size_t length = 0; length < 100; ++length, ++wanted)
    sums.insert(sum_of(std::string(length, '\0')));
  std::string text(99, '\0');
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit, ++wanted) {
    text[bit / 8] = static_cast<char>(1 << bit % 8);
    sums.insert(sum_of(text));
    text[bit / 8] = 0;
  }
  EXPECT_EQ(sums.size(), wanted);
  EXPECT_EQ(sum_of("some text"), sum_of("some text"));
  EXPECT_NE(sum_of("b", sum_of("a")), sum_of("a", sum_of("b")));
}

}  // namespace
}  // namespace ivtrace
