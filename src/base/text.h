// Text as people type it and as terminals and JSON take it: numbers, sizes, durations, globs, nearest names,
// escapes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace ivtrace {

/// A whole decimal or 0x-hexadecimal number; anything else, overflow included, is kInvalid.
Result<std::uint64_t> parse_u64(std::string_view text);
Result<std::int64_t> parse_i64(std::string_view text);
/// "4096", "64K", "16M", "2G", "1T": bytes, powers of 1024; an optional "B" or "iB" may follow.
Result<std::uint64_t> parse_size(std::string_view text);
/// "10", "10s", "1.5m", "250ms", "2h", "100us", "5ns": a time span; a bare number is seconds.
Result<Nanoseconds> parse_duration(std::string_view text);
/// "1.5 MiB": for people.
std::string format_size(std::uint64_t bytes);

/// `number` with thousands set apart: 1,234,567.
std::string grouped(unsigned long long number);

/// Nanoseconds in the unit in which they have few digits: "812 ns", "3120.5 us", "17.2 ms", "12.0 s".
std::string format_duration(std::int64_t ns);

/// Shell pattern match (fnmatch(3) without flags).
bool glob_match(const std::string& pattern, const std::string& text);

/// Up to `count` of `names` that are nearest to `wanted` by edit distance, best first; far-off names are left
/// out.
std::vector<std::string> nearest_names(std::string_view wanted, std::span<const std::string> names,
                                       std::size_t count = 3);

/// Appends `text` so that no byte of it can act on a terminal: control and non-UTF-8 bytes become \xNN, a
/// backslash is doubled.
void append_terminal_safe(std::string& out, std::string_view text);
/// Appends `text` as the inside of a JSON string; bytes that are not UTF-8 become U+FFFD.
void append_json_escaped(std::string& out, std::string_view text);
/// Appends `text` as it is, but for bytes that are not UTF-8: each becomes U+FFFD.
void append_utf8(std::string& out, std::string_view text);

/// Splits at `separator`; empty pieces are kept.
std::vector<std::string_view> split(std::string_view text, char separator);
/// Without leading and trailing blanks, tabs and newlines.
std::string_view trim(std::string_view text);

}  // namespace ivtrace
