#include "timeline/slice_store.h"

#include <unistd.h>

#include <cerrno>

#include "query/row_file.h"

namespace ivtrace::timeline {
namespace {

constexpr const char* kWhat = "the timeline's temporary file";

}  // namespace

Result<SliceStore> SliceStore::create() {
  IVT_ASSIGN_OR_RETURN(UniqueFd fd, query::nameless_file());
  return SliceStore(std::move(fd));
}

std::uint64_t SliceStore::append(std::span<const std::byte> bytes) {
  const std::uint64_t offset = size_;
  if (status_) status_ = pwrite_all(fd_.get(), bytes, offset, kWhat);
  size_ += bytes.size();
  return offset;
}

Status SliceStore::read(std::uint64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t got = ::pread(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error(errno, std::string("cannot read ") + kWhat);
    if (got == 0) return Error(ErrorCode::kCorrupt, std::string(kWhat) + " is shorter than it was");
    bytes = bytes.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return {};
}

}  // namespace ivtrace::timeline
