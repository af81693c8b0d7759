#include "query/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace ivtrace::query {
namespace {

/// The whole number at or below a value; texts bound nothing.
std::int64_t floor_of(const Value& value, std::int64_t for_text) {
  if (const auto* const number = std::get_if<std::int64_t>(&value)) return *number;
  const auto* const real = std::get_if<double>(&value);
  if (real == nullptr) return for_text;
  constexpr double kLimit = 9.2e18;  // below 2^63, so that the conversion is defined
  if (*real >= kLimit) return std::numeric_limits<std::int64_t>::max();
  if (*real <= -kLimit) return std::numeric_limits<std::int64_t>::min();
  return static_cast<std::int64_t>(std::floor(*real));
}

}  // namespace

const char* to_string(Type type) {
  switch (type) {
    case Type::kInteger:
      return "INTEGER";
    case Type::kReal:
      return "REAL";
    case Type::kText:
      return "TEXT";
  }
  return "";
}

int TableInfo::find(std::string_view column) const {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (column == columns[i].name) return static_cast<int>(i);
  }
  return -1;
}

std::string create_statement(const TableInfo& info) {
  std::string text = fmt::format("CREATE TABLE {}(", info.name);
  for (std::size_t i = 0; i < info.columns.size(); ++i) {
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", info.columns[i].name, to_string(info.columns[i].type));
  }
  return text + ")";
}

std::string schema_text(const TableInfo& info) {
  std::size_t width = 0;
  for (const Column& column : info.columns) width = std::max(width, std::string_view(column.name).size());
  std::string text = fmt::format("-- {}\nCREATE TABLE {}(\n", info.meaning, info.name);
  for (std::size_t i = 0; i < info.columns.size(); ++i) {
    const Column& column = info.columns[i];
    const std::string type = std::string(to_string(column.type)) + (i + 1 < info.columns.size() ? "," : "");
    const std::string unit = *column.unit != '\0' ? fmt::format("{}; ", column.unit) : "";
    text += fmt::format("  {:<{}} {:<8} -- {}{}\n", column.name, width, type, unit, column.meaning);
  }
  return text + ");\n";
}

Range range_of(std::span<const Constraint> constraints, int column) {
  Range range;
  for (const Constraint& constraint : constraints) {
    if (constraint.column != column || constraint.values.empty()) continue;
    std::int64_t low = std::numeric_limits<std::int64_t>::max();
    std::int64_t high = std::numeric_limits<std::int64_t>::min();
    for (const Value& value : constraint.values) {
      low = std::min(low, floor_of(value, std::numeric_limits<std::int64_t>::min()));
      high = std::max(high, floor_of(value, std::numeric_limits<std::int64_t>::max()));
    }
    const bool bounds_below =
        constraint.compare != Compare::kLess && constraint.compare != Compare::kLessEqual;
    const bool bounds_above =
        constraint.compare != Compare::kGreater && constraint.compare != Compare::kGreaterEqual;
    if (bounds_below) range.low = std::max(range.low, low);
    if (bounds_above) range.high = std::min(range.high, high);
  }
  return range;
}

Error interrupted_error() { return Error(ErrorCode::kTimeout, "the query was interrupted"); }

}  // namespace ivtrace::query
