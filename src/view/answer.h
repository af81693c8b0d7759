// The rows of a query, kept, and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "query/database.h"

namespace ivtrace::view {

using Json = nlohmann::ordered_json;

/// As JSON has it. A whole number that a page's script would round, and a real that has no form, are a text
/// and null.
Json cell_json(const query::Cell& cell);

struct Bounds {
  std::size_t rows = 1000;
  std::size_t bytes = 4 << 20;  ///< of texts, about
};

/// JSON already: rows are few and small. A plain value.
struct Answer {
  std::vector<std::string> columns;
  std::vector<std::vector<Json>> rows;
  bool more = false;  ///< rows were left out, for one of the bounds

  /// {column: cell, …}.
  Json object(std::size_t row) const;
  Json objects() const;
};

/// Errors are those of Database::prepare() and Statement::step().
Result<Answer> ask(query::Database& database, std::string_view sql, const query::Parameters& parameters = {},
                   const Bounds& bounds = {});

/// What a page's script can count to without a rounding.
inline constexpr std::int64_t kMostExact = std::int64_t{1} << 53;

}  // namespace ivtrace::view
