// The kernel's sub-buffers: from a page file's bytes to single events.
//
// Two steps. PageWalker cuts a segment of a .pages file into page images; EventCursor walks the events of one
// image. What cannot be read is told in bytes, so that for every segment: bytes in = framing + decoded +
// damaged.
//
// The event header is a u32: type_len in the low 5 bits, a time delta in the other 27
// (kernel/trace/ring_buffer.c):
//
//   type_len 1..28  data, type_len * 4 bytes        delta counts
//   type_len 0      data, length in the next u32    delta counts; the length includes that u32
//   29 padding      delta 0: the rest is empty; else length in the next u32 includes that u32. A discarded
//   event keeps
//                   its delta, which the next one builds on; a delta of 1 is only a mark, as
//                   rb_read_data_buffer() has it
//   30 time extend  adds next u32 << 27 | delta
//   31 time stamp   absolute, 59 bits; the upper 5 come from the time before it (rb_fix_abs_ts())
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "decode/field.h"
#include "format/kernel_page.h"
#include "format/run_layout.h"

namespace ivtrace::decode {

/// One sub-buffer's image within a page file. Borrows the file's bytes.
struct PageImage {
  std::uint64_t timestamp = 0;                ///< the machine's own TSC from which the first delta counts
  std::span<const std::byte> events;          ///< the used part behind the 16-byte header
  bool missed = false;                        ///< events were lost before this page …
  std::optional<std::uint64_t> missed_count;  ///< … this many, if the kernel or the agent could tell
  std::uint64_t missing_pages = 0;  ///< whole pages not in the file, by the sequence numbers of packed images
  std::uint64_t damaged_bytes = 0;  ///< bytes of this image (or instead of one) that cannot be read
  bool readable = false;            ///< false: timestamp and events mean nothing, damaged_bytes are lost
};

/// Cuts one segment into images, in the file's order. Borrows the bytes, which may be of a guarded mapping
/// that turns into zeroes at any moment. Copies are independent positions.
class PageWalker {
 public:
  PageWalker() = default;
  /// `page_size` is the machine's sub-buffer size; it is only looked at for kSlots, where it must be ≥ 32 and
  /// ≤ kMaxSubBuffer (otherwise the whole segment is one damage).
  PageWalker(std::span<const std::byte> segment, format::PageLayout layout, std::uint32_t page_size);

  /// The next image, readable or told as damage; false at the end.
  bool next(PageImage& image);
  /// Where the next image starts, in bytes from the segment's start.
  std::size_t offset() const { return offset_; }
  std::size_t size() const { return segment_.size(); }

  /// Starts at `hint`, an offset that was the file's size (less the segment's start) at some time. A packed
  /// file may have ended inside an image then; false, and nothing changed, when no image starts there.
  bool skip_to(std::size_t hint);
  /// Goes on to the last page whose timestamp is ≤ `timestamp`, from where it stands, so that no event of
  /// that time or later is skipped. Slots are bisected; packed images, which have no fixed size, are walked.
  /// Timestamps of a segment rise; where they do not, the walk stops early.
  void seek(std::uint64_t timestamp);

 private:
  bool next_slot(PageImage& image);
  bool next_packed(PageImage& image);
  bool starts_image(std::size_t offset) const;
  void bisect_slots(std::uint64_t timestamp);
  bool valid_page_size() const { return page_size_ >= 32 && page_size_ <= format::kMaxSubBuffer; }

  std::span<const std::byte> segment_;
  format::PageLayout layout_ = format::PageLayout::kSlots;
  std::uint32_t page_size_ = 0;
  std::size_t offset_ = 0;
  std::optional<std::uint64_t> next_page_ = 0;  // expected sequence number; unknown after a seek
};

/// One event as it stands in the page. Borrows the page's bytes.
struct RawEvent {
  std::uint64_t timestamp = 0;  ///< the machine's own TSC
  RecordBytes record;  ///< from common_type on; its length is a multiple of 4 and may exceed the format's
};

/// Walks the events of one image. Never reads outside of it, always ends. Not thread-safe; copies are
/// independent.
class EventCursor {
 public:
  EventCursor() = default;
  EventCursor(std::uint64_t timestamp, std::span<const std::byte> events)
      : timestamp_(timestamp), at_(events.data()), end_(events.data() + events.size()) {}

  /// The next event; false at the end or where the image is damaged (damaged_bytes() tells).
  [[gnu::always_inline]] bool next(RawEvent& event) {
    while (remaining() >= sizeof(std::uint32_t)) {
      std::uint32_t header;
      std::memcpy(&header, at_, sizeof header);
      const std::uint32_t type = header & format::kTypeLenMask;
      if (type - 1 < format::kTypeLenData) [[likely]] {
        const std::size_t size = type * std::size_t{4};
        if (size > remaining() - 4) break;
        timestamp_ += header >> 5;
        event.timestamp = timestamp_;
        event.record = RecordBytes(at_ + 4, size);
        at_ += 4 + size;
        return true;
      }
      if (remaining() < 8) {
        if (header == format::kTypePadding) at_ = end_;
        break;
      }
      if (type == 0) {
        const std::size_t size = next_word();
        if (size < 4 || size > remaining() - 4) break;
        timestamp_ += header >> 5;
        event.timestamp = timestamp_;
        event.record = RecordBytes(at_ + 8, size - 4);
        at_ += 4 + size;
        return true;
      }
      if (!skip_time_or_padding(header)) break;
    }
    return false;
  }

  /// The time of the last event or time record that was passed.
  std::uint64_t timestamp() const { return timestamp_; }
  /// Once next() gave false: bytes at the image's end that do not decode.
  std::size_t damaged_bytes() const { return remaining(); }

 private:
  std::size_t remaining() const { return static_cast<std::size_t>(end_ - at_); }
  std::uint32_t next_word() const {
    std::uint32_t word;
    std::memcpy(&word, at_ + 4, sizeof word);
    return word;
  }
  bool skip_time_or_padding(std::uint32_t header);

  std::uint64_t timestamp_ = 0;
  const std::byte* at_ = nullptr;
  const std::byte* end_ = nullptr;
};

}  // namespace ivtrace::decode
