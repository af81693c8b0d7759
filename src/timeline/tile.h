// A tile: what one track shows of a stretch of time, in as much detail as a screen can show and no more.
//
// Times are cut into tiles by halving. Tile `index` of `level` covers kBins bins of equal length,
//
//     [index * span, (index + 1) * span),  span = base_span >> level
//
// where base_span is the smallest power of two (in ns) that covers the run. So tiles of a level never
// overlap, each has two children, and a page asks for the same ones again when it comes back.
//
// A tile with at most kMaxSlices slices has them all; any other has, for each bin, who had which share of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "query/row_file.h"
#include "timeline/track.h"

namespace ivtrace::timeline {

inline constexpr std::uint32_t kBins = 256;
inline constexpr std::size_t kMaxSlices = 512;
/// A bin is never shorter than 1 ns.
inline constexpr std::uint32_t kMaxLevel = 55;

struct TileKey {
  std::uint32_t level = 0;
  std::uint64_t index = 0;
};

/// What slices and shares are told apart by, and coloured. Of a tile's own list.
struct Category {
  std::string state;  ///< one of the TrackKind's words
  std::int32_t machine =
      -1;  ///< whose thread has the CPU, is ahead of the vCPU, owns the request; -1: nobody's
  /// Task's name, exit reason, interrupt's name; "" in shares where it is too many. kCounter: the value, in
  /// shares the mean of the bin.
  std::string label;
  std::int32_t tid = -1;  ///< -1: none
};

/// A stretch of a request's life (kDisk).
struct Phase {
  std::uint32_t kind =
      0;  ///< of a guest's disk: model::IoPhaseKind; of the host's: 0 queued, 1 with the device
  query::Span span;
};

struct TileSlice : query::Span {  ///< whole, also where it reaches beyond the tile
  std::uint32_t category = 0;     ///< index in TileTrack::categories
  std::uint32_t lane = 0;         ///< from 0
  /// kDisk, of a guest: io_request.id; of the host: block_request.id; else 0.
  std::uint64_t row = 0;
  /// kDisk, of the host: the io_request.id that it serves; 0: none.
  std::uint64_t request = 0;
  bool open = false;  ///< the run, or what is known of it, ended before the slice did
};

/// Of one bin and category: which part of the bin (0 to 1), or for kDisk how many requests were open (0 and
/// more). kCounter: one for each bin, of the time in which there was a value.
struct TileShare {
  std::uint32_t bin = 0;
  std::uint32_t category = 0;
  float share = 0;
};

/// Where events were lost, so that what is drawn there may be wrong. At least a bin long, joined.
struct Hole {
  std::int64_t from_ns = 0;
  std::int64_t until_ns = 0;
};

struct TileTrack {
  std::uint32_t track = 0;  ///< its id
  TrackKind kind = TrackKind::kCpu;
  /// False: the run is still being read, and more may come. Ask again.
  bool complete = true;
  bool is_shares = false;
  std::vector<Category> categories;
  std::vector<TileSlice> slices;           ///< by from_ns; empty when is_shares
  std::vector<std::vector<Phase>> phases;  ///< kDisk: one for each slice
  std::vector<TileShare> shares;           ///< by bin
  std::vector<Hole> holes;
};

}  // namespace ivtrace::timeline
