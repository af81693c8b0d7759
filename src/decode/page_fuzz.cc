// Any bytes as a segment of either layout: never outside of the bytes, always an end, every byte accounted
// for.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/check.h"
#include "decode/page.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ivtrace;
  using namespace ivtrace::decode;
  if (size < 12) return 0;
  std::uint32_t page_size;
  std::uint64_t wanted;
  std::memcpy(&page_size, data, 4);
  std::memcpy(&wanted, data + 4, 8);
  const auto layout = (page_size & 1) != 0 ? format::PageLayout::kPacked : format::PageLayout::kSlots;
  page_size &= 0xfff;
  const std::span<const std::byte> segment = std::as_bytes(std::span(data + 12, size - 12));

  for (const bool seek : {false, true}) {
    PageWalker walker(segment, layout, page_size);
    if (seek) {
      walker.skip_to(wanted % (segment.size() + 1));
      walker.seek(wanted);
    }
    PageImage image;
    std::uint64_t sum = 0;
    while (true) {
      const std::size_t before = walker.offset();
      if (!walker.next(image)) break;
      IVT_CHECK(walker.offset() > before && walker.offset() <= segment.size());
      if (!image.readable) continue;
      EventCursor cursor(image.timestamp, image.events);
      RawEvent event;
      std::size_t inside = 0;
      while (cursor.next(event)) {
        inside += event.record.size() + 4;
        for (const std::byte byte : event.record) sum += static_cast<std::uint8_t>(byte);
      }
      IVT_CHECK(inside + cursor.damaged_bytes() <= image.events.size());
    }
    volatile std::uint64_t sink = sum;
    (void)sink;
  }
  return 0;
}
