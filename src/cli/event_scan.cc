#include "cli/event_scan.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>

#include "decode/page.h"

namespace ivtrace::cli {
namespace {

void note_holes(const decode::PageImage& image, FileScan& scan) {
  if (!image.missed && image.missing_pages == 0) return;
  if (!scan.has_holes()) scan.missed_from = scan.last;
  scan.missed_until = image.timestamp;
  scan.missing_pages += image.missing_pages;
  if (!image.missed) return;
  scan.missed += image.missed_count.value_or(0);
  if (!image.missed_count) ++scan.missed_uncounted;
}

void scan_segment(std::span<const std::byte> bytes, const run::Segment& segment, FileScan& scan) {
  decode::PageWalker walker(bytes, segment.layout, segment.page_size);
  decode::PageImage image;
  while (walker.next(image)) {
    scan.damaged_bytes += image.damaged_bytes;
    if (!image.readable) continue;
    note_holes(image, scan);
    decode::EventCursor cursor(image.timestamp, image.events);
    decode::RawEvent event;
    std::uint64_t count = 0;
    while (cursor.next(event)) {
      if (!scan.first) scan.first = event.timestamp;
      ++count;
    }
    if (count > 0) scan.last = event.timestamp;
    scan.events += count;
    scan.damaged_bytes += cursor.damaged_bytes();
  }
}

FileScan scan_file(const run::RunReader& run, const run::PagesFile& file) {
  FileScan scan;
  if (file.size == 0) return scan;
  const Result<Mapping> mapping = run.map_pages(file);
  if (!mapping) {
    scan.damaged_bytes = file.size;
    return scan;
  }
  if (!mapping->valid()) return scan;
  const std::span<const std::byte> bytes = mapping->bytes();
  for (const run::Segment& segment : file.segments) {
    const std::uint64_t end = std::min<std::uint64_t>(segment.end, bytes.size());
    if (segment.begin < end) scan_segment(bytes.subspan(segment.begin, end - segment.begin), segment, scan);
  }
  scan.lost_mapping = mapping->lost();
  return scan;
}

}  // namespace

std::vector<std::vector<FileScan>> scan_files(const run::RunReader& run) {
  struct Work {
    const run::PagesFile* file;
    FileScan* scan;
  };
  std::vector<std::vector<FileScan>> scans;
  for (const run::Machine& machine : run.machines()) scans.emplace_back(machine.files.size());
  std::vector<Work> all;
  for (std::size_t i = 0; i < scans.size(); ++i) {
    for (std::size_t k = 0; k < scans[i].size(); ++k)
      all.push_back({&run.machines()[i].files[k], &scans[i][k]});
  }
  // The largest first: then none is begun when all others have ended.
  std::ranges::stable_sort(all, std::greater(), [](const Work& work) { return work.file->size; });
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    // Relaxed: the counter only deals out indexes; join() orders the results.
    for (std::size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < all.size();) {
      *all[i].scan = scan_file(run, *all[i].file);
    }
  };
  const std::size_t helpers = std::min<std::size_t>(std::thread::hardware_concurrency(), all.size());
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < helpers; ++i) threads.emplace_back(work);
  work();
  threads.clear();
  return scans;
}

}  // namespace ivtrace::cli
