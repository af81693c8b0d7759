#include "cli/status_line.h"

#include "base/text.h"

namespace ivtrace::cli {

void StatusLine::say(const std::string& line) {
  if (!is_terminal_ || line == shown_) return;
  clear();
  append_terminal_safe(terminal_.text(), line);
  terminal_.flush();
  shown_ = line;
}

void StatusLine::clear() {
  if (shown_.empty()) return;
  terminal_ << "\r\x1b[K";
  terminal_.flush();
  shown_.clear();
}

}  // namespace ivtrace::cli
