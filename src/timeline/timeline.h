// A run as something to look at: tracks with slices, ready in any detail at any place.
//
// Opening starts a thread that reads the run twice. The first walk reads switches only and is several times
// quicker: who had the CPUs can be seen almost at once. The second makes all other rows. What has been read
// can be looked at while the rest still comes; a tile tells whether more may come.
//
// What is kept is a slice's times and a few numbers, in files without a name (query::RowFile), and for each
// track a summary of fixed size, from which tiles of long stretches are made.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "clock/clock_map.h"
#include "query/database.h"
#include "run/run_reader.h"
#include "timeline/tile.h"
#include "timeline/track.h"

namespace ivtrace::timeline {

/// How far reading has come.
struct Progress {
  double switches = 0;  ///< of the first walk, 0 to 1
  double rows = 0;      ///< of the second
  bool done = false;    ///< rows() may be used, or `failure` tells why not
  std::string failure;  ///< for people; what was read before can be looked at
};

/// Owns its thread and files. Borrows run and clock, which stay at their place. All functions but rows() may
/// be called by any thread at any time.
class Timeline {
 public:
  /// Returns soon: of events it reads only those behind the journal's last word, to know how long the run is.
  static Result<std::unique_ptr<Timeline>> open(const run::RunReader& run, const clock::HostClock& clock,
                                                query::CacheUse cache);
  ~Timeline();  ///< ends the reading first
  Timeline(const Timeline&) = delete;
  Timeline& operator=(const Timeline&) = delete;

  Progress progress() const;
  /// One line each, for people: what was left out. All of them only when reading is done.
  std::vector<std::string> notices() const;
  /// Tracks are added while the run is read; none changes its id. In the order in which they should stand:
  /// the host's CPUs, disks, interrupts; then each guest's vCPUs with their tasks, disks, interrupts, QEMU's
  /// threads. A guest's CPUs without a single switch are left out once that is known.
  std::vector<Track> tracks() const;
  /// Of the run: to the last of the host's events, or the recording's end.
  std::int64_t duration_ns() const;
  /// See tile.h; fixed when the timeline is opened.
  std::int64_t base_span_ns() const;

  /// kInvalid: a tile or track that cannot be. kTimeout: `stop` was set.
  Result<std::vector<TileTrack>> tiles(TileKey key, std::span<const std::uint32_t> tracks,
                                       query::StopFlag stop) const;

  /// The model's rows, for a Database over them (Database::open(ModelRows&, …)), which then walks nothing:
  /// only when progress().done and without failure, and by one thread at a time. They live as long as the
  /// timeline.
  query::ModelRows& rows();

 private:
  class Reading;
  explicit Timeline(std::unique_ptr<Reading> reading);

  std::unique_ptr<Reading> reading_;
};

}  // namespace ivtrace::timeline
