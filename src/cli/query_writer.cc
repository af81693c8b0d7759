#include "cli/query_writer.h"

#include <algorithm>

#include "base/text.h"
#include "cli/text_table.h"

namespace ivtrace::cli {
using query::Cell;

namespace {

std::optional<query::RowText> row_text(QueryWriter::Format format, const std::vector<std::string>& columns) {
  if (format == QueryWriter::Format::kText) return std::nullopt;
  return query::RowText(format == QueryWriter::Format::kJson ? query::RowForm::kJson : query::RowForm::kCsv,
                        columns);
}

}  // namespace

QueryWriter::QueryWriter(Format format, std::vector<std::string> columns, Output& out)
    : columns_(std::move(columns)),
      out_(out),
      text_(row_text(format, columns_)),
      numbers_(columns_.size(), true) {
  if (text_) text_->append_head(out_.text());
}

void QueryWriter::row(std::span<const Cell> cells) {
  if (text_) {
    text_->append_row(out_.text(), cells);
  } else {
    text_row(cells);
  }
  out_.spill();
}

void QueryWriter::text_row(std::span<const Cell> cells) {
  std::vector<std::string> texts(cells.size());
  for (std::size_t i = 0; i < cells.size(); ++i) {
    query::append_cell(texts[i], cells[i]);
    if (!measured_ && std::holds_alternative<std::string_view>(cells[i])) numbers_[i] = false;
  }
  if (measured_) return write_line(texts);
  first_rows_.push_back(std::move(texts));
  if (first_rows_.size() == kMeasuredRows) measure();
}

/// Writes the head and the rows that were held back to find out how wide they are.
void QueryWriter::measure() {
  measured_ = true;
  std::vector<std::string> head(columns_.size());
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    append_terminal_safe(head[i], columns_[i]);
    widths_.push_back(display_width(head[i]));
    for (const auto& row : first_rows_) widths_[i] = std::max(widths_[i], display_width(row[i]));
    if (first_rows_.empty()) numbers_[i] = false;
  }
  write_line(head);
  for (const auto& row : first_rows_) write_line(row);
  first_rows_.clear();
}

void QueryWriter::write_line(const std::vector<std::string>& cells) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line += "  ";
    const std::size_t width = display_width(cells[i]);
    const std::string blanks(widths_[i] > width ? widths_[i] - width : 0, ' ');
    line += numbers_[i] ? blanks + cells[i] : cells[i] + blanks;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  out_ << line << "\n";
}

void QueryWriter::finish() {
  if (!text_ && !measured_) measure();
}

}  // namespace ivtrace::cli
