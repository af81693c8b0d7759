// File descriptors that close themselves, and whole-file reads and writes relative to a directory.
#pragma once

#include <fcntl.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ivtrace {

/// Owns one file descriptor; closes it on destruction. Movable, not copyable, not thread-safe.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  /// Gives the descriptor away; the caller closes it.
  int release();
  void reset();

 private:
  int fd_ = -1;
};

/// openat() with O_CLOEXEC added; `path` may be absolute. The error names the path.
Result<UniqueFd> open_at(int dir_fd, const std::string& path, int flags, mode_t mode = 0644);
inline Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode = 0644) {
  return open_at(AT_FDCWD, path, flags, mode);
}

/// The whole file, at most `max_bytes` of it (files of /proc and tracefs have no size to ask for).
/// More than `max_bytes` is kExhausted, so that a hostile or runaway file cannot fill the memory.
Result<std::string> read_file_at(int dir_fd, const std::string& path, std::size_t max_bytes = 64u << 20);
inline Result<std::string> read_file(const std::string& path, std::size_t max_bytes = 64u << 20) {
  return read_file_at(AT_FDCWD, path, max_bytes);
}

/// Writes `text` with a single write() into an existing file, as control files of tracefs and sysfs want it.
Status write_control_file_at(int dir_fd, const std::string& path, std::string_view text, int extra_flags = 0);

/// Writes everything, or fails; continues after short writes and EINTR.
Status write_all(int fd, std::span<const std::byte> bytes, const std::string& what);
Status pwrite_all(int fd, std::span<const std::byte> bytes, std::uint64_t offset, const std::string& what);

/// Creates or replaces `path` so that a reader sees the old or the new content, never a part (write, fsync,
/// rename).
Status replace_file(const std::string& path, std::string_view content);

/// Names in a directory, without "." and "..", sorted.
Result<std::vector<std::string>> list_directory(const std::string& path);
Result<std::vector<std::string>> list_directory_at(int dir_fd, const std::string& path);

}  // namespace ivtrace
