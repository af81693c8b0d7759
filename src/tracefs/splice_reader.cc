// Moving sub-buffers into a file.
//
// splice() takes finished sub-buffers out of the ring by exchanging their memory pages and hands them to the
// file system; it never touches the one that is still written to. So a quiet CPU's last events would wait for
// ever: every second, and at the end, that one is fetched by read() and written as a slot of its own. Bytes
// that left the ring but did not reach the file (a full disk) stay in the pipe or the buffer here until the
// next call.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "tracefs/page_reader.h"

namespace ivtrace::tracefs {
namespace {

constexpr int kPipeBytes = 1 << 20;
/// Reads per move_all: the rest of the reader's sub-buffer, the unfinished one, and as many for what is
/// written meanwhile. Each makes a slot of its own, mostly empty: a slow machine that writes as fast as this
/// reads must not fill the disk.
constexpr int kMaxReads = 4;

}  // namespace

Result<SpliceReader> SpliceReader::open(const Instance& instance, CpuId cpu) {
  IVT_ASSIGN_OR_RETURN(const std::uint32_t sub_buffer, instance.sub_buffer_bytes());
  IVT_ASSIGN_OR_RETURN(UniqueFd fd, instance.open_raw(cpu));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return errno_error(errno, "cannot make a pipe");
  UniqueFd pipe_out(ends[0]);
  UniqueFd pipe_in(ends[1]);
  // A larger pipe is fewer system calls; where the limit for pipes is reached the default of 64 KiB does as
  // well.
  static_cast<void>(::fcntl(pipe_in.get(), F_SETPIPE_SZ, kPipeBytes));
  const int pipe_bytes = ::fcntl(pipe_in.get(), F_GETPIPE_SZ);
  if (pipe_bytes < static_cast<int>(sub_buffer))
    return Error(ErrorCode::kExhausted, "cannot get a pipe's buffer");
  return SpliceReader(std::move(fd), std::move(pipe_in), std::move(pipe_out),
                      static_cast<std::size_t>(pipe_bytes), sub_buffer);
}

SpliceReader::SpliceReader(UniqueFd fd, UniqueFd pipe_in, UniqueFd pipe_out, std::size_t pipe_bytes,
                           std::uint32_t sub_buffer)
    : fd_(std::move(fd)),
      pipe_in_(std::move(pipe_in)),
      pipe_out_(std::move(pipe_out)),
      pipe_bytes_(pipe_bytes),
      buffer_(sub_buffer) {}

Status SpliceReader::empty_pipe(int file, std::uint64_t& offset, Moved& moved) {
  while (in_pipe_ > 0) {
    auto position = static_cast<off64_t>(offset);
    const ssize_t written = ::splice(pipe_out_.get(), nullptr, file, &position, in_pipe_, SPLICE_F_MOVE);
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno_error(errno, "cannot write trace pages");
    }
    if (written == 0) return Error(ErrorCode::kIo, "cannot write trace pages: the pipe lost them");
    in_pipe_ -= static_cast<std::size_t>(written);
    offset += static_cast<std::uint64_t>(written);
    moved.bytes += static_cast<std::uint64_t>(written);
  }
  return {};
}

Status SpliceReader::write_held(int file, std::uint64_t& offset, Moved& moved) {
  while (held_ && held_from_ < buffer_.size()) {
    const ssize_t written =
        ::pwrite(file, buffer_.data() + held_from_, buffer_.size() - held_from_, static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno_error(errno, "cannot write a trace page");
    }
    held_from_ += static_cast<std::size_t>(written);
    offset += static_cast<std::uint64_t>(written);
    moved.bytes += static_cast<std::uint64_t>(written);
  }
  held_ = false;
  return {};
}

Result<SpliceReader::Moved> SpliceReader::move_full(int file, std::uint64_t& offset, std::uint64_t budget) {
  Moved moved;
  IVT_RETURN_IF_ERROR(write_held(file, offset, moved));
  for (;;) {
    IVT_RETURN_IF_ERROR(empty_pipe(file, offset, moved));
    if (moved.bytes >= budget) {
      moved.more = true;
      return moved;
    }
    // Whole sub-buffers, at least one, and no more than the budget has room for.
    const std::uint64_t fitting = (budget - moved.bytes) / buffer_.size() * buffer_.size();
    const std::size_t wanted = std::clamp<std::uint64_t>(fitting, buffer_.size(), pipe_bytes_);
    const ssize_t taken =
        ::splice(fd_.get(), nullptr, pipe_in_.get(), nullptr, wanted, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (taken < 0 && errno == EINTR) continue;
    if (taken < 0 && errno != EAGAIN) return errno_error(errno, "cannot splice trace_pipe_raw");
    if (taken <= 0) return moved;
    in_pipe_ = static_cast<std::size_t>(taken);
  }
}

Result<SpliceReader::Moved> SpliceReader::move_all(int file, std::uint64_t& offset, std::uint64_t budget) {
  Moved all;
  for (int reads = 0; reads < kMaxReads; ++reads) {
    IVT_ASSIGN_OR_RETURN(const Moved moved, move_full(file, offset, budget - std::min(budget, all.bytes)));
    all.bytes += moved.bytes;
    if (moved.more) break;
    const ssize_t got = ::read(fd_.get(), buffer_.data(), buffer_.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != EAGAIN) return errno_error(errno, "cannot read trace_pipe_raw");
    if (got <= 0) return all;
    std::fill(buffer_.begin() + got, buffer_.end(), std::byte{0});
    held_ = true;
    held_from_ = 0;
    IVT_RETURN_IF_ERROR(write_held(file, offset, all));
  }
  all.more = true;
  return all;
}

}  // namespace ivtrace::tracefs
