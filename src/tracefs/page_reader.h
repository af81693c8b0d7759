// One CPU's stream of sub-buffers out of an instance: mapped, read, or moved to a file by the kernel.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/mapping.h"
#include "base/result.h"
#include "base/units.h"
#include "format/kernel_map.h"
#include "tracefs/instance.h"

namespace ivtrace::tracefs {

/// A piece of a sub-buffer's image: u64 time stamp, u64 commit word, events, cut to the bytes that hold
/// events. The commit word is the kernel's when the first piece was taken, so its length is too small once
/// another piece follows: what counts is offset + bytes. Bits 30 and 31 of it stay as the kernel set them,
/// but the count that bit 30 announces is not among the bytes, it is `missed_count`.
struct Piece {
  std::uint64_t page = 0;  ///< number of the sub-buffer, from 0 for each reader
  std::uint32_t offset =
      0;  ///< place of `bytes` in the image; pieces of a page follow each other without a gap
  std::span<const std::byte> bytes;  ///< valid during the call
  bool sealed = false;               ///< nothing more will come for this page (a higher `page` says the same)
  bool missed = false;               ///< events were lost before this page; told with offset 0
  std::optional<std::uint64_t> missed_count;
};

/// Where a reader's pieces go.
class PieceSink {
 public:
  virtual ~PieceSink() = default;
  /// False: no room now; the reader offers the same piece again later and takes nothing more from the kernel.
  virtual bool take(const Piece& piece) = 0;
};

/// Takes sub-buffers out of one CPU's buffer. Every event is delivered once or counted by the kernel as lost.
/// Used by one thread at a time. Must be destroyed before its instance is removed.
class PageReader {
 public:
  struct Progress {
    std::uint64_t bytes = 0;  ///< taken by the sink
    bool stalled = false;     ///< the sink refused a piece
    bool more = false;        ///< stopped at the budget
  };

  virtual ~PageReader() = default;
  /// Delivers what is there, partial sub-buffers included, until about `budget` bytes. Never blocks.
  virtual Result<Progress> drain(PieceSink& sink, std::uint64_t budget) = 0;
  /// For poll(POLLIN): readable once the buffer is as full as the instance's buffer_percent.
  virtual int poll_fd() const = 0;
};

/// Reads the kernel's pages where they are (mmap of trace_pipe_raw, Linux ≥ 6.10). While it lives the buffer
/// cannot be resized. Needs a buffer nobody has read from yet. (Documentation/trace/ring-buffer-map.rst;
/// include/uapi/linux/trace_mmap.h.)
class MappedReader : public PageReader {
 public:
  /// kUnsupported: the kernel cannot map buffers. kNotFound: the CPU was never online.
  static Result<std::unique_ptr<MappedReader>> open(const Instance& instance, CpuId cpu);

  Result<Progress> drain(PieceSink& sink, std::uint64_t budget) override;
  int poll_fd() const override { return fd_.get(); }

 private:
  MappedReader(UniqueFd fd, Mapping mapping, const format::MappedMeta& meta);
  Status take_reader();
  void start_page(const format::MappedMeta& meta);
  Piece pending() const;
  const std::byte* image() const;

  UniqueFd fd_;
  Mapping mapping_;
  std::uint32_t meta_bytes_;
  std::uint32_t sub_buffer_;
  std::uint32_t sub_buffers_;
  std::uint32_t id_;             // sub-buffer that is ours now
  std::uint64_t page_ = 0;       // its number in the stream
  bool started_ = false;         // page_ has had data
  std::uint32_t delivered_ = 0;  // bytes of its image that the sink has
  std::uint32_t available_ = 0;  // bytes of its image that GET_READER consumed
  bool missed_ = false;
  std::optional<std::uint64_t> missed_count_;
  std::uint64_t accounted_ = 0;  // lost events told so far
  bool kernel_marks_ = false;    // the kernel puts losses into the commit word itself
};

/// Reads pages with read(); each call's result is a page of its own.
class ReadReader : public PageReader {
 public:
  static Result<std::unique_ptr<ReadReader>> open(const Instance& instance, CpuId cpu);

  Result<Progress> drain(PieceSink& sink, std::uint64_t budget) override;
  int poll_fd() const override { return fd_.get(); }

 private:
  ReadReader(UniqueFd fd, std::uint32_t sub_buffer) : fd_(std::move(fd)), buffer_(sub_buffer) {}
  Result<bool> read_page();

  UniqueFd fd_;
  std::vector<std::byte> buffer_;
  std::uint64_t page_ = 0;
  Piece held_;  // read and not yet taken; empty bytes: none
};

/// How trace_pipe_raw is drained.
enum class Feed { kMap, kRead };
const char* to_string(Feed feed);
/// "map" or "read"; kInvalid otherwise.
Result<Feed> parse_feed(const std::string& name);
/// The best that this kernel can: tries to map `cpu`'s buffer.
Feed best_feed(const Instance& instance, CpuId cpu);
Result<std::unique_ptr<PageReader>> open_reader(const Instance& instance, CpuId cpu, Feed feed);

/// Moves whole sub-buffers to a file without their passing through user space where the kernel can
/// (splice(2)). The file gets slots of the sub-buffer's size, one after the other
/// (format::PageLayout::kSlots); losses stand in each slot's commit word, the count, where there is room,
/// behind its events. Used by one thread.
class SpliceReader {
 public:
  static Result<SpliceReader> open(const Instance& instance, CpuId cpu);

  struct Moved {
    std::uint64_t bytes = 0;  ///< written to the file
    bool more = false;        ///< stopped at the budget
  };
  /// Moves sub-buffers that the kernel has finished writing to, up to about `budget` bytes. Writes at
  /// `offset` of `file` (not opened with O_APPEND) and advances it by what arrived, also when it fails: after
  /// kExhausted (disk full) nothing is lost, the next call goes on where this one stopped. A second or later
  /// reader of the file may find the last slot cut.
  Result<Moved> move_full(int file, std::uint64_t& offset, std::uint64_t budget);
  /// Moves the full ones, then what is in the unfinished one by read(), as a slot of its own.
  Result<Moved> move_all(int file, std::uint64_t& offset, std::uint64_t budget = ~0ull);

  std::uint32_t slot_bytes() const { return static_cast<std::uint32_t>(buffer_.size()); }
  /// For poll(POLLIN), as PageReader::poll_fd().
  int poll_fd() const { return fd_.get(); }

 private:
  SpliceReader(UniqueFd fd, UniqueFd pipe_in, UniqueFd pipe_out, std::size_t pipe_bytes,
               std::uint32_t sub_buffer);
  Status empty_pipe(int file, std::uint64_t& offset, Moved& moved);
  Status write_held(int file, std::uint64_t& offset, Moved& moved);

  UniqueFd fd_;
  UniqueFd pipe_in_;
  UniqueFd pipe_out_;
  std::size_t pipe_bytes_;
  std::size_t in_pipe_ = 0;        // spliced out of the kernel's buffer, not yet in the file
  std::vector<std::byte> buffer_;  // one slot, for read()
  std::size_t held_from_ = 0;      // [held_from_, buffer_.size()) was read and is not yet in the file …
  bool held_ = false;              // … when this is set
};

}  // namespace ivtrace::tracefs
