#include "run/packed_file.h"

#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "format/kernel_page.h"

namespace ivtrace::run {
namespace {

using format::PackedPage;

Result<std::uint64_t> file_size(int fd, const std::string& what) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return errno_error(errno, "cannot stat " + what);
  return static_cast<std::uint64_t>(info.st_size);
}

/// Header and body with one system call where the kernel takes them at once.
Status append_page(int fd, std::uint64_t offset, const PackedPage& header, std::span<const std::byte> body,
                   const std::string& what) {
  std::array<iovec, 2> parts{iovec{const_cast<PackedPage*>(&header), sizeof header},
                             iovec{const_cast<std::byte*>(body.data()), body.size()}};
  ssize_t written;
  do {
    written = ::pwritev(fd, parts.data(), static_cast<int>(parts.size()), static_cast<off_t>(offset));
  } while (written < 0 && errno == EINTR);
  if (written < 0) return errno_error(errno, "cannot write " + what);
  auto done = static_cast<std::size_t>(written);
  if (done < sizeof header) {
    const auto rest = std::as_bytes(std::span(&header, 1)).subspan(done);
    IVT_RETURN_IF_ERROR(pwrite_all(fd, rest, offset + done, what));
    done = sizeof header;
  }
  return pwrite_all(fd, body.subspan(done - sizeof header), offset + done, what);
}

}  // namespace

Result<PackedFileWriter> PackedFileWriter::create(UniqueFd fd, std::string what) {
  IVT_ASSIGN_OR_RETURN(const std::uint64_t size, file_size(fd.get(), what));
  return PackedFileWriter(std::move(fd), std::move(what), size);
}

Result<PackedFileWriter> PackedFileWriter::resume(UniqueFd fd, std::uint64_t segment_offset,
                                                  std::string what) {
  IVT_ASSIGN_OR_RETURN(PackedFileWriter writer, create(std::move(fd), std::move(what)));
  IVT_RETURN_IF_ERROR(writer.repair_tail(segment_offset));
  return writer;
}

Status PackedFileWriter::repair_tail(std::uint64_t segment_offset) {
  std::uint64_t at = segment_offset;
  while (at < size_) {
    const std::uint64_t there = size_ - at;
    PackedPage header{};
    const ssize_t got = ::pread(fd_.get(), &header, sizeof header, static_cast<off_t>(at));
    if (got < 0) return errno_error(errno, "cannot read " + what_);
    const bool whole_header = got == sizeof header;
    if (whole_header && (header.bytes < format::kSubBufferHeader || header.bytes > format::kMaxSubBuffer)) {
      return Error(ErrorCode::kCorrupt,
                   what_ + " is damaged at byte " + std::to_string(at) + ", nothing is appended");
    }
    if (!whole_header || there < sizeof header + format::kSubBufferHeader) {
      // Nothing usable was written of this page: it is as if it had never begun, the ring still holds it.
      if (::ftruncate(fd_.get(), static_cast<off_t>(at)) != 0)
        return errno_error(errno, "cannot cut " + what_);
      size_ = at;
      break;
    }
    if (header.bytes > there - sizeof header) {
      header.bytes = static_cast<std::uint32_t>(there - sizeof header);
      IVT_RETURN_IF_ERROR(pwrite_all(fd_.get(), std::as_bytes(std::span(&header.bytes, 1)), at, what_));
    }
    last_ = Image{at, header.page, header.bytes};
    at += sizeof header + header.bytes;
  }
  return {};
}

Result<PieceOutcome> PackedFileWriter::add(const PagePiece& piece) {
  IVT_CHECK(piece.offset + piece.bytes.size() <= format::kMaxSubBuffer);
  if (last_.has_value() && piece.page < last_->page) return PieceOutcome::kAlreadyThere;
  if (last_.has_value() && piece.page == last_->page) return add_continuation(piece);
  return piece.offset == 0 ? add_start(piece) : PieceOutcome::kNoStart;
}

Result<PieceOutcome> PackedFileWriter::add_start(const PagePiece& piece) {
  IVT_CHECK(piece.bytes.size() >= format::kSubBufferHeader);
  PackedPage header{};
  header.bytes = static_cast<std::uint32_t>(piece.bytes.size());
  header.page = piece.page;
  if (piece.missed) header.flags |= format::kPackedMissed;
  if (piece.missed && piece.missed_count.has_value()) {
    header.flags |= format::kPackedMissedCounted;
    header.missed = *piece.missed_count;
  }
  if (Status written = append_page(fd_.get(), size_, header, piece.bytes, what_); !written) {
    // Should the cut fail too, the file ends in an incomplete page, which every reader takes for what it is.
    [[maybe_unused]] const int cut = ::ftruncate(fd_.get(), static_cast<off_t>(size_));
    return std::move(written).error();
  }
  last_ = Image{size_, piece.page, header.bytes};
  size_ += sizeof header + piece.bytes.size();
  return PieceOutcome::kWritten;
}

Result<PieceOutcome> PackedFileWriter::add_continuation(const PagePiece& piece) {
  if (piece.offset > last_->bytes) return PieceOutcome::kNoStart;
  const std::size_t known = last_->bytes - piece.offset;
  if (known >= piece.bytes.size()) return PieceOutcome::kAlreadyThere;
  const std::span<const std::byte> fresh = piece.bytes.subspan(known);
  const auto set_bytes = [&](std::uint32_t value) {
    return pwrite_all(fd_.get(), std::as_bytes(std::span(&value, 1)),
                      last_->header_offset + offsetof(PackedPage, bytes), what_);
  };
  const auto raised = last_->bytes + static_cast<std::uint32_t>(fresh.size());
  IVT_RETURN_IF_ERROR(set_bytes(raised));
  if (Status written = pwrite_all(fd_.get(), fresh, size_, what_); !written) {
    if (::ftruncate(fd_.get(), static_cast<off_t>(size_)) == 0) IVT_RETURN_IF_ERROR(set_bytes(last_->bytes));
    return std::move(written).error();
  }
  last_->bytes = raised;
  size_ += fresh.size();
  return PieceOutcome::kWritten;
}

std::uint64_t PackedFileWriter::start_segment() {
  last_.reset();
  return size_;
}

}  // namespace ivtrace::run
