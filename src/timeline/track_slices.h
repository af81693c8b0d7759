// The slices of one track: in chunks in the store, the last ones in memory.
//
// A chunk knows the bounds of its slices' times and, for each series, the time that they have together. So a
// search skips chunks, and a chunk that lies within one bin of a tile need not be read to be counted in.
// Slices may come in any order; the nearer it is to that of their times the better.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "query/row_file.h"
#include "timeline/series.h"
#include "timeline/slice_store.h"

namespace ivtrace::timeline {

struct Slice : query::Span {
  std::uint32_t category = 0;
  std::uint16_t lane = 0;
  bool open = false;
};
/// What a disk's slice has besides, and a counter's. Phases follow each other without a gap: the last one
/// ends with the slice.
struct Detail {
  static constexpr std::size_t kMaxPhases = 7;
  std::uint64_t row = 0;
  std::uint64_t request = 0;
  std::int64_t value = 0;  ///< a counter's
  std::uint8_t phases = 0;
  std::array<std::uint8_t, kMaxPhases> kinds{};
  std::array<std::int64_t, kMaxPhases - 1> ends{};
};

/// One thread adds; any may read while nothing is added. Borrows the store.
class TrackSlices {
 public:
  TrackSlices(SliceStore& store, bool detailed) : store_(store), detailed_(detailed) {}

  void add(const Slice& slice, std::uint16_t series, const Detail* detail = nullptr);
  std::uint64_t size() const { return count_; }

  struct Part {
    std::uint16_t series = 0;
    std::uint64_t ns = 0;
  };
  struct Chunk {
    std::int64_t first_ns = std::numeric_limits<std::int64_t>::max();  ///< the earliest begin
    std::int64_t last_ns = std::numeric_limits<std::int64_t>::min();   ///< the latest end
    std::uint64_t offset = 0;                                          ///< in the store
    std::uint64_t sums_begin = 0;
  };
  /// Chunks are counted from 0; the last one is in memory.
  std::size_t chunks() const { return chunks_.size() + 1; }
  /// The first chunk at or behind `chunk` that may have a slice of [from, until]; chunks() when there is
  /// none.
  std::size_t next(std::size_t chunk, std::int64_t from, std::int64_t until) const;
  const Chunk& bounds(std::size_t chunk) const { return chunk < chunks_.size() ? chunks_[chunk] : last_; }
  /// By series; of chunks that are in the store.
  std::span<const Part> sums(std::size_t chunk) const;
  bool is_stored(std::size_t chunk) const { return chunk < chunks_.size(); }

  /// The slices of a chunk, which hold until the next call with the same room.
  struct Room {
    std::vector<Slice> slices;
    std::vector<Detail> details;
  };
  Result<std::span<const Slice>> slices(std::size_t chunk, Room& room) const;
  Result<std::span<const Detail>> details(std::size_t chunk, Room& room) const;

  static constexpr std::size_t kChunk = 1024;

 private:
  static constexpr std::size_t kGroup = 64;  // chunks that are skipped together
  struct Bounds {
    std::int64_t first_ns = std::numeric_limits<std::int64_t>::max();
    std::int64_t last_ns = std::numeric_limits<std::int64_t>::min();
  };
  void store_chunk();

  SliceStore& store_;
  bool detailed_;
  std::uint64_t count_ = 0;
  std::vector<Chunk> chunks_;
  std::vector<Bounds> groups_;
  std::vector<Part> sums_;  ///< of all chunks
  Chunk last_;
  std::vector<Slice> slices_;
  std::vector<Detail> details_;
  std::vector<std::uint64_t> last_sums_;  ///< by series
};

}  // namespace ivtrace::timeline
