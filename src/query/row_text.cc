#include "query/row_text.h"

#include <fmt/format.h>

#include <cmath>

#include "base/line_format.h"
#include "base/text.h"

namespace ivtrace::query {
namespace {

constexpr std::string_view kCsvEnd = "\r\n";

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
    append_cell(out, cell);
  }
}

void append_csv(std::string& out, const Cell& cell) {
  const std::size_t begin = out.size();
  append_cell(out, cell);
  const bool empty_text = out.size() == begin && std::holds_alternative<std::string_view>(cell);
  // Line ends are escaped already. An empty text is quoted, so that it is not NULL.
  if (!empty_text && out.find_first_of(",\"", begin) == std::string::npos) return;
  for (std::size_t at = out.find('"', begin); at != std::string::npos; at = out.find('"', at + 2))
    out.insert(at, 1, '"');
  out.insert(begin, 1, '"');
  out += '"';
}

}  // namespace

void append_cell(std::string& out, const Cell& cell) {
  if (const auto* const number = std::get_if<std::int64_t>(&cell)) {
    append_number(out, *number);
  } else if (const auto* const real = std::get_if<double>(&cell)) {
    fmt::format_to(std::back_inserter(out), "{}", *real);
  } else if (const auto* const text = std::get_if<std::string_view>(&cell)) {
    append_terminal_safe(out, *text);
  }
}

RowText::RowText(RowForm form, std::span<const std::string> columns) : form_(form) {
  for (const std::string& column : columns) {
    std::string before = before_.empty() ? "" : ",";
    if (form_ == RowForm::kCsv) {
      head_ += before;
      append_csv(head_, std::string_view(column));
    } else {
      append_json_string(before, column);
      before += ':';
    }
    before_.push_back(std::move(before));
  }
  if (form_ == RowForm::kCsv) head_ += kCsvEnd;
}

void RowText::append_row(std::string& out, std::span<const Cell> cells) const {
  if (form_ == RowForm::kJson) out += '{';
  for (std::size_t i = 0; i < cells.size(); ++i) {
    out += before_[i];
    if (form_ == RowForm::kJson) {
      append_json(out, cells[i]);
    } else {
      append_csv(out, cells[i]);
    }
  }
  out += form_ == RowForm::kJson ? "}\n" : kCsvEnd;
}

}  // namespace ivtrace::query
