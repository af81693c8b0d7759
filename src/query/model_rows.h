// The rows of the tables that only a walk over the whole run can tell: slices, requests, losses.
//
// They are made when a statement first asks for one of them, by one pass over the merged events for all that
// this statement reads, and kept in temporary files until the database is closed; or they are found in the
// run's cache (row_cache.h), where a pass leaves them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "clock/clock_map.h"
#include "merge/run_events.h"
#include "model/lost_ranges.h"
#include "model/qemu_calls.h"
#include "model/vcpu_states.h"
#include "query/row_cache.h"
#include "query/row_file.h"
#include "query/row_kinds.h"
#include "query/row_watch.h"
#include "query/table.h"
#include "run/run_reader.h"

namespace ivtrace::query {

/// What is said beside a query's rows.
struct Notices {
  std::set<std::string> lines;  ///< for people, once each
  bool incomplete = false;      ///< events are missing in what was walked
};
/// What rows refer to by number.
struct RowWords {
  std::vector<model::VcpuLane> lanes;
  std::map<std::uint32_t, std::string> exit_reasons;
  std::vector<std::string> irq_names;
  std::vector<std::string> reasons;  ///< of losses
  std::vector<std::string> mark_names;
};
/// Adds what was left out of a walk that has come to its end.
void add_notices(const merge::RunEvents& events, Notices& notices);

/// Is the run's cache looked into and written to?
enum class CacheUse : std::uint8_t { kNone, kIfPossible };

/// Borrows run, clock, the flag and the notices. One thread at a time.
class ModelRows {
 public:
  ModelRows(const run::RunReader& run, const clock::HostClock& clock, StopFlag stop, Notices& notices,
            CacheUse cache)
      : run_(run), clock_(clock), stop_(stop), notices_(notices), cache_use_(cache) {}

  /// Tells `watch` of all rows that are found or made from now on; nullptr: nobody. Borrowed.
  void tell(RowWatch* watch) { watch_ = watch; }
  /// A statement will read these rows.
  void want(RowKind kind) { wanted_[static_cast<std::size_t>(kind)] = true; }
  /// Finds or makes the rows, and all others that are wanted and not there. An interrupted or failed pass
  /// leaves nothing behind.
  Status make(RowKind kind);

  const Rows<VcpuSliceRow>& vcpu_slices() const { return *vcpu_slices_; }
  const Rows<QemuSliceRow>& qemu_slices() const { return *qemu_slices_; }
  const Rows<SchedSliceRow>& sched_slices() const { return *sched_slices_; }
  const Rows<IrqSliceRow>& irq_slices() const { return *irq_slices_; }
  const Rows<BlockRequestRow>& block_requests() const { return *block_requests_; }
  const Rows<QemuCallRow>& qemu_calls() const { return *qemu_calls_; }
  const Rows<IoRequestRow>& io_requests() const { return *io_requests_; }
  const Rows<IoPhaseRow>& io_phases() const { return *io_phases_; }
  const Rows<IoSlowRow>& io_slows() const { return *io_slows_; }
  const Rows<IoSlowLoadRow>& io_slow_loads() const { return *io_slow_loads_; }
  const Rows<MarkSliceRow>& mark_slices() const { return *mark_slices_; }
  const Rows<MarkInstantRow>& mark_instants() const { return *mark_instants_; }
  const Rows<MarkCounterRow>& mark_counters() const { return *mark_counters_; }
  const Rows<LossRow>& losses() const { return *losses_; }

  const run::RunReader& run() const { return run_; }
  const std::vector<model::VcpuLane>& lanes() const { return words_.lanes; }
  const std::string& exit_reason(std::uint32_t number) const;
  const std::vector<std::string>& irq_names() const { return words_.irq_names; }
  const std::vector<std::string>& reasons() const { return words_.reasons; }
  const std::vector<std::string>& mark_names() const { return words_.mark_names; }
  /// What is to be said beside the rows that were found or made.
  const Notices& notices() const { return notices_; }
  /// How often the run was walked for them.
  std::uint64_t walks() const { return walks_; }

 private:
  friend class ModelPass;
  bool is_wanted(RowKind kind) const {
    const auto i = static_cast<std::size_t>(kind);
    return wanted_[i] && !made_[i];
  }
  RowWatch& watch() const;
  Status walk();
  void say(const Notices& notices);
  // model_rows_cache.cc
  template <class Visit>
  void visit_set(RowKind set, Visit visit);
  /// Finds the wanted sets that the cache has.
  void find_kept();
  bool find_kept(RowKind set);
  /// Tells the watch of a set that was found.
  void tell_kept(RowKind set);
  /// Keeps a set that was just made, with what is to be said beside it.
  void keep(RowKind set, const Notices& notices);

  const run::RunReader& run_;
  const clock::HostClock& clock_;
  StopFlag stop_;
  Notices& notices_;
  CacheUse cache_use_;
  std::optional<RowCache> cache_;  ///< from the first rows on that are wanted
  RowWatch* watch_ = nullptr;
  std::optional<model::LostRanges> lost_;  ///< of the host, joined; once a walk has come to its end
  std::uint64_t walks_ = 0;
  std::array<bool, kRowKinds> wanted_{};
  std::array<bool, kRowKinds> made_{};
  std::optional<Rows<VcpuSliceRow>> vcpu_slices_;
  std::optional<Rows<QemuSliceRow>> qemu_slices_;
  std::optional<Rows<SchedSliceRow>> sched_slices_;
  std::optional<Rows<IrqSliceRow>> irq_slices_;
  std::optional<Rows<BlockRequestRow>> block_requests_;
  std::optional<Rows<QemuCallRow>> qemu_calls_;
  std::optional<Rows<IoRequestRow>> io_requests_;
  std::optional<Rows<IoPhaseRow>> io_phases_;
  std::optional<Rows<IoSlowRow>> io_slows_;
  std::optional<Rows<IoSlowLoadRow>> io_slow_loads_;
  std::optional<Rows<MarkSliceRow>> mark_slices_;
  std::optional<Rows<MarkInstantRow>> mark_instants_;
  std::optional<Rows<MarkCounterRow>> mark_counters_;
  std::optional<Rows<LossRow>> losses_;
  RowWords words_;
};

}  // namespace ivtrace::query
