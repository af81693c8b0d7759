#include "base/base64.h"

#include <cstdint>

namespace ivtrace {
namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string base64_encode(std::span<const std::byte> bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const auto octet = [&](std::size_t i) {
      return at + i < bytes.size() ? std::to_integer<std::uint32_t>(bytes[at + i]) : 0u;
    };
    const std::uint32_t word = octet(0) << 16 | octet(1) << 8 | octet(2);
    for (std::size_t i = 0; i < 4; ++i)
      text += at + i > bytes.size() ? '=' : kDigits[word >> (18 - 6 * i) & 63];
  }
  return text;
}

Result<std::string> base64_decode(std::string_view text) {
  const Error bad(ErrorCode::kCorrupt, "this is no base64");
  if (text.size() % 4 != 0) return bad;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  for (std::size_t at = 0; at < text.size(); at += 4) {
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const bool is_padding = at + i >= text.size() - padding;
      const std::size_t digit = is_padding ? 0 : kDigits.find(text[at + i]);
      if (digit == std::string_view::npos) return bad;
      word = word << 6 | static_cast<std::uint32_t>(digit);
    }
    bytes += static_cast<char>(word >> 16);
    bytes += static_cast<char>(word >> 8 & 255);
    bytes += static_cast<char>(word & 255);
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

}  // namespace ivtrace
