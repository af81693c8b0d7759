// What a pattern found, and what nobody could judge.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "patterns/pattern.h"
#include "query/database.h"

namespace ivtrace::patterns {

/// The answer to one of a pattern's queries for evidence.
struct Evidence {
  std::string title;
  std::vector<std::string> columns;
  std::vector<std::vector<query::OwnedCell>> rows;
  bool more = false;  ///< rows were left out
};

/// Times are nanoseconds from the run's start. Texts may hold what a guest wrote.
struct Finding {
  std::string pattern;
  std::string title;
  Severity severity = Severity::kWarning;
  std::string victim;
  std::optional<std::string> culprit;
  std::optional<double> share;  ///< the culprit's, from 0 to 1
  std::int64_t from_ns = 0;
  std::int64_t until_ns = 0;
  double confidence = 1;  ///< from 0 to 1
  double impact_ns = 0;   ///< what it cost the victim; for the order
  std::string text;
  std::string advice;
  std::vector<std::pair<std::string, query::OwnedCell>> numbers;  ///< all other columns
  std::vector<Evidence> evidence;
};

/// A pattern that was not tried on some machine, since it would have had to guess.
struct Unknown {
  std::string pattern;
  std::string machine;  ///< "" when there is no guest at all
  std::string reason;
  std::string option;  ///< what would have recorded it; "" when nothing would
};

struct Diagnosis {
  std::vector<Finding> findings;  ///< the gravest first
  std::vector<Unknown> unknown;
  std::vector<PatternProblem> problems;  ///< patterns with mistakes; the others were tried all the same
  std::size_t tried = 0;                 ///< patterns
};

/// A value for people, as its column's name says it is: *_ns a duration (from_ns and until_ns seconds from
/// the run's start), *share a percentage, *bytes a size, *_bps a speed. "?" when it is not known.
std::string value_text(const std::string& column, const query::OwnedCell& value);
/// Replaces {column} by that column's value. A brace without a column is left.
std::string fill_in(const std::string& text, const query::Parameters& columns);
/// The first {column} in a text that is none of the columns.
std::optional<std::string> unknown_column(const std::string& text, const std::vector<std::string>& columns);

}  // namespace ivtrace::patterns
