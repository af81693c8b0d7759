#include "decode/page.h"

#include <algorithm>

namespace ivtrace::decode {
namespace {

using format::kSubBufferHeader;
using format::PackedPage;

struct SubBufferHeader {
  std::uint64_t timestamp;
  std::uint64_t commit;
};
static_assert(sizeof(SubBufferHeader) == kSubBufferHeader);

template <class T>
T load(std::span<const std::byte> bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

PageImage damage(std::uint64_t bytes) {
  PageImage image;
  image.damaged_bytes = bytes;
  return image;
}

/// The kernel's own word on lost events: bit 31, and with bit 30 their number behind the events.
void read_commit_bits(PageImage& image, std::uint64_t commit, std::span<const std::byte> behind) {
  if ((commit & format::kMissedEvents) == 0) return;
  image.missed = true;
  if ((commit & format::kMissedStored) != 0 && behind.size() >= sizeof(std::uint64_t)) {
    image.missed_count = load<std::uint64_t>(behind, 0);
  }
}

/// 59 bits of absolute time, the upper 5 from the time before, which time cannot fall behind
/// (rb_fix_abs_ts()).
std::uint64_t full_time(std::uint64_t absolute, std::uint64_t before) {
  constexpr std::uint64_t kUpper = 0xf8ull << 56;
  if ((before & kUpper) == 0) return absolute;
  absolute |= before & kUpper;
  return absolute < before ? absolute + (1ull << 59) : absolute;
}

}  // namespace

PageWalker::PageWalker(std::span<const std::byte> segment, format::PageLayout layout, std::uint32_t page_size)
    : segment_(segment), layout_(layout), page_size_(page_size) {}

bool PageWalker::next(PageImage& image) {
  if (offset_ >= segment_.size()) return false;
  return layout_ == format::PageLayout::kSlots ? next_slot(image) : next_packed(image);
}

bool PageWalker::next_slot(PageImage& image) {
  const std::size_t left = segment_.size() - offset_;
  if (!valid_page_size()) {
    image = damage(left);
    offset_ = segment_.size();
    return true;
  }
  const std::span<const std::byte> slot = segment_.subspan(offset_, std::min<std::size_t>(left, page_size_));
  offset_ += slot.size();
  // The hardware does not prefetch across pages; by the time that this one is read, the next one's head is
  // there.
  __builtin_prefetch(segment_.data() + offset_);
  if (slot.size() < kSubBufferHeader) {
    image = damage(slot.size());
    return true;
  }
  const auto header = load<SubBufferHeader>(slot, 0);
  const std::uint64_t used = header.commit & format::kCommitMask;
  // A time of 0 is a hole in the file or a mapping that lost its file, not a page of the kernel's.
  if (header.timestamp == 0 || used > page_size_ - kSubBufferHeader) {
    image = damage(slot.size());
    return true;
  }
  const std::uint64_t there = std::min<std::uint64_t>(used, slot.size() - kSubBufferHeader);
  image = PageImage{};
  image.timestamp = header.timestamp;
  image.events = slot.subspan(kSubBufferHeader, there);
  image.damaged_bytes = used - there;
  image.readable = true;
  read_commit_bits(image, header.commit, slot.subspan(kSubBufferHeader + there));
  return true;
}

bool PageWalker::next_packed(PageImage& image) {
  const std::size_t left = segment_.size() - offset_;
  const auto lose_the_rest = [&] {
    image = damage(left);
    offset_ = segment_.size();
    return true;
  };
  if (left < sizeof(PackedPage) + kSubBufferHeader) return lose_the_rest();
  const auto frame = load<PackedPage>(segment_, offset_);
  if (frame.bytes < kSubBufferHeader || frame.bytes > format::kMaxSubBuffer) return lose_the_rest();

  const std::size_t there = std::min<std::size_t>(frame.bytes, left - sizeof(PackedPage));
  const std::span<const std::byte> bytes = segment_.subspan(offset_ + sizeof(PackedPage), there);
  offset_ += sizeof(PackedPage) + there;
  const auto header = load<SubBufferHeader>(bytes, 0);
  // The image may have grown after its first piece was copied, so the frame tells the used bytes, not the
  // commit word.
  image = PageImage{};
  image.timestamp = header.timestamp;
  image.events = bytes.subspan(kSubBufferHeader);
  image.damaged_bytes = frame.bytes - there;
  image.readable = true;
  read_commit_bits(image, header.commit, {});
  if ((frame.flags & (format::kPackedMissed | format::kPackedMissedCounted)) != 0) image.missed = true;
  if ((frame.flags & format::kPackedMissedCounted) != 0) image.missed_count = frame.missed;
  if (next_page_ && frame.page > *next_page_) {
    image.missing_pages = frame.page - *next_page_;
    image.missed = true;
    image.missed_count.reset();  // the kernel's count knows nothing of these pages
  }
  next_page_ = frame.page + 1;
  return true;
}

bool PageWalker::starts_image(std::size_t offset) const {
  // Three frames in a row that fit each other. A hint may point into an image that was growing when it was
  // taken.
  std::uint64_t page = 0;
  for (int frames = 0; frames < 3 && offset < segment_.size(); ++frames) {
    if (segment_.size() - offset < sizeof(PackedPage) + kSubBufferHeader) return false;
    const auto frame = load<PackedPage>(segment_, offset);
    if (frame.bytes < kSubBufferHeader || frame.bytes > format::kMaxSubBuffer || frame.flags > 3) {
      return false;
    }
    if (frames > 0 && frame.page <= page) return false;
    page = frame.page;
    if (frame.bytes > segment_.size() - offset - sizeof(PackedPage)) return frames > 0;
    offset += sizeof(PackedPage) + frame.bytes;
  }
  return true;
}

bool PageWalker::skip_to(std::size_t hint) {
  if (layout_ == format::PageLayout::kSlots) {
    if (!valid_page_size()) return false;
    hint -= hint % page_size_;
  }
  if (hint < offset_ || hint > segment_.size()) return false;
  if (layout_ == format::PageLayout::kPacked && !starts_image(hint)) return false;
  offset_ = hint;
  next_page_.reset();
  return true;
}

void PageWalker::seek(std::uint64_t timestamp) {
  if (layout_ == format::PageLayout::kSlots) bisect_slots(timestamp);
  PageWalker probe = *this;
  PageImage image;
  for (std::size_t here = offset_; probe.next(image); here = probe.offset()) {
    if (!image.readable || image.timestamp > timestamp) break;
    if (here != offset_) next_page_.reset();
    offset_ = here;
  }
}

void PageWalker::bisect_slots(std::uint64_t timestamp) {
  if (!valid_page_size()) return;
  std::size_t low = offset_ / page_size_;           // starts at or before the time, or is the first
  std::size_t high = segment_.size() / page_size_;  // starts after it, or is the end
  while (high - low > 1 && low < high) {
    const std::size_t middle = low + (high - low) / 2;
    const auto stamp = load<std::uint64_t>(segment_, middle * page_size_);
    if (stamp == 0) break;  // a hole says nothing of its neighbours: what is left is walked
    (stamp <= timestamp ? low : high) = middle;
  }
  offset_ = low * page_size_;
}

bool EventCursor::skip_time_or_padding(std::uint32_t header) {
  const std::uint32_t type = header & format::kTypeLenMask;
  const std::uint64_t delta = header >> 5;
  const std::uint64_t word = next_word();
  if (type == format::kTypePadding) {
    if (delta == 0) {
      at_ = end_;
      return false;
    }
    if (word < 4 || word > remaining() - 4) return false;
    if (delta != 1) timestamp_ += delta;
    at_ += 4 + word;
    return true;
  }
  const std::uint64_t time = word << format::kDeltaShift | delta;
  timestamp_ = type == format::kTypeTimeExtend ? timestamp_ + time : full_time(time, timestamp_);
  at_ += 8;
  return true;
}

}  // namespace ivtrace::decode
