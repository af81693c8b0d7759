// Rows of any query, for people and for programs, as they come.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/output.h"
#include "query/row_text.h"

namespace ivtrace::cli {

/// Writes rows to an output. Nothing of a recorded text can act on a terminal or break the form. One thread.
class QueryWriter {
 public:
  enum class Format {
    kText,  ///< columns as wide as the first rows need; a later, wider cell sticks out
    kJson,  ///< an object per line
    kCsv,   ///< RFC 4180, with a head
  };
  static constexpr std::size_t kMeasuredRows = 256;

  QueryWriter(Format format, std::vector<std::string> columns, Output& out);
  void row(std::span<const query::Cell> cells);
  /// Behind the last row.
  void finish();

 private:
  void text_row(std::span<const query::Cell> cells);
  void measure();
  void write_line(const std::vector<std::string>& cells);

  std::vector<std::string> columns_;
  Output& out_;
  std::optional<query::RowText> text_;  ///< for programs
  bool measured_ = false;
  std::vector<std::vector<std::string>> first_rows_;
  std::vector<bool> numbers_;  ///< by column: it had nothing else so far, so it is aligned to the right
  std::vector<std::size_t> widths_;
};

}  // namespace ivtrace::cli
