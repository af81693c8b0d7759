// A UNIX socket on which one JSON text is one line, as QMP and QEMU's guest agent have it: every wait has an
// end, every line a greatest length.
#pragma once

#include <chrono>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace ivtrace::hypervisor {

/// Owns the connection. After a failure of send() or read_line() the stream is in an unknown state: close().
/// One thread.
class LineSocket {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kMaxLine = 4u << 20;

  /// `peer` is what errors call the other side: "the monitor". kBusy: others wait for it already.
  static Result<LineSocket> connect(const std::string& path, std::string peer, Clock::time_point end);

  Status send(const std::string& text, Clock::time_point end);
  /// Without its newline. kTimeout, kGone, or kCorrupt when it is too long.
  Result<std::string> read_line(Clock::time_point end);

  bool open() const { return fd_.valid(); }
  void close() { fd_.reset(); }
  /// Something was received that is no whole line yet.
  bool has_part() const { return !buffer_.empty(); }

 private:
  LineSocket(UniqueFd fd, std::string peer) : fd_(std::move(fd)), peer_(std::move(peer)) {}

  UniqueFd fd_;
  std::string peer_;
  std::string buffer_;
};

}  // namespace ivtrace::hypervisor
