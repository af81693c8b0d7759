#include "format/extent.h"

#include <fmt/format.h>

#include <iterator>

#include "base/text.h"

namespace ivtrace::format {
namespace {

constexpr unsigned kMinorBits = 20;
constexpr std::uint64_t kMaxMinor = (1u << kMinorBits) - 1;
constexpr std::uint64_t kMaxMajor = 0xfff;
constexpr std::uint64_t kMost = 1ull << 62;

}  // namespace

void append_extent(std::string& text, const Extent& extent) {
  fmt::format_to(std::back_inserter(text), "{} {} {}:{} {}\n", extent.guest_offset, extent.bytes,
                 extent.device >> kMinorBits, extent.device & kMaxMinor, extent.device_offset);
}

std::optional<Extent> parse_extent(std::string_view line) {
  const auto words = split(line, ' ');
  if (words.size() != 4) return std::nullopt;
  const auto numbers = split(words[2], ':');
  if (numbers.size() != 2) return std::nullopt;
  const auto guest_offset = parse_u64(words[0]);
  const auto bytes = parse_u64(words[1]);
  const auto major = parse_u64(numbers[0]);
  const auto minor = parse_u64(numbers[1]);
  const auto device_offset = parse_u64(words[3]);
  if (!guest_offset || !bytes || !major || !minor || !device_offset) return std::nullopt;
  if (*major > kMaxMajor || *minor > kMaxMinor || *guest_offset > kMost || *bytes > kMost ||
      *device_offset > kMost)
    return std::nullopt;
  return Extent{*guest_offset, *bytes, static_cast<std::uint32_t>(*major << kMinorBits | *minor),
                *device_offset};
}

}  // namespace ivtrace::format
