#include "decode/print_address.h"

#include <algorithm>
#include <array>

#include "decode/print_number.h"

namespace ivtrace::decode {
namespace {

constexpr std::uint64_t kFamilyIpv4 = 2;
constexpr std::uint64_t kFamilyIpv6 = 10;

std::uint8_t byte_at(RecordBytes bytes, std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); }
unsigned word_at(RecordBytes bytes, std::size_t i) {
  return byte_at(bytes, 2 * i) * 256u + byte_at(bytes, 2 * i + 1);
}

void append_mac(std::string& out, std::string_view extension, RecordBytes bytes) {
  if (bytes.size() != 6) {
    out += "INVALIDMAC";
    return;
  }
  const char separator = extension == "MF" ? '-' : ':';
  for (std::size_t i = 0; i < 6; ++i) {
    if (i > 0 && extension[0] == 'M') out += separator;
    append_hex(out, byte_at(bytes, extension.ends_with('R') ? 5 - i : i), 2);
  }
}

void append_uuid(std::string& out, std::string_view extension, RecordBytes bytes) {
  if (bytes.size() != 16) {
    out += "INVALIDUUID";
    return;
  }
  constexpr std::array<std::uint8_t, 16> kGuidOrder = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
  const bool guid = extension == "Ul" || extension == "UL";
  const std::size_t start = out.size();
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    append_hex(out, byte_at(bytes, guid ? kGuidOrder[i] : i), 2);
  }
  if (extension != "UL" && extension != "UB") return;
  for (char& c : std::span(out).subspan(start)) c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 0x20) : c;
}

/// `order` is one of h n l b, or 0: h (host, here little-endian) and l print the last byte first.
void append_ipv4(std::string& out, bool leading_zeroes, char order, RecordBytes bytes) {
  const bool reverse = order == 'h' || order == 'l';
  for (std::size_t i = 0; i < 4; ++i) {
    if (i > 0) out += '.';
    const unsigned value = byte_at(bytes, reverse ? 3 - i : i);
    if (leading_zeroes) out.append(value < 10 ? 2 : value < 100 ? 1 : 0, '0');
    append_decimal(out, value);
  }
}

void append_ipv6_plain(std::string& out, bool colons, RecordBytes bytes) {
  for (std::size_t i = 0; i < 8; ++i) {
    if (i > 0 && colons) out += ':';
    append_hex(out, word_at(bytes, i), 4);
  }
}

/// RFC 5952: the first longest run of two or more zero words becomes "::"; mapped and ISATAP addresses end in
/// dots.
void append_ipv6_short(std::string& out, RecordBytes bytes) {
  const bool mapped = std::ranges::all_of(bytes.first(10), [](std::byte b) { return b == std::byte{0}; }) &&
                      word_at(bytes, 5) == 0xffff;
  const bool isatap = (word_at(bytes, 4) | 0x0200) == 0x0200 && word_at(bytes, 5) == 0x5efe;
  const std::size_t words = mapped || isatap ? 6 : 8;
  std::size_t run_start = words;
  std::size_t run = 1;
  for (std::size_t i = 0; i < words; ++i) {
    std::size_t end = i;
    while (end < words && word_at(bytes, end) == 0) ++end;
    if (end - i > run) {
      run = end - i;
      run_start = i;
    }
  }
  bool colon = false;
  for (std::size_t i = 0; i < words; ++i) {
    if (i == run_start) {
      out += "::";
      colon = false;
      i += run - 1;
      continue;
    }
    if (colon) out += ':';
    append_hex(out, word_at(bytes, i));
    colon = true;
  }
  if (words == 8) return;
  if (colon) out += ':';
  append_ipv4(out, false, 0, bytes.last(4));
}

void append_ipv6(std::string& out, std::string_view extension, RecordBytes bytes) {
  if (extension.starts_with('I') && extension.find('c') != std::string_view::npos) {
    append_ipv6_short(out, bytes);
  } else {
    append_ipv6_plain(out, extension.starts_with('I'), bytes);
  }
}

/// A sockaddr: family u16, port big-endian u16, then the address at 4 (IPv4) or 8 (IPv6).
void append_socket_address(std::string& out, std::string_view extension, RecordBytes bytes) {
  if (bytes.size() < 2) return;
  const std::uint64_t family = load_unsigned(bytes.data(), 2);
  const bool port = extension.find('p') != std::string_view::npos;
  if (family == kFamilyIpv4) {
    if (bytes.size() < 16) {
      out += "INVALIDIPv4";
      return;
    }
    append_ipv4(out, extension[0] == 'i', 0, bytes.subspan(4, 4));
    if (port) out += ':';
  } else if (family == kFamilyIpv6) {
    if (bytes.size() < 28) {
      out += "INVALIDIPv6";
      return;
    }
    if (port) out += '[';
    append_ipv6(out, extension, bytes.subspan(8, 16));
    if (port) out += "]:";
  } else {
    return;
  }
  if (port) append_decimal(out, word_at(bytes, 1));
}

}  // namespace

void append_address(std::string& out, std::string_view extension, RecordBytes bytes) {
  const char kind = extension[0];
  if ((kind | 0x20) == 'm') return append_mac(out, extension, bytes);
  if (kind == 'U') return append_uuid(out, extension, bytes);
  if (extension[1] == 'S') return append_socket_address(out, extension, bytes);
  if (extension[1] == '4') {
    if (bytes.size() == 4) {
      append_ipv4(out, kind == 'i', extension.size() > 2 ? extension[2] : '\0', bytes);
    } else {
      out += "INVALIDIPv4";
    }
  } else if (bytes.size() == 16) {
    append_ipv6(out, extension, bytes);
  } else {
    out += "INVALIDIPv6";
  }
}

}  // namespace ivtrace::decode
