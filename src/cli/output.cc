#include "cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <span>

#include "base/fd.h"
#include "base/text.h"

namespace ivtrace::cli {

void Output::flush() {
  if (fd_ < 0) return;
  if (!closed_ && !buffer_.empty()) {
    Status written = write_all(fd_, std::as_bytes(std::span(buffer_)), "standard output");
    if (!written) {
      closed_ = true;
      if (written.error().code != ErrorCode::kGone) status_ = std::move(written);
    }
  }
  buffer_.clear();
}

bool Output::is_terminal() const { return fd_ >= 0 && ::isatty(fd_) == 1; }

void print_error(Streams& streams, const Error& error) { print_notice(streams, error.to_string()); }

void print_notice(Streams& streams, std::string_view text) {
  std::string& line = streams.err.text();
  line += "ivtrace: ";
  append_terminal_safe(line, text);
  line += '\n';
  streams.err.flush();
}

}  // namespace ivtrace::cli
