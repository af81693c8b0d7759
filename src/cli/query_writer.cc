#include "cli/query_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "cli/line_format.h"
#include "cli/record_json.h"
#include "cli/text_table.h"

namespace ivtrace::cli {
namespace {

using query::Cell;

/// Appends a number, or a text made safe for a terminal; nothing for NULL.
void append_safe(std::string& out, const Cell& cell) {
  if (const auto* const number = std::get_if<std::int64_t>(&cell)) {
    append_number(out, *number);
  } else if (const auto* const real = std::get_if<double>(&cell)) {
    fmt::format_to(std::back_inserter(out), "{}", *real);
  } else if (const auto* const text = std::get_if<std::string_view>(&cell)) {
    append_terminal_safe(out, *text);
  }
}

void append_json(std::string& out, const Cell& cell) {
  if (const auto* const text = std::get_if<std::string_view>(&cell)) {
    append_json_string(out, *text);
    return;
  }
  const auto* const real = std::get_if<double>(&cell);
  const bool has_no_form =
      std::holds_alternative<std::monostate>(cell) || (real != nullptr && !std::isfinite(*real));
  if (has_no_form) {
    out += "null";
  } else {
    append_safe(out, cell);
  }
}

void append_csv(std::string& out, const Cell& cell) {
  const std::size_t begin = out.size();
  append_safe(out, cell);
  const bool empty_text = out.size() == begin && std::holds_alternative<std::string_view>(cell);
  // Line ends are escaped already. An empty text is quoted, so that it is not NULL.
  if (!empty_text && out.find_first_of(",\"", begin) == std::string::npos) return;
  for (std::size_t at = out.find('"', begin); at != std::string::npos; at = out.find('"', at + 2))
    out.insert(at, 1, '"');
  out.insert(begin, 1, '"');
  out += '"';
}

}  // namespace

QueryWriter::QueryWriter(Format format, std::vector<std::string> columns, Output& out)
    : format_(format), columns_(std::move(columns)), out_(out), numbers_(columns_.size(), true) {
  if (format_ != Format::kCsv) return;
  std::vector<Cell> head;
  for (const std::string& column : columns_) head.emplace_back(std::string_view(column));
  csv_row(head);
}

void QueryWriter::row(std::span<const Cell> cells) {
  switch (format_) {
    case Format::kText:
      text_row(cells);
      break;
    case Format::kJson:
      json_row(cells);
      break;
    case Format::kCsv:
      csv_row(cells);
      break;
  }
  out_.spill();
}

void QueryWriter::json_row(std::span<const Cell> cells) {
  std::string& out = out_.text();
  out += '{';
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) out += ',';
    append_json_string(out, columns_[i]);
    out += ':';
    append_json(out, cells[i]);
  }
  out += "}\n";
}

void QueryWriter::csv_row(std::span<const Cell> cells) {
  std::string& out = out_.text();
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) out += ',';
    append_csv(out, cells[i]);
  }
  out += "\r\n";
}

void QueryWriter::text_row(std::span<const Cell> cells) {
  std::vector<std::string> texts(cells.size());
  for (std::size_t i = 0; i < cells.size(); ++i) {
    append_safe(texts[i], cells[i]);
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
  if (format_ == Format::kText && !measured_) measure();
}

}  // namespace ivtrace::cli
