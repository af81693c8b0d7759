// One track's tile.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "query/table.h"
#include "timeline/tile.h"
#include "timeline/track_list.h"

namespace ivtrace::timeline {

/// A tile's place in time: bins of 2^bin_log2 ns from `begin` on.
struct TileSpan {
  std::int64_t begin = 0;
  unsigned bin_log2 = 0;

  std::int64_t end() const { return begin + (static_cast<std::int64_t>(kBins) << bin_log2); }
};

/// Without holes. kTimeout: stopped; else the store cannot be read. Any number of threads may make tiles
/// while nothing is added to the track and the categories.
Result<TileTrack> make_tile(const TrackData& track, const Categories& categories, TileSpan span,
                            query::StopFlag stop);

}  // namespace ivtrace::timeline
