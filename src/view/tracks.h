// Which track stands for something that a table tells of.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "run/run_reader.h"
#include "timeline/track.h"

namespace ivtrace::view {

/// nullptr when there is none; ids are no places.
const timeline::Track* find_track(std::span<const timeline::Track> tracks, std::uint32_t id);

/// The tracks as they were at one moment. Borrows the run.
class Tracks {
 public:
  static constexpr std::int64_t kNone = -1;

  Tracks(const run::RunReader& run, std::vector<timeline::Track> tracks)
      : run_(run), tracks_(std::move(tracks)) {}

  const std::vector<timeline::Track>& all() const { return tracks_; }
  /// nullptr when there is none.
  const timeline::Track* by_id(std::uint32_t id) const { return find_track(tracks_, id); }
  /// Index in RunReader::machines(), or kNone.
  std::int64_t machine(std::string_view name) const;
  const std::string& machine_name(std::uint32_t machine) const { return run_.machines()[machine].info.name; }
  /// Ids, or kNone.
  std::int64_t find(std::int64_t machine, timeline::TrackKind kind, std::int64_t number) const;
  /// "8:0".
  std::int64_t disk(std::int64_t machine, std::string_view device) const;
  /// A thread of the host that works for a guest: a vCPU's or another of QEMU's.
  std::int64_t thread(std::int64_t machine, std::int64_t tid) const;

 private:
  const run::RunReader& run_;
  std::vector<timeline::Track> tracks_;
};

/// "major:minor" of a disk's number in a track.
std::string device_text(std::int64_t number);

}  // namespace ivtrace::view
