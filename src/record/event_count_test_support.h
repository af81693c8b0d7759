// Counting the events of a run for this room's tests: a byte walk of its own, independent of the decoder.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "format/kernel_page.h"
#include "run/run_reader.h"

namespace ivtrace::record {

/// Data records between the 16-byte header and `end` of one sub-buffer's image.
inline std::uint64_t events_in_image(const std::byte* image, std::size_t end) {
  std::uint64_t events = 0;
  for (std::size_t at = format::kSubBufferHeader; at + 8 <= end;) {
    std::uint32_t header, second;
    std::memcpy(&header, image + at, 4);
    std::memcpy(&second, image + at + 4, 4);
    const std::uint32_t type = header & format::kTypeLenMask;
    if (type == format::kTypePadding) {
      if (header >> 5 == 0) break;
      at += 4 + second;
      continue;
    }
    if (type > format::kTypePadding) {
      at += 8;
      continue;
    }
    ++events;
    at += type == 0 ? 4 + second : 4 + 4 * type;
  }
  return events;
}

/// Data records in all of a machine's files.
inline std::uint64_t events_of(const run::RunReader& run, const std::string& machine) {
  std::uint64_t events = 0;
  const run::Machine* found = run.find(machine);
  if (found == nullptr) return 0;
  for (const run::PagesFile& file : found->files) {
    auto mapping = run.map_pages(file);
    if (!mapping) continue;
    for (const run::Segment& segment : file.segments) {
      std::uint64_t at = segment.begin;
      while (at < segment.end) {
        const std::byte* place = mapping->data() + at;
        const std::uint64_t there = segment.end - at;
        if (segment.layout == format::PageLayout::kSlots) {
          if (there < segment.page_size) break;
          std::uint64_t commit;
          std::memcpy(&commit, place + 8, 8);
          events += events_in_image(place, 16 + (commit & format::kCommitMask));
          at += segment.page_size;
        } else {
          format::PackedPage page;
          if (there < sizeof page) break;
          std::memcpy(&page, place, sizeof page);
          events +=
              events_in_image(place + sizeof page, std::min<std::uint64_t>(page.bytes, there - sizeof page));
          at += sizeof page + page.bytes;
        }
      }
    }
  }
  return events;
}

}  // namespace ivtrace::record
