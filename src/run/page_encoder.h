// Events into sub-buffers, as the kernel would have laid them out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>

#include "format/kernel_page.h"

namespace ivtrace::run {

/// What is lost before a sub-buffer.
struct Missed {
  bool any = false;
  std::optional<std::uint64_t> count;  ///< when known

  void add(std::optional<std::uint64_t> events) {
    count = any && !count ? std::nullopt : events ? std::optional(count.value_or(0) + *events) : std::nullopt;
    any = true;
  }
};

/// Appends a sub-buffer of `page_size` bytes: header, `events`, what is missed, zeroes. They fit, but for the
/// number of missed events, which is then left out.
void append_page(std::string& out, std::size_t page_size, std::uint64_t timestamp,
                 std::span<const std::byte> events, const Missed& missed);

/// Gathers one CPU's events, in their order, into sub-buffers. One thread.
class PageEncoder {
 public:
  explicit PageEncoder(std::size_t page_size) : capacity_(page_size - format::kSubBufferHeader) {
    events_.reserve(capacity_);
  }

  /// Whether the event still fits into the sub-buffer that is being filled.
  bool fits(std::uint64_t time, std::span<const std::byte> record) const {
    const std::uint64_t delta = events_.empty() ? 0 : time - last_;
    return delta <= kLongestDelta && events_.size() + size_of(delta, record) <= capacity_;
  }
  /// False, and nothing happens, when no sub-buffer is large enough. Else fits() must be true, which it is in
  /// an empty one. Times never fall.
  bool add(std::uint64_t time, std::span<const std::byte> record);

  bool empty() const { return events_.empty(); }
  std::uint64_t timestamp() const { return first_; }
  std::span<const std::byte> events() const { return std::as_bytes(std::span(events_)); }
  /// Begins the next one.
  void clear() { events_.clear(); }

 private:
  /// That a time extend can hold.
  static constexpr std::uint64_t kLongestDelta = (1ull << (32 + format::kDeltaShift)) - 1;

  static std::size_t size_of(std::uint64_t delta, std::span<const std::byte> record) {
    const bool short_record = !record.empty() && record.size() <= 4 * format::kTypeLenData;
    return (delta >> format::kDeltaShift != 0 ? 8 : 0) + (short_record ? 4 : 8) + record.size();
  }
  void word(std::uint32_t value) { events_.append(reinterpret_cast<const char*>(&value), sizeof value); }

  std::size_t capacity_;
  std::uint64_t first_ = 0;
  std::uint64_t last_ = 0;
  std::string events_;
};

}  // namespace ivtrace::run
