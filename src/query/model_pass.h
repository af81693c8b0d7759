// One walk over a run, which makes rows of all kinds that are wanted.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "merge/run_events.h"
#include "model/io_path.h"
#include "model/irq_slices.h"
#include "model/lost_ranges.h"
#include "model/program_marks.h"
#include "model/qemu_calls.h"
#include "model/qemu_threads.h"
#include "model/slow_io.h"
#include "model/thread_owners.h"
#include "model/vcpu_states.h"
#include "query/model_rows.h"
#include "query/row_watch.h"
#include "query/sched_slices.h"

namespace ivtrace::query {

/// Into new row files, which finish() gives away. Borrows all that it is made of. One thread.
class ModelPass {
 public:
  /// `lost` tells where the host is known to have lost events, as far as that is known before the walk.
  ModelPass(ModelRows& rows, merge::RunEvents& events, const model::LostRanges& lost);

  Status walk();
  /// Where the host lost events.
  const model::LostRanges& losses_of_host() const { return found_; }
  /// Was something made that would have to know that before?
  bool depends_on_losses() const { return states_ || qemu_ || io_; }

  /// Behind finish(): what is to be said beside the rows of a set that was made, and beside any.
  Notices notices(RowKind set) const {
    Notices all{said_[static_cast<std::size_t>(set)], lossy_};
    add_notices(events_, all);
    return all;
  }

  /// Behind the walk: gives the rows away.
  Status finish();

 private:
  /// Whom an event concerns.
  enum class Subject : std::uint8_t { kNone, kScheduler, kKvm, kInterrupt, kCall, kTask, kRequest, kMark };

  static std::vector<Subject> subjects_of(const decode::FormatTable* formats);
  /// Of a set of its own.
  bool begins(RowKind set) {
    if (!rows_.is_wanted(set)) return false;
    watch_.begins(set);
    return true;
  }
  bool makes_io() const {
    return rows_.is_wanted(RowKind::kIoRequest) || rows_.is_wanted(RowKind::kIoPhase) ||
           rows_.is_wanted(RowKind::kIoSlow) || rows_.is_wanted(RowKind::kIoSlowLoad);
  }
  bool makes_marks() const {
    return rows_.is_wanted(RowKind::kMarkSlice) || rows_.is_wanted(RowKind::kMarkInstant) ||
           rows_.is_wanted(RowKind::kMarkCounter);
  }
  void say(RowKind set, std::string line) { said_[static_cast<std::size_t>(set)].insert(std::move(line)); }

  Status prepare();
  Status prepare_marks();
  Status finish_marks();
  void follow_requests();
  /// Else an empty table looks like a quiet guest.
  void say_what_is_not_recorded();

  void look(const merge::MergedEvent& event);
  void look_at_scheduler(const merge::MergedEvent& event, bool host);
  void lose(const merge::MergedEvent& event);

  template <class T>
  void keep(RowKind kind, std::optional<T>& made, std::optional<T>& place) {
    place = std::move(made);
    rows_.made_[static_cast<std::size_t>(kind)] = true;
  }

  std::int64_t ns(HostTsc tsc) { return clock_.to_ns(tsc).value; }

  /// For whom the host's thread works; -1: it is not known, or idle.
  std::int32_t machine_of(const model::Task& thread) const {
    return thread.tid > 0 ? static_cast<std::int32_t>(owners_.owner(thread).value_or(host_)) : -1;
  }

  void add(const model::VcpuSlice& slice) {
    lost_.spare(slice.from, slice.until, [&](HostTsc from, HostTsc until) { add(slice, from, until); });
  }
  void add(const model::VcpuSlice& slice, HostTsc from, HostTsc until);

  std::string_view name_of_exit(std::uint32_t reason);
  void add(const model::QemuSlice& slice);
  void add(const SchedSlice& slice);
  void add(const model::IrqSlice& slice);
  void add(const model::QemuCall& call);
  void add(const model::MarkSlice& slice);
  void add(const model::MarkInstant& mark);
  void add(const model::MarkCounter& counter);
  /// `serves`: io_request.id, 0: none.
  void add(const model::HostRequest& host, std::uint64_t serves) {
    model::Task task;
    host.owner.task.copy(task.comm.data(), task.comm.size());
    add_block(host.request, host_, serves, host.owner.machine, task);
  }
  void add_block(const model::BlockRequest& request, std::size_t machine, std::uint64_t io_request,
                 std::int32_t owner = -1, const model::Task& owner_task = {});
  void add(const model::IoRequest& request);

  double ticks_per_second() const {
    constexpr std::int64_t kSecond = 1'000'000'000;
    const std::uint64_t start = rows_.run_.manifest().start_tsc.value;
    return static_cast<double>(rows_.clock_.to_tsc(Nanoseconds(kSecond)).value - start);
  }
  Status finish_slow();

  void add(const merge::LossMarker& loss, std::size_t machine);

  ModelRows& rows_;
  merge::RunEvents& events_;
  const model::LostRanges& lost_;
  RowWatch& watch_;
  model::LostRanges found_;
  std::size_t host_;
  clock::NearClock clock_;
  HostTsc end_;  ///< of the last item
  model::ThreadOwners owners_;
  std::vector<std::vector<Subject>> subjects_;    ///< by machine and event id
  std::vector<model::SchedEvents> sched_events_;  ///< by machine
  std::optional<model::VcpuStates> states_;
  std::optional<model::QemuThreads> qemu_;
  std::optional<SchedSlices> sched_;
  std::optional<model::IrqSlices> irqs_;
  std::optional<model::QemuCalls> calls_;
  std::optional<model::IoPath> io_;
  std::optional<model::SlowIoFinder> slow_;
  std::optional<model::ProgramMarks> programs_;
  std::uint64_t requests_ = 0;  ///< of guests that have completed; the last one's io_request.id
  std::optional<Rows<VcpuSliceRow>> vcpu_slices_;
  std::optional<Rows<QemuSliceRow>> qemu_slices_;
  std::optional<Rows<SchedSliceRow>> sched_slices_;
  std::optional<Rows<IrqSliceRow>> irq_slices_;
  std::optional<Rows<BlockRequestRow>> block_requests_;
  std::optional<Rows<QemuCallRow>> qemu_calls_;
  std::optional<Rows<IoRequestRow>> io_requests_;
  std::optional<Rows<IoPhaseRow>> io_phases_;
  std::optional<Rows<MarkSliceRow>> mark_slices_;
  std::optional<Rows<MarkInstantRow>> mark_instants_;
  std::optional<Rows<MarkCounterRow>> mark_counters_;
  std::optional<Rows<LossRow>> losses_;
  std::vector<IoPhaseRow> phases_;  ///< of the request at hand
  std::map<std::uint32_t, std::string> exit_reasons_;
  std::vector<std::string> reasons_;
  std::array<std::set<std::string>, kRowKinds> said_;  ///< by set
  bool lossy_ = false;
};

}  // namespace ivtrace::query
