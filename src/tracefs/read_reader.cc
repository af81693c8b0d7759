#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "format/kernel_page.h"
#include "tracefs/page_reader.h"

namespace ivtrace::tracefs {

Result<std::unique_ptr<ReadReader>> ReadReader::open(const Instance& instance, CpuId cpu) {
  IVT_ASSIGN_OR_RETURN(const std::uint32_t sub_buffer, instance.sub_buffer_bytes());
  IVT_ASSIGN_OR_RETURN(UniqueFd fd, instance.open_raw(cpu));
  return std::unique_ptr<ReadReader>(new ReadReader(std::move(fd), sub_buffer));
}

/// Reads one page into held_; false when there is none.
Result<bool> ReadReader::read_page() {
  const ssize_t got = ::read(fd_.get(), buffer_.data(), buffer_.size());
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) return false;
    return errno_error(errno, "cannot read trace_pipe_raw");
  }
  if (got == 0) return false;
  std::uint64_t commit = 0;
  const auto size = static_cast<std::size_t>(got);
  if (size >= format::kSubBufferHeader) std::memcpy(&commit, buffer_.data() + 8, sizeof commit);
  const std::size_t used = format::kSubBufferHeader + (commit & format::kCommitMask);
  if (size < format::kSubBufferHeader || used > size) {
    return Error(ErrorCode::kCorrupt, "trace_pipe_raw gave a page that is longer than itself");
  }
  held_ = Piece{};
  held_.page = page_++;
  held_.bytes = std::span(buffer_).first(used);
  held_.sealed = true;
  held_.missed = (commit & format::kMissedEvents) != 0;
  if (held_.missed && (commit & format::kMissedStored) != 0 && used + 8 <= size) {
    std::uint64_t count;
    std::memcpy(&count, buffer_.data() + used, sizeof count);
    held_.missed_count = count;
  }
  return true;
}

Result<PageReader::Progress> ReadReader::drain(PieceSink& sink, std::uint64_t budget) {
  Progress progress;
  for (;;) {
    if (!held_.bytes.empty()) {
      if (!sink.take(held_)) {
        progress.stalled = true;
        return progress;
      }
      progress.bytes += held_.bytes.size();
      held_.bytes = {};
    }
    if (progress.bytes >= budget) {
      progress.more = true;
      return progress;
    }
    IVT_ASSIGN_OR_RETURN(const bool read, read_page());
    if (!read) return progress;
  }
}

const char* to_string(Feed feed) { return feed == Feed::kMap ? "map" : "read"; }

Result<Feed> parse_feed(const std::string& name) {
  if (name == "map") return Feed::kMap;
  if (name == "read") return Feed::kRead;
  return Error(ErrorCode::kInvalid, "\"" + name + "\" is no way to drain a trace buffer",
               "there are map and read");
}

Feed best_feed(const Instance& instance, CpuId cpu) {
  return MappedReader::open(instance, cpu).ok() ? Feed::kMap : Feed::kRead;
}

Result<std::unique_ptr<PageReader>> open_reader(const Instance& instance, CpuId cpu, Feed feed) {
  if (feed == Feed::kMap) {
    IVT_ASSIGN_OR_RETURN(std::unique_ptr<PageReader> reader, MappedReader::open(instance, cpu));
    return reader;
  }
  IVT_ASSIGN_OR_RETURN(std::unique_ptr<PageReader> reader, ReadReader::open(instance, cpu));
  return reader;
}

}  // namespace ivtrace::tracefs
