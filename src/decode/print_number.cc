#include "decode/print_number.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace ivtrace::decode {
namespace {

constexpr std::size_t kMaxDigits = 24;  // 22 octal digits of 64 bits, and room

struct Digits {
  std::array<char, kMaxDigits> text;
  std::size_t size = 0;
};

Digits digits_of(char conversion, std::uint64_t magnitude) {
  Digits digits;
  const int radix = conversion == 'o' ? 8 : conversion == 'x' || conversion == 'X' ? 16 : 10;
  const auto end = std::to_chars(digits.text.data(), digits.text.data() + kMaxDigits, magnitude, radix).ptr;
  digits.size = static_cast<std::size_t>(end - digits.text.data());
  if (conversion == 'X') {
    for (char& c : digits.text) c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 0x20) : c;
  }
  return digits;
}

}  // namespace

void append_hex(std::string& out, std::uint64_t value, unsigned digits) {
  std::array<char, 16> text;
  std::size_t first = text.size();
  do {
    text[--first] = "0123456789abcdef"[value & 15];
    value >>= 4;
  } while (value != 0 || text.size() - first < digits);
  out.append(text.data() + first, text.size() - first);
}

void append_decimal(std::string& out, std::uint64_t value) {
  std::array<char, kMaxDigits> text;
  out.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr);
}

void pad_text(std::string& out, std::size_t from, std::size_t width, bool left) {
  const std::size_t size = out.size() - from;
  if (size < width) out.insert(left ? out.size() : from, width - size, ' ');
}

namespace {

void append_plain(std::string& out, char conversion, std::uint64_t value) {
  switch (conversion) {
    case 'd':
      if (static_cast<std::int64_t>(value) < 0) {
        out += '-';
        value = 0 - value;
      }
      return append_decimal(out, value);
    case 'u':
      return append_decimal(out, value);
    case 'x':
      return append_hex(out, value);
    default: {
      const Digits digits = digits_of(conversion, value);
      out.append(digits.text.data(), digits.size);
    }
  }
}

}  // namespace

void append_number(std::string& out, const NumberFormat& format, std::uint64_t value) {
  if (format.is_plain()) return append_plain(out, format.conversion, value);
  const bool negative = format.conversion == 'd' && static_cast<std::int64_t>(value) < 0;
  Digits digits = digits_of(format.conversion, negative ? 0 - value : value);
  std::string_view sign = negative ? "-" : "";
  if (format.conversion == 'd' && !negative) sign = format.plus ? "+" : format.blank ? " " : "";
  if (format.precision == 0 && value == 0) digits.size = 0;
  std::size_t zeroes = 0;
  if (format.precision > 0) {
    const auto least = static_cast<std::size_t>(format.precision);
    zeroes = least > digits.size ? least - digits.size : 0;
  }
  if (format.alternate && value != 0 && (format.conversion | 0x20) == 'x')
    sign = format.conversion == 'x' ? "0x" : "0X";
  if (format.alternate && format.conversion == 'o' && zeroes == 0 && (value != 0 || digits.size == 0))
    zeroes = 1;
  const std::size_t used = sign.size() + zeroes + digits.size;
  std::size_t blanks = format.width > used ? format.width - used : 0;
  if (format.zero && !format.left && format.precision < 0) {
    zeroes += blanks;
    blanks = 0;
  }
  if (!format.left) out.append(blanks, ' ');
  out += sign;
  out.append(zeroes, '0');
  out.append(digits.text.data(), digits.size);
  if (format.left) out.append(blanks, ' ');
}

}  // namespace ivtrace::decode
