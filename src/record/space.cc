#include "record/space.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"

namespace ivtrace::record {
namespace {

struct Disk {
  std::uint64_t bytes = 0;
  std::uint64_t free = 0;
};

Result<Disk> disk_of(const std::string& path) {
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0) return errno_error(errno, "cannot look at the disk of " + path);
  return Disk{info.f_frsize * info.f_blocks, info.f_frsize * info.f_bavail};
}

}  // namespace

Result<SpaceBudget> SpaceBudget::create(const std::string& path, std::uint64_t max_bytes,
                                        std::optional<std::uint64_t> floor_bytes) {
  IVT_ASSIGN_OR_RETURN(const Disk disk, disk_of(path));
  const std::uint64_t floor = floor_bytes.value_or(std::max<std::uint64_t>(1ull << 30, disk.bytes / 20));
  return SpaceBudget(path, max_bytes, floor);
}

SpaceBudget::SpaceBudget(std::string path, std::uint64_t max_bytes, std::uint64_t floor_bytes)
    : path_(std::move(path)), max_bytes_(max_bytes), floor_bytes_(floor_bytes) {}

SpaceBudget::SpaceBudget(SpaceBudget&& other) noexcept
    : SpaceBudget(other.path_, other.max_bytes_, other.floor_bytes_) {}

bool SpaceBudget::take(std::uint64_t bytes) {
  std::uint64_t used = used_.load(std::memory_order_relaxed);
  do {
    if (used > max_bytes_ || bytes > max_bytes_ - used) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
  return true;
}

std::uint64_t SpaceBudget::left() const {
  const std::uint64_t used = this->used();
  return used >= max_bytes_ ? 0 : max_bytes_ - used;
}

void SpaceBudget::trip(const std::string& reason, const std::string& detail) {
  const std::lock_guard lock(mutex_);
  if (!reason_.empty()) return;
  reason_ = reason;
  detail_ = detail;
  tripped_.store(true, std::memory_order_release);  // pairs with tripped()
}

std::string SpaceBudget::reason() const {
  const std::lock_guard lock(mutex_);
  return reason_;
}

std::string SpaceBudget::detail() const {
  const std::lock_guard lock(mutex_);
  return detail_;
}

void SpaceBudget::check() {
  // One part in 64 is kept for what the buffers still hold when the recording ends.
  if (left() <= max_bytes_ / 64)
    trip("size-limit", "the run reached its size limit of " + format_size(max_bytes_));
  if (Status enough = check_before_start(); !enough) trip("disk-full", enough.error().message);
}

Status SpaceBudget::check_before_start() const {
  IVT_ASSIGN_OR_RETURN(const Disk disk, disk_of(path_));
  if (disk.free >= floor_bytes_) return {};
  return Error(ErrorCode::kExhausted,
               "the disk of " + path_ + " has only " + format_size(disk.free) + " left, " +
                   format_size(floor_bytes_) + " are to stay free",
               "free some space or record to another disk");
}

}  // namespace ivtrace::record
