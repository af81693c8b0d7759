// Memory mappings that unmap themselves, and that survive a file that shrinks under them.
//
// A mapped file is only as long as its owner leaves it: a guest's ring file or a run that somebody truncates
// turns an ordinary load into SIGBUS. Checking the size first cannot help, the file may shrink between check
// and load. So a *guarded* mapping registers its range, and the process' SIGBUS handler replaces the whole
// range by anonymous zero pages and raises the mapping's `lost` flag. The load then reads zeroes, every
// format has a magic or length that zero fails, and the reader asks lost() to name the reason.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"

namespace ivtrace {

/// Owns one mmap'd range. Movable, not copyable. Concurrent access to the bytes is the caller's business.
class Mapping {
 public:
  enum class Access { kRead, kReadWrite };

  Mapping() = default;
  /// Maps [offset, offset + bytes) of `fd`, shared. The descriptor may be closed afterwards. `bytes` > 0.
  /// `what` names the object in errors.
  static Result<Mapping> of_fd(int fd, std::uint64_t offset, std::size_t bytes, Access access,
                               const std::string& what);
  /// As of_fd, and guarded: a SIGBUS within the range is turned into zeroes and lost(). Installs the process'
  /// SIGBUS handler at first use; a fault outside of every guarded range goes on to the previous handler.
  static Result<Mapping> guarded(int fd, std::uint64_t offset, std::size_t bytes, Access access,
                                 const std::string& what);
  /// Anonymous shared zero pages, for tests and for rings between threads or forks.
  static Result<Mapping> anonymous(std::size_t bytes);

  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::span<std::byte> bytes() const { return {data_, size_}; }
  bool valid() const { return data_ != nullptr; }
  /// True once a guarded mapping's file went away below it; all its bytes read as zero from then on.
  bool lost() const;

 private:
  Mapping(std::byte* data, std::size_t size, int guard) : data_(data), size_(size), guard_(guard) {}
  void reset();

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  int guard_ = -1;  // slot in the guard table, -1 when not guarded
};

}  // namespace ivtrace
