// Writing packed .pages files (format/run_layout.h): a PackedPage before each sub-buffer's image, the last
// one growing.
//
// The file must be readable at every moment, also after a kill -9 between any two system calls. So growth has
// an order: first the PackedPage's `bytes` is raised, then the bytes are appended. A file that ends in
// between promises more than it has, a reader takes what is there; no byte of a following page can ever be
// taken for one of this page, because the next page is only begun when this one is complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "format/run_layout.h"

namespace ivtrace::run {

/// A piece of a sub-buffer's image: its start (`offset` 0, with the kernel's 16-byte header) or the
/// continuation of the piece before. `bytes` may lie in memory that somebody else still writes to; they are
/// copied once.
struct PagePiece {
  std::uint64_t page = 0;    ///< sequence number of the sub-buffer in its stream
  std::uint32_t offset = 0;  ///< where in the image `bytes` belongs
  std::span<const std::byte> bytes;
  bool missed = false;  ///< with offset 0: events were lost before this page
  std::optional<std::uint64_t> missed_count;
};

/// What became of a piece.
enum class PieceOutcome {
  kWritten,
  kAlreadyThere,  ///< resumed file: the dead recorder had saved it already
  kNoStart,       ///< a continuation whose page's earlier bytes are not in this file: nothing was written
};

/// Appends pieces to one packed .pages file. Owns the descriptor. Not thread-safe: one writer per file.
class PackedFileWriter {
 public:
  /// `fd` is open for reading and writing; appending starts at its end. `what` names the file in errors.
  static Result<PackedFileWriter> create(UniqueFd fd, std::string what);
  /// For a file that a dead recorder left, whose last segment starts at `segment_offset`: the torn tail is
  /// repaired
  /// (`bytes` lowered to what is there, an incomplete header cut off), and pieces that the file already holds
  /// are recognised by page number and offset, so that a ring may be drained again from its last known
  /// position.
  static Result<PackedFileWriter> resume(UniqueFd fd, std::uint64_t segment_offset, std::string what);

  /// On an error (disk full) the file is as it was before.
  Result<PieceOutcome> add(const PagePiece& piece);
  /// The stream starts anew (page numbers from 0): the next piece must be a start. Returns the segment's
  /// offset.
  std::uint64_t start_segment();
  /// Bytes in the file.
  std::uint64_t size() const { return size_; }

 private:
  /// The last image in the file, which may still grow.
  struct Image {
    std::uint64_t header_offset = 0;
    std::uint64_t page = 0;
    std::uint32_t bytes = 0;
  };

  PackedFileWriter(UniqueFd fd, std::string what, std::uint64_t size)
      : fd_(std::move(fd)), what_(std::move(what)), size_(size) {}
  Status repair_tail(std::uint64_t segment_offset);
  Result<PieceOutcome> add_start(const PagePiece& piece);
  Result<PieceOutcome> add_continuation(const PagePiece& piece);

  UniqueFd fd_;
  std::string what_;
  std::uint64_t size_ = 0;
  std::optional<Image> last_;  // of this segment
};

}  // namespace ivtrace::run
