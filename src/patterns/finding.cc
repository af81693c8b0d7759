#include "patterns/finding.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace ivtrace::patterns {
namespace {

/// Calls `name` for each {word} and `plain` for what lies between them.
template <class Plain, class Name>
void walk_template(const std::string& text, Plain&& plain, Name&& name) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t open = text.find('{', at);
    const std::size_t close = open == std::string::npos ? open : text.find('}', open);
    if (close == std::string::npos) break;
    plain(std::string_view(text).substr(at, open - at));
    name(text.substr(open + 1, close - open - 1));
    at = close + 1;
  }
  plain(std::string_view(text).substr(at));
}

std::string number_text(const std::string& column, double value) {
  constexpr double kSecond = 1e9;
  constexpr double kMost = 1ll << 62;  // SQL knows larger numbers than a duration or a size has
  if (column == "from_ns" || column == "until_ns") return fmt::format("{:.3f} s", value / kSecond);
  if (column.ends_with("_ns")) return format_duration(std::llround(std::clamp(value, -kMost, kMost)));
  if (column.ends_with("share")) return fmt::format("{:.0f} %", value * 100);
  const auto size = [&] { return format_size(static_cast<std::uint64_t>(std::clamp(value, 0.0, kMost))); };
  if (column.ends_with("bytes")) return size();
  if (column.ends_with("_bps")) return size() + "/s";
  constexpr double kWhole = 100;
  return std::abs(value) >= kWhole || value == std::floor(value) ? fmt::format("{:.0f}", value)
                                                                 : fmt::format("{:.1f}", value);
}

}  // namespace

std::string value_text(const std::string& column, const query::OwnedCell& value) {
  if (const auto* const text = std::get_if<std::string>(&value)) return *text;
  if (const auto* const number = std::get_if<std::int64_t>(&value))
    return number_text(column, static_cast<double>(*number));
  if (const auto* const real = std::get_if<double>(&value)) return number_text(column, *real);
  return "?";
}

std::string fill_in(const std::string& text, const query::Parameters& columns) {
  std::string out;
  walk_template(
      text, [&](std::string_view plain) { out.append(plain); },
      [&](const std::string& name) {
        const auto found = columns.find(name);
        out += found == columns.end() ? "{" + name + "}" : value_text(name, found->second);
      });
  return out;
}

std::optional<std::string> unknown_column(const std::string& text, const std::vector<std::string>& columns) {
  std::optional<std::string> unknown;
  walk_template(
      text, [](std::string_view) {},
      [&](const std::string& name) {
        if (!unknown && std::find(columns.begin(), columns.end(), name) == columns.end()) unknown = name;
      });
  return unknown;
}

}  // namespace ivtrace::patterns
