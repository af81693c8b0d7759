// Sub-buffers made byte by byte, for tests, benches and fuzz seeds: what the kernel would have written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "format/kernel_page.h"
#include "format/run_layout.h"

namespace ivtrace::decode {

using Bytes = std::vector<std::byte>;

inline void append_bytes(Bytes& out, const void* data, std::size_t size) {
  const auto* from = static_cast<const std::byte*>(data);
  out.insert(out.end(), from, from + size);
}
template <class T>
void append_value(Bytes& out, T value) {
  append_bytes(out, &value, sizeof value);
}

/// A record of `size` bytes (≥ 8, a multiple of 4) with its common fields: type, flags 0, preempt count 0,
/// pid.
inline Bytes make_record(std::uint16_t id, std::int32_t pid, std::size_t size = 8) {
  Bytes out;
  append_value(out, id);
  append_value<std::uint16_t>(out, 0);
  append_value(out, pid);
  out.resize(size);
  return out;
}

/// One sub-buffer. Deltas are what the header can hold: below 2^27.
class PageBuilder {
 public:
  explicit PageBuilder(std::uint64_t timestamp) : timestamp_(timestamp) {}

  PageBuilder& event(std::uint32_t delta, const Bytes& record) {
    const auto words = static_cast<std::uint32_t>(record.size() / 4);
    if (words >= 1 && words <= format::kTypeLenData) {
      header(words, delta);
    } else {
      header(0, delta);
      append_value<std::uint32_t>(events_, static_cast<std::uint32_t>(record.size()) + 4);
    }
    append_bytes(events_, record.data(), record.size());
    return *this;
  }
  /// A discarded event or the page's filled-up end: `bytes` behind the header, its length word included.
  PageBuilder& padding(std::uint32_t delta, std::uint32_t bytes) {
    header(format::kTypePadding, delta);
    append_value(events_, bytes);
    events_.resize(events_.size() + bytes - 4);
    return *this;
  }
  PageBuilder& empty_rest(std::size_t bytes) {
    header(format::kTypePadding, 0);
    events_.resize(events_.size() + bytes);
    return *this;
  }
  PageBuilder& time_extend(std::uint64_t delta) { return time(format::kTypeTimeExtend, delta); }
  PageBuilder& time_stamp(std::uint64_t absolute) {
    return time(format::kTypeTimeStamp, absolute & ((1ull << 59) - 1));
  }
  /// A header word as it is, for what no kernel writes.
  PageBuilder& word(std::uint32_t value) {
    append_value(events_, value);
    return *this;
  }

  const Bytes& events() const { return events_; }
  std::uint64_t timestamp() const { return timestamp_; }

  /// A whole slot of a kSlots file. With `missed`, as the kernel marks it; the count is stored if there is
  /// room.
  Bytes slot(std::size_t page_size, bool missed = false, std::optional<std::uint64_t> count = {}) const {
    Bytes out;
    append_value(out, timestamp_);
    std::uint64_t commit = events_.size();
    const bool stored = count && format::kSubBufferHeader + events_.size() + 8 <= page_size;
    if (missed) commit |= format::kMissedEvents;
    if (stored) commit |= format::kMissedStored;
    append_value(out, commit);
    append_bytes(out, events_.data(), events_.size());
    if (stored) append_value(out, *count);
    out.resize(page_size);
    return out;
  }
  /// The image behind its frame of a kPacked file.
  Bytes packed(std::uint64_t page, bool missed = false, std::optional<std::uint64_t> count = {}) const {
    format::PackedPage frame{};
    frame.bytes = static_cast<std::uint32_t>(format::kSubBufferHeader + events_.size());
    if (missed) frame.flags |= format::kPackedMissed;
    if (count) frame.flags |= format::kPackedMissedCounted;
    frame.missed = count.value_or(0);
    frame.page = page;
    Bytes out;
    append_value(out, frame);
    append_value(out, timestamp_);
    append_value<std::uint64_t>(out, events_.size());
    append_bytes(out, events_.data(), events_.size());
    return out;
  }

 private:
  void header(std::uint32_t type, std::uint32_t delta) { word(type | delta << 5); }
  PageBuilder& time(std::uint32_t type, std::uint64_t value) {
    header(type, static_cast<std::uint32_t>(value & ((1u << format::kDeltaShift) - 1)));
    append_value(events_, static_cast<std::uint32_t>(value >> format::kDeltaShift));
    return *this;
  }

  std::uint64_t timestamp_;
  Bytes events_;
};

}  // namespace ivtrace::decode
