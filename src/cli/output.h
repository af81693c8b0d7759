// Where a command's text goes: a descriptor with a large buffer before it, or memory.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ivtrace::cli {

/// A buffered text sink. Borrows its descriptor. One thread. Text is appended to text(); spill() between
/// lines keeps the buffer small without a system call per line. A reader that goes away (EPIPE) is no error:
/// closed() tells the command to stop, and everything written afterwards is dropped.
class Output {
 public:
  static Output to_fd(int fd) { return Output(fd); }
  /// Keeps everything; captured() is it.
  static Output to_memory() { return Output(-1); }

  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() { flush(); }

  /// The buffer to append to.
  std::string& text() { return buffer_; }
  Output& operator<<(std::string_view piece) {
    buffer_.append(piece);
    return *this;
  }
  /// Writes out when a good deal has gathered.
  void spill() {
    if (buffer_.size() >= kSpill && fd_ >= 0) flush();
  }
  void flush();

  /// True once the reader went away or the descriptor failed.
  bool closed() const { return closed_; }
  /// Why writing failed; ok when it did not, or when the reader just went away.
  const Status& status() const { return status_; }
  /// What was written, for outputs to memory.
  const std::string& captured() const { return buffer_; }
  bool is_terminal() const;

 private:
  static constexpr std::size_t kSpill = 256u << 10;

  explicit Output(int fd) : fd_(fd) {}

  int fd_;
  bool closed_ = false;
  Status status_;
  std::string buffer_;
};

/// The two texts of a command: what it was asked for, and what it has to say about it.
struct Streams {
  Output& out;
  Output& err;
};

/// One line "ivtrace: message (hint)" on the error stream, with nothing in it that could act on a terminal.
void print_error(Streams& streams, const Error& error);
/// One line "ivtrace: text" on the error stream, made safe likewise.
void print_notice(Streams& streams, std::string_view text);

}  // namespace ivtrace::cli
