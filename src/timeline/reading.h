// What reads a run for a timeline, and has what was read.
#pragma once

#include <atomic>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "query/model_rows.h"
#include "query/row_watch.h"
#include "timeline/category.h"
#include "timeline/holes.h"
#include "timeline/slice_store.h"
#include "timeline/tile_maker.h"
#include "timeline/timeline.h"
#include "timeline/track_list.h"

namespace ivtrace::timeline {

/// One thread reads and is told of the rows; any thread may ask. What both use is under one lock, which the
/// reading one holds for a few thousand events at a time.
class Timeline::Reading : private query::RowWatch {
 public:
  Reading(const run::RunReader& run, const clock::HostClock& clock, query::CacheUse cache, SliceStore store);
  ~Reading();

  void start();
  Progress progress() const;
  std::vector<std::string> notices() const;
  std::vector<Track> tracks() const;
  std::int64_t duration_ns() const { return duration_ns_; }
  std::int64_t base_span_ns() const { return std::int64_t{1} << base_log2_; }
  Result<std::vector<TileTrack>> tiles(TileKey key, std::span<const std::uint32_t> tracks,
                                       query::StopFlag stop) const;
  query::ModelRows& rows() { return rows_; }

 private:
  void read();
  Status read_rows();
  /// From now on the reading thread has what is shared to itself, until pauses().
  void hold() {
    if (held_.owns_lock()) [[likely]]
      return;
    const std::lock_guard turn(turn_);
    held_.lock();
  }
  std::shared_lock<std::shared_mutex> look() const {
    const std::lock_guard turn(turn_);
    return std::shared_lock(mutex_);
  }

  void begins(query::RowKind set) override;
  void pauses() override;
  void walked_to(std::int64_t ns) override;
  void take(const query::SchedSliceRow& row) override;
  void take(const query::VcpuSliceRow& row, const model::VcpuLane& lane, std::string_view exit) override;
  void take(const query::QemuSliceRow& row) override;
  void take(const query::IrqSliceRow& row, std::string_view name) override;
  void take(const query::BlockRequestRow& row, std::uint64_t id) override;
  void take(const query::IoRequestRow& row, std::uint64_t id,
            std::span<const query::IoPhaseRow> phases) override;
  void take(const query::MarkSliceRow& row, std::string_view name) override;
  void take(const query::MarkInstantRow& row, std::string_view name) override;
  void take(const query::MarkCounterRow& row, std::string_view name) override;
  void take(const query::LossRow& row) override;

  bool is_vcpu(std::int32_t owner, std::int32_t tid) const {
    return vcpu_threads_.contains(static_cast<std::uint64_t>(owner) << 32 | static_cast<std::uint32_t>(tid));
  }
  std::uint32_t preempted(std::int32_t machine, const model::Task& by);
  Holes::Bins hole_bins(const Track& track, TileSpan span) const;
  bool is_complete(TrackKind kind) const;

  std::atomic<bool> stop_{false};
  std::int64_t duration_ns_;
  unsigned base_log2_;
  std::unordered_set<std::uint64_t> vcpu_threads_;  ///< by machine and thread
  query::Notices row_notices_;                      ///< of the reading thread until it has ended
  query::ModelRows rows_;

  /// Taken before the other, so that many who ask do not keep the reading from going on.
  mutable std::mutex turn_;
  mutable std::shared_mutex mutex_;
  Progress progress_;
  bool switches_complete_ = false;
  std::vector<std::string> notices_;
  SliceStore store_;
  Categories categories_;
  TrackList tracks_;
  Holes holes_;

  std::unique_lock<std::shared_mutex> held_;  ///< the reading thread's
  std::thread thread_;
};

}  // namespace ivtrace::timeline
