// A failure pattern: what it looks like in the tables, and what to say when it is there (docs/patterns.md).
//
// A pattern is a file of SQL with a head of comment lines. The query gives a row for each finding, with the
// columns victim, from_ns and until_ns, and whatever else its text names. Behind it may stand queries for
// evidence, which take the finding's columns as parameters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ivtrace::patterns {

enum class Severity : std::uint8_t { kInfo, kWarning, kCritical };
const char* to_string(Severity severity);
std::optional<Severity> parse_severity(std::string_view word);

/// Something that must have been recorded, written `what@host` or `what@guest` (see the table `recorded`).
struct Need {
  std::string what;
  bool of_guest = false;

  std::string text() const { return what + (of_guest ? "@guest" : "@host"); }
};

/// A piece of SQL and where in the file it begins.
struct PatternQuery {
  std::string title;  ///< of evidence; "" of the pattern's own
  std::string sql;
  std::size_t line = 1;
};

struct Pattern {
  std::string name;
  std::string file;  ///< its path; "" when it came with the program
  std::string source;
  std::string title;
  std::string means;
  std::vector<Need> needs;
  Severity severity = Severity::kWarning;
  std::string text;    ///< of a finding; {column} is replaced
  std::string advice;  ///< likewise
  PatternQuery query;
  std::vector<PatternQuery> evidence;
};

/// A pattern that cannot be used, or not in full.
struct PatternProblem {
  std::string pattern;
  std::string file;      ///< as Pattern
  std::size_t line = 0;  ///< 0: the file as a whole
  std::string reason;

  /// "FILE:LINE: reason".
  std::string text() const;
};

/// Reads a file's text. The first thing that is wrong goes into `problem`, and nothing is returned.
std::optional<Pattern> parse_pattern(std::string name, std::string file, std::string_view text,
                                     PatternProblem& problem);

/// The line, from 1, of a byte of `query`.
std::size_t line_of(const PatternQuery& query, std::size_t offset);

}  // namespace ivtrace::patterns
