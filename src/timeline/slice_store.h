// Slices beyond what memory should hold: in a file without a name, chunk behind chunk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/fd.h"
#include "base/result.h"

namespace ivtrace::timeline {

/// Appended to by one thread; what was appended can be read by any, also meanwhile.
class SliceStore {
 public:
  static Result<SliceStore> create();

  /// Where the bytes are now. A failure (a full disk, say) is kept for status().
  std::uint64_t append(std::span<const std::byte> bytes);
  const Status& status() const { return status_; }
  Status read(std::uint64_t offset, std::span<std::byte> bytes) const;

 private:
  explicit SliceStore(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
  std::uint64_t size_ = 0;
  Status status_;
};

}  // namespace ivtrace::timeline
