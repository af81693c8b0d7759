// Draining a mapped ring buffer.
//
// The reader owns one sub-buffer at a time. GET_READER consumes what has been committed to it since the last
// call (reader.read says up to where), and only when all of it is consumed and the writer has moved on does
// it swap in the next one. So each call either lengthens the current image or starts a new one, and what was
// consumed stays readable until the next call. That is why a sink that refuses a piece costs no copy: it is
// offered again from the kernel's page before GET_READER is called again.
//
// Where losses stand: newer kernels put them into the new sub-buffer's commit word, as read() does. The first
// kernels with mapped buffers (6.10 and on) only raise the meta page's counters: there lost_events stays at
// the last loss, so what counts is how far `overrun` got since it was last told. Overruns between the swap
// and the counter's reading are then told one page early; their sum is exact.
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "format/kernel_page.h"
#include "tracefs/page_reader.h"

namespace ivtrace::tracefs {
namespace {

format::MappedMeta read_meta(const Mapping& mapping) {
  format::MappedMeta meta;
  std::memcpy(&meta, mapping.data(), sizeof meta);
  return meta;
}

std::uint64_t load_u64(const std::byte* from) {
  std::uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

Error cannot_map(Error error) {
  if (error.code == ErrorCode::kNotFound) {  // ENODEV: trace_pipe_raw has no mmap
    return Error(ErrorCode::kUnsupported, "this kernel cannot map trace buffers", "Linux 6.10 and newer can");
  }
  if (error.code == ErrorCode::kInvalid)
    return Error(ErrorCode::kNotFound, "that CPU has no trace buffer yet");
  return error;
}

}  // namespace

Result<std::unique_ptr<MappedReader>> MappedReader::open(const Instance& instance, CpuId cpu) {
  IVT_ASSIGN_OR_RETURN(UniqueFd fd, instance.open_raw(cpu));
  const std::string what = "the trace buffer of CPU " + std::to_string(cpu.value);
  Result<Mapping> head = Mapping::of_fd(fd.get(), 0, 4096, Mapping::Access::kRead, what);
  if (!head) return cannot_map(head.error());
  const format::MappedMeta meta = read_meta(*head);
  if (meta.meta_struct_len < sizeof meta || meta.meta_page_size < sizeof meta ||
      meta.meta_page_size > (1u << 20) || meta.subbuf_size <= format::kSubBufferHeader ||
      meta.subbuf_size > format::kMaxSubBuffer || meta.nr_subbufs == 0 || meta.nr_subbufs > (1u << 24)) {
    return Error(ErrorCode::kUnsupported, "this kernel's mapped trace buffers have another layout");
  }
  if (meta.reader_read != 0) return Error(ErrorCode::kBusy, what + " has been read from already");
  const std::size_t bytes = meta.meta_page_size + std::size_t{meta.subbuf_size} * meta.nr_subbufs;
  Result<Mapping> whole = Mapping::of_fd(fd.get(), 0, bytes, Mapping::Access::kRead, what);
  if (!whole) return cannot_map(whole.error());
  return std::unique_ptr<MappedReader>(new MappedReader(std::move(fd), std::move(*whole), meta));
}

MappedReader::MappedReader(UniqueFd fd, Mapping mapping, const format::MappedMeta& meta)
    : fd_(std::move(fd)),
      mapping_(std::move(mapping)),
      meta_bytes_(meta.meta_page_size),
      sub_buffer_(meta.subbuf_size),
      sub_buffers_(meta.nr_subbufs),
      id_(meta.reader_id) {}

const std::byte* MappedReader::image() const {
  return mapping_.data() + meta_bytes_ + std::size_t{id_} * sub_buffer_;
}

/// Lets the kernel consume what is committed, and swap if that was all.
Status MappedReader::take_reader() {
  if (::ioctl(fd_.get(), format::kGetReader) != 0) {
    if (errno == EAGAIN || errno == EINTR) return {};
    return errno_error(errno, "cannot take a sub-buffer of a mapped trace buffer");
  }
  const format::MappedMeta meta = read_meta(mapping_);
  if (meta.reader_id >= sub_buffers_ || meta.reader_read > sub_buffer_ - format::kSubBufferHeader) {
    return Error(ErrorCode::kCorrupt, "the kernel's mapped trace buffer has an impossible reader position");
  }
  if (meta.reader_read == 0) return {};
  if (!started_ || meta.reader_id != id_) start_page(meta);
  available_ = static_cast<std::uint32_t>(format::kSubBufferHeader) + meta.reader_read;
  return {};
}

void MappedReader::start_page(const format::MappedMeta& meta) {
  if (started_) ++page_;
  started_ = true;
  id_ = meta.reader_id;
  delivered_ = 0;
  missed_ = false;
  missed_count_.reset();
  const std::uint64_t commit = load_u64(image() + 8);
  if ((commit & format::kMissedEvents) != 0) {
    kernel_marks_ = true;
    missed_ = true;
    const std::uint64_t count_at = format::kSubBufferHeader + (commit & format::kCommitMask);
    if ((commit & format::kMissedStored) != 0 && count_at + 8 <= sub_buffer_)
      missed_count_ = load_u64(image() + count_at);
  } else if (!kernel_marks_ && meta.lost_events != 0 && meta.overrun > accounted_) {
    missed_ = true;
    missed_count_ = meta.overrun - accounted_;
    accounted_ = meta.overrun;
  }
}

Piece MappedReader::pending() const {
  Piece piece;
  piece.page = page_;
  piece.offset = delivered_;
  piece.bytes = {image() + delivered_, available_ - delivered_};
  if (delivered_ == 0) {
    piece.missed = missed_;
    piece.missed_count = missed_count_;
  }
  return piece;
}

Result<PageReader::Progress> MappedReader::drain(PieceSink& sink, std::uint64_t budget) {
  Progress progress;
  for (;;) {
    if (delivered_ < available_) {
      if (!sink.take(pending())) {
        progress.stalled = true;
        return progress;
      }
      progress.bytes += available_ - delivered_;
      delivered_ = available_;
    }
    if (progress.bytes >= budget) {
      progress.more = true;
      return progress;
    }
    IVT_RETURN_IF_ERROR(take_reader());
    if (delivered_ == available_) return progress;
  }
}

}  // namespace ivtrace::tracefs
