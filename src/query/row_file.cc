#include "query/row_file.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

namespace ivtrace::query {
namespace {

constexpr std::size_t kBufferBytes = 256u << 10;

bool meet(const Range& a, const Range& b) { return a.low <= b.high && b.low <= a.high; }

}  // namespace

Result<UniqueFd> nameless_file() {
  const char* const directory = ::getenv("TMPDIR");
  std::string path = std::string(directory != nullptr && *directory != '\0' ? directory : "/var/tmp");
  path += "/ivtrace-query-XXXXXX";
  UniqueFd fd(::mkostemp(path.data(), O_CLOEXEC));
  if (!fd.valid()) return errno_error(errno, "cannot create " + path, "TMPDIR names another directory");
  ::unlink(path.c_str());
  return fd;
}

Result<RowFile> RowFile::create(std::size_t row_bytes) {
  IVT_ASSIGN_OR_RETURN(UniqueFd fd, nameless_file());
  return RowFile(std::move(fd), row_bytes);
}

std::optional<RowFile> RowFile::of_bytes(Mapping bytes, std::size_t row_bytes, std::uint64_t count,
                                         const std::function<bool(std::span<const std::byte>)>& accept) {
  RowFile file(UniqueFd(), row_bytes);
  file.mapping_ = std::move(bytes);
  while (file.count_ < count) {
    const std::uint64_t rows = std::min<std::uint64_t>(kBlock, count - file.count_);
    if (!accept({file.mapping_.data() + file.count_ * row_bytes, rows * row_bytes})) return std::nullopt;
    for (const std::uint64_t end = file.count_ + rows; file.count_ < end; ++file.count_)
      file.index(*file.row(file.count_));
  }
  return file;
}

void RowFile::make_room() {
  write_out();
  buffer_.resize(kBufferBytes);
}

void RowFile::write_out() {
  if (status_ && used_ > 0)
    status_ = write_all(fd_.get(), std::span(buffer_).first(used_), "the query's temporary file");
  used_ = 0;
}

Status RowFile::seal() {
  write_out();
  buffer_ = {};
  IVT_RETURN_IF_ERROR(status_);
  if (count_ == 0) return {};
  IVT_ASSIGN_OR_RETURN(mapping_, Mapping::of_fd(fd_.get(), 0, count_ * row_bytes_, Mapping::Access::kRead,
                                                "the query's temporary file"));
  return {};
}

std::uint64_t RowFile::skip(std::uint64_t index, const Range& from, const Range& until) const {
  while (index < count_) {
    const Block& block = blocks_[index / kBlock];
    if (meet(block.from, from) && meet(block.until, until)) return index;
    index = (index / kBlock + 1) * kBlock;
  }
  return count_;
}

}  // namespace ivtrace::query
