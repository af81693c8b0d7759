// What stands behind the "?" of an address, strictly: a page of the same build makes it, so whatever is not
// as expected is a mistake or an attack, and is refused as a whole.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ivtrace::view {

/// The parameters of one request. A plain value. Every function's error is kInvalid and names the parameter.
class QueryString {
 public:
  /// "a=1&b=x%20y". `known`: the names that may come, each once at most. Names are plain; values may have
  /// %XX and + (a blank).
  static Result<QueryString> parse(std::string_view text, const std::set<std::string_view>& known);

  bool has(std::string_view name) const { return values_.find(name) != values_.end(); }
  /// "" when it is not there.
  std::string text(std::string_view name) const;
  /// A decimal number within [low, high]; `missing` when it is not there, which without it is an error.
  Result<std::int64_t> number(std::string_view name, std::int64_t low, std::int64_t high,
                              std::optional<std::int64_t> missing = {}) const;
  /// "0,3-9,4": numbers below `end`, in their order as given, `most` of them at most.
  Result<std::vector<std::uint32_t>> list(std::string_view name, std::uint32_t end, std::size_t most) const;

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

}  // namespace ivtrace::view
