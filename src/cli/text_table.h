// Columns for people: cells are made safe for the terminal and padded to the widest of their column.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/line_format.h"

namespace ivtrace::cli {

/// A small table of text. Rows may be shorter than the head. Widths count characters as UTF-8 code points.
class TextTable {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add_row(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  /// Appends the head and the rows, each line indented by `indent`; no blanks at line ends.
  void append_to(std::string& out, std::string_view indent = "") const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// How many characters a text is wide: its UTF-8 code points.
std::size_t display_width(std::string_view text);
/// A number of lost events, "1,234+" or "unknown" when `more` of unknown number are lost.
std::string lost_text(unsigned long long lost, bool more);

}  // namespace ivtrace::cli
