#include "query/model_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "model/io_path.h"
#include "model/lost_ranges.h"
#include "model/thread_owners.h"
#include "model/vcpu_events.h"
#include "model/walk.h"

namespace ivtrace::query {
namespace {

constexpr std::uint64_t kAskEvery = 8192;  // events between two looks at the stop flag

/// The place of `text` in `list`, where it is put when it is new. For short lists.
std::uint32_t place_in(std::vector<std::string>& list, std::string_view text) {
  const auto found = std::find(list.begin(), list.end(), text);
  if (found != list.end()) return static_cast<std::uint32_t>(found - list.begin());
  list.emplace_back(text);
  return static_cast<std::uint32_t>(list.size() - 1);
}

}  // namespace

void add_notices(const merge::RunEvents& events, Notices& notices) {
  notices.lines.insert(events.notices().begin(), events.notices().end());
  if (!events.unaligned().empty()) notices.incomplete = true;
  std::map<std::string_view, std::uint64_t> without_time;
  for (const auto& stream : events.streams()) {
    if (const std::uint64_t count = stream->stats().without_time; count > 0)
      without_time[stream->info().machine_name] += count;
  }
  for (const auto& [machine, count] : without_time) {
    notices.incomplete = true;
    notices.lines.insert(
        fmt::format("{}: {} events are left out: no clock relation holds at their time", machine, count));
  }
}

/// One walk over the run, into new row files.
class ModelPass {
 public:
  /// `lost` tells where the host is known to have lost events, as far as that is known before the walk.
  ModelPass(ModelRows& rows, merge::RunEvents& events, const model::LostRanges& lost)
      : rows_(rows),
        events_(events),
        lost_(lost),
        host_(model::host_machine(rows.run_)),
        last_ns_(rows.clock_.to_ns(last_tsc_).value),
        owners_(rows.run_, events.formats(host_)) {}

  Status walk() {
    IVT_RETURN_IF_ERROR(prepare());
    merge::MergedEvent event;
    std::uint64_t count = 0;
    while (events_.next(event)) {
      if (++count % kAskEvery == 0 && stopped(rows_.stop_)) return interrupted_error();
      look(event);
    }
    return {};
  }
  /// Where the host lost events, when something was made that would have to know it before.
  model::LostRanges losses_of_host() const { return states_ || io_ ? found_ : model::LostRanges(); }

  /// Behind the walk: gives the rows away.
  Status finish() {
    if (states_) {
      states_->finish();
      IVT_RETURN_IF_ERROR(vcpu_slices_->seal());
      rows_.lanes_ = states_->lanes();
      rows_.exit_reasons_ = std::move(exit_reasons_);
      keep(RowKind::kVcpuSlice, vcpu_slices_, rows_.vcpu_slices_);
    }
    if (sched_) {
      sched_->finish();
      IVT_RETURN_IF_ERROR(sched_slices_->seal());
      keep(RowKind::kSchedSlice, sched_slices_, rows_.sched_slices_);
    }
    if (io_) {
      for (const std::string& problem : io_->disks().problems()) rows_.notices_.lines.insert(problem);
      IVT_RETURN_IF_ERROR(io_requests_->seal());
      IVT_RETURN_IF_ERROR(io_phases_->seal());
      keep(RowKind::kIoRequest, io_requests_, rows_.io_requests_);
      keep(RowKind::kIoPhase, io_phases_, rows_.io_phases_);
    }
    if (losses_) {
      IVT_RETURN_IF_ERROR(losses_->seal());
      rows_.reasons_ = std::move(reasons_);
      keep(RowKind::kLoss, losses_, rows_.losses_);
    }
    return {};
  }

 private:
  bool makes(RowKind kind) const {
    const auto i = static_cast<std::size_t>(kind);
    return rows_.wanted_[i] && !rows_.made_[i];
  }

  Status prepare() {
    if (makes(RowKind::kVcpuSlice)) {
      IVT_ASSIGN_OR_RETURN(vcpu_slices_, Rows<VcpuSliceRow>::create());
      states_.emplace(rows_.run_, events_, [this](const model::VcpuSlice& slice) { add(slice); });
    }
    if (makes(RowKind::kSchedSlice)) {
      IVT_ASSIGN_OR_RETURN(sched_slices_, Rows<SchedSliceRow>::create());
      sched_.emplace(rows_.run_, events_, [this](const SchedSlice& slice) { add(slice); });
    }
    if (makes(RowKind::kIoRequest) || makes(RowKind::kIoPhase)) {
      // Both or none: a phase's request is known by its place among the requests of the same pass.
      IVT_ASSIGN_OR_RETURN(io_requests_, Rows<IoRequestRow>::create());
      IVT_ASSIGN_OR_RETURN(io_phases_, Rows<IoPhaseRow>::create());
      io_.emplace(rows_.run_, events_, lost_, [this](const model::IoRequest& request) { add(request); });
    }
    if (makes(RowKind::kLoss)) {
      IVT_ASSIGN_OR_RETURN(losses_, Rows<LossRow>::create());
    }
    say_what_is_not_recorded();
    return {};
  }
  /// Else an empty table looks like a quiet guest.
  void say_what_is_not_recorded() const {
    if (states_ && !states_->recorded()) {
      rows_.notices_.lines.insert(
          "vcpu_slice is empty: no guest was known, or the host's scheduler was not recorded");
    }
    if (sched_ && !sched_->recorded())
      rows_.notices_.lines.insert("sched_slice is empty: no switch was recorded");
    if (io_ && !io_->recorded()) {
      rows_.notices_.lines.insert(
          "io_request and io_phase are empty: the run does not have block requests of both a guest and the "
          "host");
    }
  }

  void look(const merge::MergedEvent& event) {
    if (event.loss != nullptr) {
      rows_.notices_.incomplete = true;
      if (losses_) add(*event.loss, event.stream->machine);
      if (event.stream->machine == host_) note_loss(*event.loss);
    } else if (states_ && event.stream->machine == host_) {
      owners_.look(event.id, event.record);
    }
    if (states_) states_->look(event);
    if (sched_) sched_->look(event);
    if (io_) io_->look(event);
  }

  template <class T>
  void keep(RowKind kind, std::optional<T>& made, std::optional<T>& place) {
    place = std::move(made);
    rows_.made_[static_cast<std::size_t>(kind)] = true;
  }

  /// A stretch mostly begins where another has just ended.
  std::int64_t ns(HostTsc tsc) {
    if (tsc != last_tsc_) {
      last_tsc_ = tsc;
      last_ns_ = rows_.clock_.to_ns(tsc).value;
    }
    return last_ns_;
  }

  void note_loss(const merge::LossMarker& loss) {
    if (model::has_place(loss, rows_.run_)) found_.add(loss);
  }

  void add(const model::VcpuSlice& slice) {
    lost_.spare(slice.from, slice.until, [&](HostTsc from, HostTsc until) { add(slice, from, until); });
  }
  void add(const model::VcpuSlice& slice, HostTsc from, HostTsc until) {
    VcpuSliceRow row;
    row.from_ns = ns(from);
    row.until_ns = ns(until);
    row.lane = static_cast<std::uint32_t>(slice.lane);
    row.reason = slice.reason;
    row.state = slice.state;
    row.open = slice.open && until == slice.until;
    row.by = slice.by;
    if (slice.state == model::VcpuState::kPreempted && slice.by.tid > 0)
      row.by_machine = static_cast<std::int32_t>(owners_.owner(slice.by).value_or(host_));
    // A name is learned with the first exit that has it, so it is known when its slice ends.
    if (states_->lanes()[slice.lane].exits && !exit_reasons_.contains(slice.reason)) {
      const std::string& name = states_->exit_names().name(slice.reason);
      if (!name.empty()) exit_reasons_.emplace(slice.reason, name);
    }
    vcpu_slices_->append(row);
  }

  void add(const SchedSlice& slice) {
    SchedSliceRow row;
    row.from_ns = ns(slice.from);
    row.until_ns = ns(slice.until);
    row.machine = static_cast<std::uint32_t>(slice.machine);
    row.cpu = slice.cpu.value;
    row.task = slice.task;
    row.end = slice.end;
    sched_slices_->append(row);
  }

  void add(const model::IoRequest& request) {
    IoRequestRow row;
    row.from_ns = ns(request.begin());
    row.until_ns = ns(request.end());
    row.sector = request.guest.range.first;
    row.bytes = request.guest.range.count * model::kSectorBytes;
    row.machine = static_cast<std::uint32_t>(request.machine);
    row.disk = request.disk ? static_cast<std::int32_t>(*request.disk) : -1;
    row.device = request.guest.range.device;
    row.task = request.guest.task;
    row.direction = request.guest.direction;
    row.tie = request.tie;
    if (request.host_requests > 0) {
      row.host_bytes = request.host_bytes;
      row.host_device = request.host_device;
      row.host_requests = request.host_requests;
      row.host_thread = request.host_thread;
    }
    io_requests_->append(row);
    for (const model::IoPhase& phase : request.phases()) {
      IoPhaseRow part;
      part.from_ns = ns(phase.from);
      part.until_ns = ns(phase.until);
      part.request = io_requests_->file().size();
      part.kind = phase.kind;
      io_phases_->append(part);
    }
  }

  void add(const merge::LossMarker& loss, std::size_t machine) {
    LossRow row;
    row.from_ns = ns(loss.from);
    row.has_until = loss.until.has_value();
    row.until_ns = loss.until ? ns(*loss.until) : std::numeric_limits<std::int64_t>::max();
    row.machine = static_cast<std::uint32_t>(machine);
    row.has_cpu = loss.cpu.has_value();
    row.cpu = loss.cpu.value_or(CpuId(0)).value;
    row.has_events = loss.events.has_value();
    row.events = loss.events.value_or(0);
    row.has_bytes = loss.bytes.has_value();
    row.bytes = loss.bytes.value_or(0);
    row.reason = place_in(reasons_, loss.reason);
    losses_->append(row);
  }

  ModelRows& rows_;
  merge::RunEvents& events_;
  const model::LostRanges& lost_;
  model::LostRanges found_;
  std::size_t host_;
  HostTsc last_tsc_;
  std::int64_t last_ns_ = 0;
  model::ThreadOwners owners_;
  std::optional<model::VcpuStates> states_;
  std::optional<SchedSlices> sched_;
  std::optional<model::IoPath> io_;
  std::optional<Rows<VcpuSliceRow>> vcpu_slices_;
  std::optional<Rows<SchedSliceRow>> sched_slices_;
  std::optional<Rows<IoRequestRow>> io_requests_;
  std::optional<Rows<IoPhaseRow>> io_phases_;
  std::optional<Rows<LossRow>> losses_;
  std::map<std::uint32_t, std::string> exit_reasons_;
  std::vector<std::string> reasons_;
};

Status ModelRows::make(RowKind kind) {
  if (made_[static_cast<std::size_t>(kind)]) return {};
  want(kind);
  // A hole is told at its end, when what lies within it has been looked at already: where the host lost
  // events, what depends on them is made a second time, with what was lost. Most hosts lose nothing.
  model::LostRanges lost;
  for (bool again = false;; again = true) {
    IVT_ASSIGN_OR_RETURN(merge::RunEvents events, merge::RunEvents::open(run_, {}));
    ModelPass pass(*this, events, lost);
    IVT_RETURN_IF_ERROR(pass.walk());
    model::LostRanges found = pass.losses_of_host();
    if (again || found.empty()) {
      add_notices(events, notices_);
      return pass.finish();
    }
    lost = std::move(found);
    lost.join();
  }
}

const std::string& ModelRows::exit_reason(std::uint32_t number) const {
  static const std::string kNone;
  const auto found = exit_reasons_.find(number);
  return found == exit_reasons_.end() ? kNone : found->second;
}

}  // namespace ivtrace::query
