#include "cli/text_table.h"

#include <algorithm>

#include "base/text.h"

namespace ivtrace::cli {

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

void TextTable::add_row(std::vector<std::string> cells) {
  for (std::string& cell : cells) {
    std::string safe;
    append_terminal_safe(safe, cell);
    cell = std::move(safe);
  }
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

void TextTable::append_to(std::string& out, std::string_view indent) const {
  std::vector<std::size_t> widths;
  std::vector<std::string> titles;
  for (const Column& column : columns_) {
    titles.push_back(column.title);
    std::size_t width = display_width(column.title);
    for (const auto& row : rows_) width = std::max(width, display_width(row[widths.size()]));
    widths.push_back(width);
  }
  const auto append_line = [&](const std::vector<std::string>& cells) {
    std::string line(indent);
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string blanks(widths[i] - display_width(cells[i]), ' ');
      const bool right = columns_[i].align == Align::kRight;
      line += (i == 0 ? "" : "  ") + (right ? blanks + cells[i] : cells[i] + blanks);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  };
  append_line(titles);
  for (const auto& row : rows_) append_line(row);
}

std::string lost_text(unsigned long long lost, bool more) {
  if (!more) return grouped(lost);
  return lost == 0 ? "unknown" : grouped(lost) + "+";
}

}  // namespace ivtrace::cli
