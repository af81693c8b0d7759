// Streams made in memory, for the tests and benches of merging.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "decode/page_builder.h"
#include "merge/merger.h"
#include "merge/stream.h"

namespace ivtrace::merge {

/// One event of a made stream: its time and the pid that tells it from all others.
struct MadeEvent {
  std::uint64_t time = 0;
  std::int32_t pid = 0;
  friend bool operator==(const MadeEvent&, const MadeEvent&) = default;
};

/// Writes events of rising times, less than 2^59 apart, into sub-buffers as the kernel would.
class FileBuilder {
 public:
  explicit FileBuilder(format::PageLayout layout, std::size_t page_size = 4096)
      : layout_(layout), page_size_(page_size) {}

  void event(const MadeEvent& event, std::size_t record_size = 24) {
    if (!page_ || page_->events().size() + record_size + 16 > page_size_ - format::kSubBufferHeader) {
      close_page();
      page_.emplace(event.time);
      last_ = event.time;
    }
    std::uint64_t delta = event.time - last_;
    if (delta >= 1u << format::kDeltaShift) {
      page_->time_extend(delta);
      delta = 0;
    }
    page_->event(static_cast<std::uint32_t>(delta), decode::make_record(kId, event.pid, record_size));
    last_ = event.time;
  }
  /// Ends the page; events were lost before the next one.
  void lose(std::optional<std::uint64_t> count) {
    close_page();
    missed_ = true;
    count_ = count;
  }
  void close_page() {
    if (!page_) return;
    const decode::Bytes bytes = layout_ == format::PageLayout::kSlots
                                    ? page_->slot(page_size_, missed_, count_)
                                    : page_->packed(pages_, missed_, count_);
    decode::append_bytes(bytes_, bytes.data(), bytes.size());
    ++pages_;
    page_.reset();
    missed_ = false;
    count_.reset();
  }
  const decode::Bytes& bytes() {
    close_page();
    return bytes_;
  }
  std::vector<StreamSegment> segments() {
    return {{0, decode::PageWalker(bytes(), layout_, static_cast<std::uint32_t>(page_size_))}};
  }
  static constexpr std::uint16_t kId = 77;

 private:
  format::PageLayout layout_;
  std::size_t page_size_;
  decode::Bytes bytes_;
  std::optional<decode::PageBuilder> page_;
  std::uint64_t last_ = 0;
  std::uint64_t pages_ = 0;
  bool missed_ = false;
  std::optional<std::uint64_t> count_;
};

/// A stream of the host over a builder's bytes, which must live as long.
inline std::unique_ptr<EventStream> host_stream(FileBuilder& file, std::uint32_t cpu, TimeRange range = {}) {
  StreamInfo info;
  info.cpu = CpuId(cpu);
  return std::make_unique<EventStream>(info, TimeConverter::host(), file.segments(), HostTsc(1), range);
}

}  // namespace ivtrace::merge
