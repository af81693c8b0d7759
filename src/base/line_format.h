// Numbers in lines of text, without a format string: the report writes some ten million of them a second.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <string>

namespace ivtrace {

template <class Integer>
void append_number(std::string& out, Integer number) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  out.append(digits.data(), static_cast<std::size_t>(end.ptr - digits.data()));
}

/// `number` with thousands set apart: 1,234,567.
std::string grouped(unsigned long long number);

/// `number` in exactly `width` digits, zeroes in front; number < 10^width, width ≤ 20.
inline void append_padded(std::string& out, std::uint64_t number, std::size_t width) {
  std::array<char, 20> digits;
  for (std::size_t at = width; at-- > 0; number /= 10) digits[at] = static_cast<char>('0' + number % 10);
  out.append(digits.data(), width);
}

/// Nanoseconds as seconds with nine digits behind the point, the seconds right-aligned in `column`
/// characters.
inline void append_seconds(std::string& out, std::int64_t ns, std::size_t column) {
  const bool negative = ns < 0;
  const std::uint64_t size = negative ? 0 - static_cast<std::uint64_t>(ns) : static_cast<std::uint64_t>(ns);
  std::array<char, 24> digits;
  char* begin = digits.data();
  if (negative) *begin++ = '-';
  const char* const end = std::to_chars(begin, digits.data() + digits.size(), size / 1'000'000'000).ptr;
  const auto length = static_cast<std::size_t>(end - digits.data());
  if (length < column) out.append(column - length, ' ');
  out.append(digits.data(), length);
  out += '.';
  append_padded(out, size % 1'000'000'000, 9);
}

}  // namespace ivtrace
