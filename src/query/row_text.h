// Rows of any query as lines for programs.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "query/table.h"

namespace ivtrace::query {

enum class RowForm {
  kJson,  ///< an object per line
  kCsv,   ///< RFC 4180, with a head; NULL is nothing and an empty text is ""
};

/// Makes the lines of rows with these columns. Nothing of a recorded text can break the form or act on a
/// terminal. Immutable.
class RowText {
 public:
  RowText(RowForm form, std::span<const std::string> columns);

  /// What stands before the first row; nothing in JSON.
  void append_head(std::string& out) const { out += head_; }
  /// As many cells as there are columns.
  void append_row(std::string& out, std::span<const Cell> cells) const;

 private:
  RowForm form_;
  std::string head_;
  std::vector<std::string> before_;  ///< what stands before each cell
};

/// Appends a number, or a text made safe for a terminal; nothing for NULL.
void append_cell(std::string& out, const Cell& cell);

}  // namespace ivtrace::query
