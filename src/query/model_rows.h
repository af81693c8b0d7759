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
#include "model/io_request.h"
#include "model/irq_slices.h"
#include "model/qemu_calls.h"
#include "model/qemu_threads.h"
#include "model/sched_events.h"
#include "model/slow_io.h"
#include "model/vcpu_states.h"
#include "query/row_cache.h"
#include "query/row_file.h"
#include "query/sched_slices.h"
#include "query/table.h"
#include "run/run_reader.h"

namespace ivtrace::query {

struct VcpuSliceRow : Span {
  std::uint32_t lane = 0;  ///< index in ModelRows::lanes()
  std::uint32_t reason = 0;
  model::Task by;
  std::int32_t by_machine = -1;  ///< -1: not known, or nobody
  model::VcpuState state = model::VcpuState::kGuest;
  bool open = false;
};
struct QemuSliceRow : Span {
  std::uint32_t machine = 0;
  model::Task thread;
  model::Task by;
  std::int32_t by_machine = -1;  ///< -1: not known, or nobody
  model::ThreadState state = model::ThreadState::kRunning;
  bool open = false;
};
struct SchedSliceRow : Span {
  std::uint32_t machine = 0;
  std::uint32_t cpu = 0;
  model::Task task;
  SliceEnd end = SliceEnd::kOpen;
};
struct IoRequestRow : Span {
  std::uint64_t sector = 0;
  std::uint64_t bytes = 0;
  std::uint64_t host_bytes = 0;
  std::uint32_t machine = 0;
  std::int32_t disk = -1;  ///< index in Machine::disks, -1: not known
  std::uint32_t device = 0;
  std::uint32_t host_device = 0;
  std::uint32_t host_requests = 0;  ///< 0: not tied
  std::int32_t host_thread = 0;
  model::Task task;
  model::IoDirection direction = model::IoDirection::kRead;
  model::IoTie tie = model::IoTie::kUntied;
};
struct IoPhaseRow : Span {
  std::uint64_t request = 0;  ///< from 1: the IoRequestRow's place
  model::IoPhaseKind kind = model::IoPhaseKind::kUnattributed;
};
struct IoSlowRow : Span {
  std::uint64_t requests = 0;
  std::uint64_t bytes = 0;
  std::uint64_t slowest = 0;  ///< IoRequestRow's place, from 1
  double total_ns = 0;
  double expected_ns = 0;
  std::array<double, model::kIoParts> added_ns{};
  double stay_ns = 0;
  double served = 0;  ///< requests that the device finished
  double served_bytes = 0;
  double device_cost = 0;  ///< 0: not known
  std::uint32_t machine = 0;
  std::int32_t disk = -1;
  std::uint32_t device = 0;
  std::uint32_t host_device = 0;  ///< 0: not tied
  model::IoDirection direction = model::IoDirection::kRead;
  model::IoBaseline baseline = model::IoBaseline::kAlone;
};
struct IoSlowLoadRow : Span {
  std::uint64_t slow = 0;  ///< from 1: the IoSlowRow's place
  double byte_ns = 0;
  double request_ns = 0;
  double bytes_share = 0;
  double requests_share = 0;
  double others_share = 0;  ///< negative: it is the slow guest itself
  std::uint32_t machine = 0;
  model::Task task;  ///< its name only; of the host's
  model::IoDirection direction = model::IoDirection::kRead;
};
struct IrqSliceRow : Span {
  std::uint32_t machine = 0;
  std::uint32_t cpu = 0;
  std::int32_t number = 0;
  std::uint32_t name = 0;  ///< index in ModelRows::irq_names()
  bool soft = false;
};
struct BlockRequestRow : Span {
  std::int64_t issued_ns = 0;
  std::uint64_t sector = 0;
  std::uint64_t bytes = 0;
  std::uint64_t request = 0;  ///< io_request.id, 0: none
  std::uint32_t machine = 0;
  std::uint32_t device = 0;
  model::Task task;
  std::int32_t owner = -1;  ///< machine, -1: the request is a guest's
  model::Task owner_task;   ///< its name only
  model::IoDirection direction = model::IoDirection::kRead;
};
struct QemuCallRow : Span {
  std::int64_t result = 0;
  std::uint32_t machine = 0;
  std::int32_t thread = 0;
  std::uint32_t call = 0;
};
struct LossRow : Span {
  std::uint64_t events = 0;
  std::uint64_t bytes = 0;
  std::uint32_t machine = 0;
  std::uint32_t cpu = 0;
  std::uint32_t reason = 0;  ///< index in ModelRows::reasons()
  bool has_until = false;    ///< else until_ns is the end of time
  bool has_events = false;
  bool has_bytes = false;
  bool has_cpu = false;
};

enum class RowKind : std::uint8_t {
  kVcpuSlice,
  kQemuSlice,
  kSchedSlice,
  kIrqSlice,
  kBlockRequest,
  kQemuCall,
  kIoRequest,
  kIoPhase,
  kIoSlow,
  kIoSlowLoad,
  kLoss
};
inline constexpr std::size_t kRowKinds = 11;

/// Kinds of rows that know each other by their place, or none other: they are made and kept together. Known
/// by the first of them.
RowKind set_of(RowKind kind);

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
};
/// Adds what was left out of a walk that has come to its end.
void add_notices(const merge::RunEvents& events, Notices& notices);

/// Is the run's cache looked into and written to?
enum class CacheUse : std::uint8_t { kNone, kIfPossible };

/// Borrows run, clock, the flag and the notices. One thread.
class ModelRows {
 public:
  ModelRows(const run::RunReader& run, const clock::HostClock& clock, StopFlag stop, Notices& notices,
            CacheUse cache)
      : run_(run), clock_(clock), stop_(stop), notices_(notices), cache_use_(cache) {}

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
  const Rows<LossRow>& losses() const { return *losses_; }

  const run::RunReader& run() const { return run_; }
  const std::vector<model::VcpuLane>& lanes() const { return words_.lanes; }
  const std::string& exit_reason(std::uint32_t number) const;
  const std::vector<std::string>& irq_names() const { return words_.irq_names; }
  const std::vector<std::string>& reasons() const { return words_.reasons; }
  /// How often the run was walked for them.
  std::uint64_t walks() const { return walks_; }

 private:
  friend class ModelPass;
  bool is_wanted(RowKind kind) const {
    const auto i = static_cast<std::size_t>(kind);
    return wanted_[i] && !made_[i];
  }
  Status walk();
  void say(const Notices& notices);
  // model_rows_cache.cc
  template <class Visit>
  void visit_set(RowKind set, Visit visit);
  /// Finds the wanted sets that the cache has.
  void find_kept();
  bool find_kept(RowKind set);
  /// Keeps a set that was just made, with what is to be said beside it.
  void keep(RowKind set, const Notices& notices);

  const run::RunReader& run_;
  const clock::HostClock& clock_;
  StopFlag stop_;
  Notices& notices_;
  CacheUse cache_use_;
  std::optional<RowCache> cache_;  ///< from the first rows on that are wanted
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
  std::optional<Rows<LossRow>> losses_;
  RowWords words_;
};

}  // namespace ivtrace::query
