// The tracks of a timeline with what is known of each: those that the journal tells, and those that rows
// name.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "clock/clock_map.h"
#include "model/vcpu_states.h"
#include "query/row_kinds.h"
#include "run/run_reader.h"
#include "timeline/lanes.h"
#include "timeline/series.h"
#include "timeline/track.h"
#include "timeline/track_slices.h"
#include "timeline/value_bins.h"

namespace ivtrace::timeline {

/// Slices of such a track have a Detail: a disk's for its requests, a counter's for its value.
inline bool has_details(TrackKind kind) { return kind == TrackKind::kDisk || kind == TrackKind::kCounter; }

/// A track and its slices.
struct TrackData {
  TrackData(Track the_track, SliceStore& store, unsigned bin_log2);

  void add(const Slice& slice, const Categories& categories, const Detail* detail = nullptr);
  /// As new.
  void clear();

  Track track;
  SliceStore& store;
  SeriesList series;
  BaseBins bins;
  std::unique_ptr<ValueBins> values;  ///< a counter's only
  TrackSlices slices;
  Lanes lanes;
};

/// Borrows run and store. One thread, or any while nothing is added.
class TrackList {
 public:
  TrackList(const run::RunReader& run, SliceStore& store, unsigned bin_log2);

  // The track of a row; nullptr when there are too many already.
  TrackData* cpu(std::uint32_t machine, std::uint32_t cpu);
  TrackData* vcpu(const model::VcpuLane& lane);
  /// `disk`: index in Machine::disks, -1: not known.
  TrackData* disk(std::uint32_t machine, std::uint32_t device, std::int32_t disk);
  TrackData* irq(std::uint32_t machine, std::uint32_t cpu);
  TrackData* thread(std::uint32_t machine, const model::Task& thread);
  /// What a thread of a program said by marks.
  TrackData* marks(std::uint32_t machine, std::int32_t tgid, std::int32_t tid);
  /// A program's counter. `name`: of ModelRows::mark_names(), whose number tells it from others.
  TrackData* counter(std::uint32_t machine, std::int32_t tgid, std::uint32_t name, std::string_view text);

  /// Takes the slices of those tracks away for which `which(track, is the host's)` is true.
  template <class Which>
  void clear(Which which) {
    for (const auto& each : tracks_) {
      if (each->slices.size() > 0 && which(each->track, each->track.machine == host_)) each->clear();
    }
  }

  std::size_t size() const { return tracks_.size(); }
  const TrackData& operator[](std::uint32_t id) const { return *tracks_[id]; }
  bool is_full() const { return full_; }
  std::size_t host() const { return host_; }
  /// In the order in which they stand.
  std::vector<Track> in_order() const;

  static constexpr std::size_t kMaxTracks = 4096;
  /// Programs of guests say what has marks: they must not take all places.
  static constexpr std::size_t kMaxMarkTracks = 1024;

 private:
  using Key = std::tuple<TrackKind, std::uint32_t, std::int64_t>;
  void add_known(std::uint32_t machine);
  TrackData* find(const Key& key) const;
  TrackData* add(const Key& key, Track track);
  TrackData* add_cpu(std::uint32_t machine, std::uint32_t cpu);
  bool is_aligned(std::uint32_t machine, std::optional<std::uint32_t> cpu) const;

  const run::RunReader& run_;
  SliceStore& store_;
  unsigned bin_log2_;
  std::size_t host_;
  std::vector<model::VcpuLane> lanes_;
  std::vector<clock::GuestClock> clocks_;  ///< by machine
  std::vector<std::unique_ptr<TrackData>> tracks_;
  std::map<Key, TrackData*> by_key_;
  std::vector<std::vector<TrackData*>> cpus_;  ///< by machine and number: most rows are of one
  std::size_t mark_tracks_ = 0;
  bool full_ = false;
};

}  // namespace ivtrace::timeline
