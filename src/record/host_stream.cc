#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "record/host_capture.h"

namespace ivtrace::record {
namespace {

constexpr std::uint64_t kMoveBudget = 1u << 20;

}  // namespace

Result<std::unique_ptr<HostStream>> HostStream::open(const tracefs::Instance& instance, CpuId cpu,
                                                     const std::string& buffer, RunLog& log) {
  IVT_ASSIGN_OR_RETURN(tracefs::SpliceReader reader, tracefs::SpliceReader::open(instance, cpu));
  IVT_ASSIGN_OR_RETURN(UniqueFd file, log.writer().open_pages(format::kHostMachine, buffer, cpu.value));
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return errno_error(errno, "cannot stat a page file");
  run::SegmentRecord segment;
  segment.machine = format::kHostMachine;
  segment.buffer = buffer;
  segment.cpu = cpu.value;
  segment.offset = static_cast<std::uint64_t>(info.st_size);
  segment.layout = format::PageLayout::kSlots;
  segment.page_size = reader.slot_bytes();
  IVT_RETURN_IF_ERROR(log.writer().append(segment));
  return std::unique_ptr<HostStream>(
      new HostStream(std::move(reader), std::move(file), cpu, buffer, segment.offset, log));
}

bool HostStream::move(bool flush) {
  SpaceBudget& space = log_.space();
  const std::uint64_t left = space.left();
  if (left < reader_.slot_bytes()) {
    space.check();
    return false;
  }
  std::uint64_t offset = size();
  const std::uint64_t before = offset;
  bool again = false;
  const std::uint64_t budget = std::min(kMoveBudget, left);
  auto moved =
      flush ? reader_.move_all(file_.get(), offset, budget) : reader_.move_full(file_.get(), offset, budget);
  if (moved) {
    again = moved->more;
  } else if (moved.error().code == ErrorCode::kExhausted) {
    space.trip("disk-full", moved.error().message);
  } else {
    space.trip("write-failed", moved.error().message);
  }
  size_.store(offset, std::memory_order_relaxed);
  moved_.fetch_add(offset - before, std::memory_order_relaxed);
  space.add(offset - before);
  return again;
}

}  // namespace ivtrace::record
