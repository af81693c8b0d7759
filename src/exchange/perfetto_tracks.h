// Where things stand in a trace of Perfetto's: a process for each machine, in it groups, in them tracks.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exchange/perfetto_writer.h"
#include "run/run_reader.h"

namespace ivtrace::exchange {

/// Tracks of one name, of which each slice gets one where nothing else is at that time: what overlaps stands
/// in several lanes. Slices may come in the order of their begins or of their ends, and need the fewest lanes
/// then; any other order is right too. Memory depends on how many overlap. Borrows the writer. One thread.
class PerfettoLanes {
 public:
  PerfettoLanes(PerfettoWriter& writer, PerfettoTrack parent, std::string name, std::int32_t rank)
      : writer_(writer), parent_(parent), name_(std::move(name)), rank_(rank) {}

  /// The track on which a slice of that time may stand; it is taken.
  PerfettoTrack take(std::int64_t from, std::int64_t until);

 private:
  PerfettoWriter& writer_;
  PerfettoTrack parent_;
  std::string name_;
  std::int32_t rank_;
  std::multimap<std::int64_t, PerfettoTrack> lanes_;  // by the end of what stands there
};

/// What a machine's tracks are grouped by, in the order in which they are shown.
enum class PerfettoGroup : std::uint8_t { kRequests, kDisks, kVcpus, kCpus, kInterrupts, kPrograms, kLosses };

/// Makes tracks when they are first asked for. Borrows writer and run. One thread.
class PerfettoTracks {
 public:
  /// Makes the machines' processes, the host's first; of those in `wanted`, or of all when it is empty.
  PerfettoTracks(PerfettoWriter& writer, const run::RunReader& run, const std::vector<std::string>& wanted);

  bool has(std::string_view machine) const { return machines_.contains(machine); }
  /// `rank`: the track's place in its group. The machine is one that has() knows.
  PerfettoLanes& lanes(std::string_view machine, PerfettoGroup group, std::string_view name,
                       std::int32_t rank);
  PerfettoTrack counter(std::string_view machine, PerfettoGroup group, std::string_view name);

 private:
  using Key = std::pair<PerfettoTrack, std::string>;
  PerfettoTrack group(std::string_view machine, PerfettoGroup group);

  PerfettoWriter& writer_;
  std::map<std::string, PerfettoTrack, std::less<>> machines_;
  std::map<std::pair<PerfettoTrack, PerfettoGroup>, PerfettoTrack> groups_;
  std::map<Key, PerfettoLanes> lanes_;
  std::map<Key, PerfettoTrack> counters_;
};

}  // namespace ivtrace::exchange
