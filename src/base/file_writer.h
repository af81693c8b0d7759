// A file written from its beginning to its end through a large buffer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/append_value.h"
#include "base/fd.h"
#include "base/result.h"

namespace ivtrace {

/// Appends to a file that it owns. After the first failure, which close() tells, nothing more is written. One
/// thread. Movable.
class FileWriter {
 public:
  /// Makes the file, or empties the one that is there.
  static Result<FileWriter> create(const std::string& path);

  /// What waits to be written; append to it, then spill().
  std::string& text() { return buffer_; }
  FileWriter& operator<<(std::string_view piece) {
    buffer_.append(piece);
    return *this;
  }
  /// The bytes of a value as they lie in memory.
  template <class T>
  void append_value(const T& value) {
    ivtrace::append_value(buffer_, value);
  }
  void append_bytes(std::span<const std::byte> bytes) {
    buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    spill();
  }
  /// Writes out when a good deal has gathered.
  void spill() {
    if (buffer_.size() >= kSpill) flush();
  }
  /// Where the next byte goes.
  std::uint64_t offset() const { return written_ + buffer_.size(); }
  /// Changes bytes that were appended before, wherever they are now.
  void patch(std::uint64_t offset, std::span<const std::byte> bytes);
  template <class T>
  void patch_value(std::uint64_t offset, const T& value) {
    patch(offset, std::as_bytes(std::span(&value, 1)));
  }

  const Status& status() const { return status_; }
  /// Writes all out, to the disk too, and closes. The first failure of all.
  Status close();

 private:
  static constexpr std::size_t kSpill = 1u << 20;

  FileWriter(UniqueFd file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}
  void flush();

  UniqueFd file_;
  std::string path_;
  std::string buffer_;
  std::uint64_t written_ = 0;
  Status status_;
};

}  // namespace ivtrace
