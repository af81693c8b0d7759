// For tests only: this machine's tracefs, and what a workload of numbered trace_marker lines left in
// sub-buffers.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "format/kernel_page.h"
#include "tracefs/mount.h"

namespace ivtrace::tracefs {

/// Skips its tests, with the reason, where there is no tracefs for us.
class TracefsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "tracefs needs root";
    auto dir = TraceDir::open();
    if (!dir) GTEST_SKIP() << dir.error().to_string();
    dir_.emplace(std::move(*dir));
  }

  std::optional<TraceDir> dir_;
};

/// The numbers of the "n=N" lines in an image's print events, in order. Fails on anything that is not a whole
/// event.
inline std::vector<int> numbers_in(std::span<const std::byte> image) {
  std::vector<int> numbers;
  std::size_t at = format::kSubBufferHeader;
  const auto word = [&](std::size_t from) {
    std::uint32_t value = 0;
    EXPECT_LE(from + 4, image.size());
    if (from + 4 <= image.size()) std::memcpy(&value, image.data() + from, 4);
    return value;
  };
  while (at + 4 <= image.size()) {
    const std::uint32_t head = word(at);
    const std::uint32_t type = head & format::kTypeLenMask;
    if (type == format::kTypePadding && head >> format::kDeltaShift == 0) break;
    if (type == format::kTypeTimeExtend || type == format::kTypeTimeStamp) {
      at += 8;
      continue;
    }
    const std::size_t size =
        type == 0 || type == format::kTypePadding ? word(at + 4) + 4 : 4 + 4 * std::size_t{type};
    const std::size_t data = type == 0 ? at + 8 : at + 4;
    EXPECT_LE(at + size, image.size());
    if (at + size > image.size()) break;
    if (type != format::kTypePadding && data + 18 <= at + size) {
      const char* text = reinterpret_cast<const char*>(image.data() + data + 16);  // common fields 8, ip 8
      if (std::strncmp(text, "n=", 2) == 0) numbers.push_back(std::atoi(text + 2));
    }
    at += size;
  }
  return numbers;
}

}  // namespace ivtrace::tracefs
