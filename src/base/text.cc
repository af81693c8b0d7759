#include "base/text.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "base/utf8.h"

namespace ivtrace {
namespace {

Error not_a(std::string_view kind, std::string_view text, std::string_view example) {
  std::string shown;
  append_terminal_safe(shown, text);
  return Error(ErrorCode::kInvalid, fmt::format("\"{}\" is not a {}", shown, kind),
               fmt::format("for example {}", example));
}

template <class Number>
Result<Number> parse_number(std::string_view text) {
  std::string_view digits = text;
  int radix = 10;
  if (digits.starts_with("0x") || digits.starts_with("0X")) {
    digits.remove_prefix(2);
    radix = 16;
  }
  Number number{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, radix);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) {
    return not_a("number", text, "42 or 0x2a");
  }
  return number;
}

/// C1 control characters are as able to steer a terminal as ESC is: U+0080..U+009F is C2 80..C2 9F.
bool is_c1_control(std::string_view sequence) {
  return sequence.size() == 2 && static_cast<unsigned char>(sequence[0]) == 0xc2 &&
         static_cast<unsigned char>(sequence[1]) < 0xa0;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitution = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitution});
    }
  }
  return row.back();
}

}  // namespace

Result<std::uint64_t> parse_u64(std::string_view text) { return parse_number<std::uint64_t>(text); }
Result<std::int64_t> parse_i64(std::string_view text) { return parse_number<std::int64_t>(text); }

Result<std::uint64_t> parse_size(std::string_view text) {
  std::string_view rest = text;
  if (rest.ends_with("iB")) {
    rest.remove_suffix(2);
  } else if (rest.ends_with('B')) {
    rest.remove_suffix(1);
  }
  int shift = 0;
  if (!rest.empty()) {
    constexpr std::string_view kUnits = "KMGT";
    const std::size_t unit = kUnits.find(static_cast<char>(rest.back() & ~0x20));
    if (unit != std::string_view::npos) {
      shift = 10 * (static_cast<int>(unit) + 1);
      rest.remove_suffix(1);
    }
  }
  const auto number = parse_number<std::uint64_t>(rest);
  if (!number || *number > std::numeric_limits<std::uint64_t>::max() >> shift) {
    return not_a("size", text, "64K, 16M or 2G");
  }
  return *number << shift;
}

Result<Nanoseconds> parse_duration(std::string_view text) {
  struct Unit {
    std::string_view suffix;
    double ns;
  };
  constexpr std::array<Unit, 6> kUnits = {
      {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}}};
  std::string_view digits = text;
  double scale = 1e9;
  for (const Unit& unit : kUnits) {
    if (digits.ends_with(unit.suffix)) {
      digits.remove_suffix(unit.suffix.size());
      scale = unit.ns;
      break;
    }
  }
  double number{};
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), number, std::chars_format::fixed);
  const double ns = number * scale;
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size() || !(ns >= 0) ||
      ns > 9e18) {
    return not_a("time span", text, "10s, 250ms or 2m");
  }
  return Nanoseconds(static_cast<std::int64_t>(std::llround(ns)));
}

std::string format_size(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  double amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (amount >= 1024 && unit + 1 < kUnits.size()) {
    amount /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", amount, kUnits[unit]);
}

std::string format_duration(std::int64_t ns) {
  const auto value = static_cast<double>(ns);
  if (ns < 10'000) return fmt::format("{} ns", ns);
  if (ns < 10'000'000) return fmt::format("{:.1f} us", value / 1e3);
  if (ns < 10'000'000'000) return fmt::format("{:.1f} ms", value / 1e6);
  return fmt::format("{:.1f} s", value / 1e9);
}

bool glob_match(const std::string& pattern, const std::string& text) {
  return ::fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
}

std::vector<std::string> nearest_names(std::string_view wanted, std::span<const std::string> names,
                                       std::size_t count) {
  struct Candidate {
    std::size_t distance;
    const std::string* name;
  };
  std::vector<Candidate> candidates;
  const std::size_t limit = std::max<std::size_t>(2, wanted.size() / 2);
  for (const std::string& name : names) {
    const std::size_t gap =
        name.size() > wanted.size() ? name.size() - wanted.size() : wanted.size() - name.size();
    if (gap > limit) continue;
    const std::size_t distance = edit_distance(wanted, name);
    if (distance <= limit) candidates.push_back({distance, &name});
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.distance < b.distance; });
  std::vector<std::string> nearest;
  for (std::size_t i = 0; i < std::min(count, candidates.size()); ++i) nearest.push_back(*candidates[i].name);
  return nearest;
}

void append_terminal_safe(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto lead = static_cast<unsigned char>(text[0]);
    if (length == 0 || lead < 0x20 || lead == 0x7f || is_c1_control(text.substr(0, length))) {
      const std::size_t bad = std::max<std::size_t>(length, 1);
      for (std::size_t i = 0; i < bad; ++i) {
        fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(text[i]));
      }
      text.remove_prefix(bad);
      continue;
    }
    if (lead == '\\') out += '\\';
    out.append(text.substr(0, length));
    text.remove_prefix(length);
  }
}

void append_json_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto lead = static_cast<unsigned char>(text[0]);
    if (length == 0) {
      out += "\xef\xbf\xbd";
      text.remove_prefix(1);
      continue;
    }
    if (lead == '"' || lead == '\\') {
      out += '\\';
      out += static_cast<char>(lead);
    } else if (lead < 0x20 || lead == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", lead);
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(length);
  }
}

void append_json_string(std::string& out, std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(),
                                 [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; });
  out += '"';
  if (plain) {
    out.append(text);
  } else {
    append_json_escaped(out, text);
  }
  out += '"';
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  for (;;) {
    const std::size_t end = text.find(separator);
    pieces.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return pieces;
    text.remove_prefix(end + 1);
  }
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

}  // namespace ivtrace
