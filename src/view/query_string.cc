#include "view/query_string.h"

#include <charconv>

#include "base/text.h"

namespace ivtrace::view {
namespace {

Error wrong(std::string_view name, std::string_view why) {
  return Error(ErrorCode::kInvalid, "the parameter " + std::string(name) + " " + std::string(why));
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Nothing when an escape is none.
std::optional<std::string> unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    if (text.size() - i < 3) return {};
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return {};
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

/// The whole text, or nothing. No sign, no blanks.
template <class Number>
std::optional<Number> whole_number(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return number;
}

}  // namespace

Result<QueryString> QueryString::parse(std::string_view text, const std::set<std::string_view>& known) {
  QueryString query;
  if (text.empty()) return query;
  for (const std::string_view piece : split(text, '&')) {
    const std::size_t equals = piece.find('=');
    if (equals == std::string_view::npos)
      return Error(ErrorCode::kInvalid, "a parameter without a value", "NAME=VALUE&…");
    const std::string_view name = piece.substr(0, equals);
    if (!known.contains(name)) return Error(ErrorCode::kInvalid, "a parameter that nobody knows here");
    std::optional<std::string> value = unescaped(piece.substr(equals + 1));
    if (!value) return wrong(name, "has an escape that is none");
    if (!query.values_.emplace(name, *std::move(value)).second) return wrong(name, "comes twice");
  }
  return query;
}

std::string QueryString::text(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::string() : found->second;
}

Result<std::int64_t> QueryString::number(std::string_view name, std::int64_t low, std::int64_t high,
                                         std::optional<std::int64_t> missing) const {
  const auto found = values_.find(name);
  if (found == values_.end()) {
    if (missing) return *missing;
    return wrong(name, "is missing");
  }
  const std::optional<std::int64_t> number = whole_number<std::int64_t>(found->second);
  if (!number) return wrong(name, "is no whole number");
  if (*number < low || *number > high)
    return wrong(name, "is not within " + std::to_string(low) + " to " + std::to_string(high));
  return *number;
}

Result<std::vector<std::uint32_t>> QueryString::list(std::string_view name, std::uint32_t end,
                                                     std::size_t most) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return wrong(name, "is missing");
  std::vector<std::uint32_t> numbers;
  for (const std::string_view piece : split(found->second, ',')) {
    const std::size_t dash = piece.find('-');
    const auto first = whole_number<std::uint32_t>(piece.substr(0, dash));
    const auto last =
        dash == std::string_view::npos ? first : whole_number<std::uint32_t>(piece.substr(dash + 1));
    if (!first || !last || *first > *last) return wrong(name, "is no list as 0,3-9");
    if (*last >= end) return wrong(name, "names what is not there");
    if (*last - *first >= most - numbers.size()) return wrong(name, "names too many at once");
    for (std::uint32_t number = *first; number <= *last; ++number) numbers.push_back(number);
  }
  return numbers;
}

}  // namespace ivtrace::view
