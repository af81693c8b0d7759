#include "cli/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/text_table.h"

namespace ivtrace::cli {
namespace {

std::size_t terminal_columns() {
  winsize size = {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col;
  return 80;
}

/// Cut at a code point, so that no line wraps and the block's height stays what it is believed to be.
std::string cut_to(std::string line, std::size_t columns) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < line.size(); ++at) {
    if ((static_cast<unsigned char>(line[at]) & 0xc0) == 0x80) continue;
    if (width++ == columns) {
      line.resize(at);
      break;
    }
  }
  return line;
}

}  // namespace

std::vector<std::string> progress_lines(const ProgressView& view, std::size_t columns) {
  std::vector<std::string> lines;
  lines.push_back(fmt::format("recording {:.1f} s, {}", static_cast<double>(view.elapsed.value) / 1e9,
                              format_size(view.bytes)));
  for (const ProgressView::Machine& machine : view.machines) {
    std::string line = "  ";
    append_terminal_safe(line, machine.name);
    if (line.size() < 18) line.resize(18, ' ');
    line += fmt::format(" {:>12} events/s {:>8.2f} MB/s",
                        grouped(static_cast<std::uint64_t>(machine.events_per_second)),
                        machine.bytes_per_second / 1e6);
    if (machine.ring_fill >= 0) line += fmt::format("  ring {:>3.0f} %", machine.ring_fill * 100);
    if (machine.lost > 0) line += fmt::format("  lost {}", grouped(machine.lost));
    if (!machine.state.empty()) {
      line += "  ";
      append_terminal_safe(line, machine.state);
    }
    lines.push_back(std::move(line));
  }
  for (std::string& line : lines) line = cut_to(std::move(line), columns);
  return lines;
}

void ProgressDisplay::show(const ProgressView& view) {
  lines_ = progress_lines(view, terminal_columns() - 1);
  clear();
  draw();
}

void ProgressDisplay::announce(const std::string& line) {
  clear();
  append_terminal_safe(terminal_.text(), line);
  terminal_ << "\n";
  draw();
}

void ProgressDisplay::clear() {
  if (drawn_ > 0) terminal_ << fmt::format("\r\x1b[{}A\x1b[J", drawn_);
  drawn_ = 0;
  terminal_.flush();
}

void ProgressDisplay::draw() {
  for (const std::string& line : lines_) terminal_ << line << "\n";
  drawn_ = lines_.size();
  terminal_.flush();
}

}  // namespace ivtrace::cli
