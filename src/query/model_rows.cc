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

/// Whom an event concerns.
enum class Subject : std::uint8_t { kNone, kScheduler, kKvm, kInterrupt, kCall, kTask, kBlock };

/// By event id.
std::vector<Subject> subjects_of(const decode::FormatTable* formats) {
  static const std::map<std::string_view, Subject> kSystems = {
      {"sched", Subject::kScheduler}, {"kvm", Subject::kKvm},           {"irq", Subject::kInterrupt},
      {"syscalls", Subject::kCall},   {"raw_syscalls", Subject::kCall}, {"task", Subject::kTask},
      {"block", Subject::kBlock}};
  std::vector<Subject> subjects;
  if (formats == nullptr) return subjects;
  for (const decode::EventFormat* format : formats->all()) {
    const auto found = kSystems.find(format->system);
    if (found == kSystems.end()) continue;
    if (subjects.size() <= format->id) subjects.resize(format->id + 1u, Subject::kNone);
    subjects[format->id] = found->second;
  }
  return subjects;
}

}  // namespace

RowKind set_of(RowKind kind) {
  switch (kind) {
    case RowKind::kIoPhase:
    case RowKind::kIoSlow:
    case RowKind::kIoSlowLoad:
      return RowKind::kIoRequest;
    default:
      return kind;
  }
}

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
        clock_(rows.clock_),
        owners_(rows.run_, events.formats(host_)) {
    for (std::size_t i = 0; i < rows.run_.machines().size(); ++i) {
      subjects_.push_back(subjects_of(events.formats(i)));
      sched_events_.emplace_back(events.formats(i));
    }
  }

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
  model::LostRanges losses_of_host() const { return states_ || qemu_ || io_ ? found_ : model::LostRanges(); }

  /// Behind finish(): what is to be said beside the rows of a set that was made, and beside any.
  Notices notices(RowKind set) const {
    Notices all{said_[static_cast<std::size_t>(set)], lossy_};
    add_notices(events_, all);
    return all;
  }

  /// Behind the walk: gives the rows away.
  Status finish() {
    if (states_) {
      states_->finish(end_);
      IVT_RETURN_IF_ERROR(vcpu_slices_->seal());
      rows_.words_.lanes = states_->lanes();
      rows_.words_.exit_reasons = std::move(exit_reasons_);
      keep(RowKind::kVcpuSlice, vcpu_slices_, rows_.vcpu_slices_);
    }
    if (qemu_) {
      qemu_->finish(end_);
      IVT_RETURN_IF_ERROR(qemu_slices_->seal());
      keep(RowKind::kQemuSlice, qemu_slices_, rows_.qemu_slices_);
    }
    if (sched_) {
      sched_->finish(end_);
      IVT_RETURN_IF_ERROR(sched_slices_->seal());
      keep(RowKind::kSchedSlice, sched_slices_, rows_.sched_slices_);
    }
    if (irqs_) {
      IVT_RETURN_IF_ERROR(irq_slices_->seal());
      rows_.words_.irq_names = irqs_->names();
      keep(RowKind::kIrqSlice, irq_slices_, rows_.irq_slices_);
    }
    if (calls_) {
      IVT_RETURN_IF_ERROR(qemu_calls_->seal());
      keep(RowKind::kQemuCall, qemu_calls_, rows_.qemu_calls_);
    }
    if (io_) {
      io_->finish();
      for (const std::string& problem : io_->disks().problems()) {
        if (io_requests_) say(RowKind::kIoRequest, problem);
        if (block_requests_) say(RowKind::kBlockRequest, problem);
      }
    }
    if (io_requests_) {
      IVT_RETURN_IF_ERROR(io_requests_->seal());
      IVT_RETURN_IF_ERROR(io_phases_->seal());
      keep(RowKind::kIoRequest, io_requests_, rows_.io_requests_);
      keep(RowKind::kIoPhase, io_phases_, rows_.io_phases_);
      IVT_RETURN_IF_ERROR(finish_slow());
    }
    if (block_requests_) {
      IVT_RETURN_IF_ERROR(block_requests_->seal());
      keep(RowKind::kBlockRequest, block_requests_, rows_.block_requests_);
    }
    if (losses_) {
      IVT_RETURN_IF_ERROR(losses_->seal());
      rows_.words_.reasons = std::move(reasons_);
      keep(RowKind::kLoss, losses_, rows_.losses_);
    }
    return {};
  }

 private:
  bool makes(RowKind kind) const { return rows_.is_wanted(kind); }
  void say(RowKind set, std::string line) { said_[static_cast<std::size_t>(set)].insert(std::move(line)); }

  Status prepare() {
    if (makes(RowKind::kVcpuSlice)) {
      IVT_ASSIGN_OR_RETURN(vcpu_slices_, Rows<VcpuSliceRow>::create());
      states_.emplace(rows_.run_, events_, [this](const model::VcpuSlice& slice) { add(slice); });
    }
    if (makes(RowKind::kQemuSlice)) {
      IVT_ASSIGN_OR_RETURN(qemu_slices_, Rows<QemuSliceRow>::create());
      qemu_.emplace(rows_.run_, events_, owners_, [this](const model::QemuSlice& slice) { add(slice); });
    }
    if (makes(RowKind::kSchedSlice)) {
      IVT_ASSIGN_OR_RETURN(sched_slices_, Rows<SchedSliceRow>::create());
      sched_.emplace(rows_.run_, [this](const SchedSlice& slice) { add(slice); });
    }
    if (makes(RowKind::kIrqSlice)) {
      IVT_ASSIGN_OR_RETURN(irq_slices_, Rows<IrqSliceRow>::create());
      irqs_.emplace(rows_.run_, events_, [this](const model::IrqSlice& slice) { add(slice); });
    }
    if (makes(RowKind::kQemuCall)) {
      IVT_ASSIGN_OR_RETURN(qemu_calls_, Rows<QemuCallRow>::create());
      calls_.emplace(rows_.run_, events_, owners_, [this](const model::QemuCall& call) { add(call); });
    }
    if (makes(RowKind::kIoRequest) || makes(RowKind::kIoPhase) || makes(RowKind::kIoSlow) ||
        makes(RowKind::kIoSlowLoad)) {
      // All or none: a request is known to the others by its place among the requests of the same pass.
      IVT_ASSIGN_OR_RETURN(io_requests_, Rows<IoRequestRow>::create());
      IVT_ASSIGN_OR_RETURN(io_phases_, Rows<IoPhaseRow>::create());
      slow_.emplace(rows_.run_.manifest().start_tsc, ticks_per_second());
    }
    if (makes(RowKind::kBlockRequest)) {
      IVT_ASSIGN_OR_RETURN(block_requests_, Rows<BlockRequestRow>::create());
    }
    if (io_requests_ || block_requests_) follow_requests();
    if (makes(RowKind::kLoss)) {
      IVT_ASSIGN_OR_RETURN(losses_, Rows<LossRow>::create());
    }
    say_what_is_not_recorded();
    return {};
  }
  void follow_requests() {
    model::IoPath::HostSink host_sink;
    if (block_requests_) {
      host_sink = [this](const model::HostRequest& host, const model::IoRequest* serves) {
        add(host, serves != nullptr ? requests_ : 0);
      };
    }
    const auto sink = [this](const model::IoRequest& request) {
      ++requests_;
      if (io_requests_) add(request);
      if (block_requests_) add_block(request.guest, request.machine, requests_);
    };
    io_.emplace(rows_.run_, events_, lost_, sink, std::move(host_sink));
  }
  /// Else an empty table looks like a quiet guest.
  void say_what_is_not_recorded() {
    if (states_ && !states_->recorded()) {
      say(RowKind::kVcpuSlice,
          "vcpu_slice is empty: no guest was known, or the host's scheduler was not recorded");
    }
    if (qemu_ && !qemu_->recorded()) {
      say(RowKind::kQemuSlice,
          "qemu_slice is empty: no guest was known, or the host's scheduler was not recorded");
    }
    if (sched_ && !std::ranges::any_of(sched_events_, &model::SchedEvents::has_switches))
      say(RowKind::kSchedSlice, "sched_slice is empty: no switch was recorded");
    if (irqs_ && !irqs_->recorded()) say(RowKind::kIrqSlice, "irq_slice is empty: no interrupt was recorded");
    if (calls_ && !calls_->recorded())
      say(RowKind::kQemuCall, "qemu_call is empty: no I/O system call of QEMU's was recorded");
    if (block_requests_ && !io_->recorded_anywhere())
      say(RowKind::kBlockRequest, "block_request is empty: no block request was recorded");
    if (io_requests_ && !io_->recorded()) {
      say(RowKind::kIoRequest,
          "io_request and io_phase are empty: the run does not have block requests of both a guest and the "
          "host");
    }
  }

  void look(const merge::MergedEvent& event) {
    end_ = event.time;
    if (event.loss != nullptr) return lose(event);
    const std::vector<Subject>& subjects = subjects_[event.stream->machine];
    const bool host = event.stream->machine == host_;
    switch (event.id < subjects.size() ? subjects[event.id] : Subject::kNone) {
      case Subject::kScheduler:
        return look_at_scheduler(event, host);
      case Subject::kKvm:
        if (states_) states_->look(event);
        return;
      case Subject::kInterrupt:
        if (irqs_) irqs_->look(event);
        if (io_) io_->look(event);
        return;
      case Subject::kCall:
        if (calls_) calls_->look(event);
        if (io_) io_->look(event);
        return;
      case Subject::kTask:
        if (host) owners_.look(event.id, event.record);
        if (io_) io_->look(event);
        return;
      case Subject::kBlock:
        if (io_) io_->look(event);
        return;
      case Subject::kNone:
        return;
    }
  }
  void look_at_scheduler(const merge::MergedEvent& event, bool host) {
    if (!sched_ && !states_ && !qemu_) return;
    const auto seen = sched_events_[event.stream->machine].look(event.id, event.record, event.stream->cpu);
    if (sched_) sched_->look(event, seen);
    if (states_) states_->look(event, seen);
    if (qemu_ && host) qemu_->look(event, seen);
  }
  void lose(const merge::MergedEvent& event) {
    lossy_ = true;
    if (losses_) add(*event.loss, event.stream->machine);
    if (event.stream->machine == host_) note_loss(*event.loss);
    if (states_) states_->look(event);
    if (qemu_) qemu_->look(event);
    if (sched_) sched_->lose(event);
    if (irqs_) irqs_->look(event);
    if (calls_) calls_->look(event);
    if (io_) io_->look(event);
  }

  template <class T>
  void keep(RowKind kind, std::optional<T>& made, std::optional<T>& place) {
    place = std::move(made);
    rows_.made_[static_cast<std::size_t>(kind)] = true;
  }

  std::int64_t ns(HostTsc tsc) { return clock_.to_ns(tsc).value; }

  void note_loss(const merge::LossMarker& loss) {
    if (model::has_place(loss, rows_.run_)) found_.add(loss);
  }

  /// For whom the host's thread works; -1: it is not known, or idle.
  std::int32_t machine_of(const model::Task& thread) const {
    return thread.tid > 0 ? static_cast<std::int32_t>(owners_.owner(thread).value_or(host_)) : -1;
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
    row.by_machine = machine_of(slice.by);
    // A name is learned with the first exit that has it, so it is known when its slice ends.
    if (states_->lanes()[slice.lane].exits && !exit_reasons_.contains(slice.reason)) {
      const std::string& name = states_->exit_names().name(slice.reason);
      if (!name.empty()) exit_reasons_.emplace(slice.reason, name);
    }
    vcpu_slices_->append(row);
  }

  void add(const model::QemuSlice& slice) {
    lost_.spare(slice.from, slice.until, [&](HostTsc from, HostTsc until) {
      QemuSliceRow row;
      row.from_ns = ns(from);
      row.until_ns = ns(until);
      row.machine = static_cast<std::uint32_t>(slice.machine);
      row.thread = slice.thread;
      row.state = slice.state;
      row.by = slice.by;
      row.by_machine = machine_of(slice.by);
      row.open = slice.open && until == slice.until;
      qemu_slices_->append(row);
    });
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

  void add(const model::IrqSlice& slice) {
    IrqSliceRow row;
    row.from_ns = ns(slice.from);
    row.until_ns = ns(slice.until);
    row.machine = static_cast<std::uint32_t>(slice.machine);
    row.cpu = slice.cpu.value;
    row.number = slice.number;
    row.name = slice.name;
    row.soft = slice.soft;
    irq_slices_->append(row);
  }

  void add(const model::QemuCall& call) {
    QemuCallRow row;
    row.from_ns = ns(call.from);
    row.until_ns = ns(call.until);
    row.result = call.result;
    row.machine = static_cast<std::uint32_t>(call.machine);
    row.thread = call.thread.value;
    row.call = call.call;
    qemu_calls_->append(row);
  }

  /// `serves`: io_request.id, 0: none.
  void add(const model::HostRequest& host, std::uint64_t serves) {
    model::Task task;
    host.owner.task.copy(task.comm.data(), task.comm.size());
    add_block(host.request, host_, serves, host.owner.machine, task);
  }
  void add_block(const model::BlockRequest& request, std::size_t machine, std::uint64_t io_request,
                 std::int32_t owner = -1, const model::Task& owner_task = {}) {
    BlockRequestRow row;
    row.from_ns = ns(request.queued.value_or(request.issued));
    row.issued_ns = ns(request.issued);
    row.until_ns = ns(*request.completed);
    row.sector = request.range.first;
    row.bytes = request.range.count * model::kSectorBytes;
    row.request = io_request;
    row.machine = static_cast<std::uint32_t>(machine);
    row.device = request.range.device;
    row.task = request.task;
    row.owner = owner;
    row.owner_task = owner_task;
    row.direction = request.direction;
    block_requests_->append(row);
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
    slow_->take(request, io_requests_->file().size());
  }

  double ticks_per_second() const {
    constexpr std::int64_t kSecond = 1'000'000'000;
    const std::uint64_t start = rows_.run_.manifest().start_tsc.value;
    return static_cast<double>(rows_.clock_.to_tsc(Nanoseconds(kSecond)).value - start);
  }
  Status finish_slow() {
    IVT_ASSIGN_OR_RETURN(Rows<IoSlowRow> slows, Rows<IoSlowRow>::create());
    IVT_ASSIGN_OR_RETURN(Rows<IoSlowLoadRow> loads, Rows<IoSlowLoadRow>::create());
    const double ns_per_tick = 1e9 / ticks_per_second();
    for (const model::SlowIo& slow : slow_->find()) {
      IoSlowRow row;
      row.from_ns = ns(slow.from);
      row.until_ns = ns(slow.until);
      row.requests = slow.requests;
      row.bytes = slow.bytes;
      row.slowest = slow.slowest;
      row.total_ns = slow.total * ns_per_tick;
      row.expected_ns = slow.expected * ns_per_tick;
      for (std::size_t i = 0; i < row.added_ns.size(); ++i) row.added_ns[i] = slow.added[i] * ns_per_tick;
      row.stay_ns = slow.stay * ns_per_tick;
      row.served = static_cast<double>(slow.work.requests);
      row.served_bytes = static_cast<double>(slow.work.bytes);
      row.device_cost = slow.device_cost;
      row.machine = static_cast<std::uint32_t>(slow.machine);
      row.disk = slow.disk ? static_cast<std::int32_t>(*slow.disk) : -1;
      row.device = slow.device;
      row.host_device = slow.host_device;
      row.direction = slow.direction;
      row.baseline = slow.baseline;
      slows.append(row);
      add_loads(slow, slows.file().size(), row, ns_per_tick, loads);
    }
    IVT_RETURN_IF_ERROR(slows.seal());
    IVT_RETURN_IF_ERROR(loads.seal());
    rows_.io_slows_ = std::move(slows);
    rows_.io_slow_loads_ = std::move(loads);
    rows_.made_[static_cast<std::size_t>(RowKind::kIoSlow)] = true;
    rows_.made_[static_cast<std::size_t>(RowKind::kIoSlowLoad)] = true;
    return {};
  }
  static void add_loads(const model::SlowIo& slow, std::uint64_t number, const Span& span, double ns_per_tick,
                        Rows<IoSlowLoadRow>& loads) {
    model::LoadIntegral all;
    model::LoadIntegral others;
    const auto is_own = [&](const model::IoOwner& owner) {
      return static_cast<std::size_t>(owner.machine) == slow.machine;
    };
    for (const auto& [owner, load] : slow.work.owners) {
      all += load;
      if (!is_own(owner)) others += load;
    }
    const auto share = [](double part, double whole) { return whole > 0 ? part / whole : 0; };
    for (const auto& [owner, load] : slow.work.owners) {
      IoSlowLoadRow row;
      static_cast<Span&>(row) = span;
      row.slow = number;
      row.byte_ns = load.byte_ticks * ns_per_tick;
      row.request_ns = load.request_ticks * ns_per_tick;
      row.bytes_share = share(load.byte_ticks, all.byte_ticks);
      row.requests_share = share(load.request_ticks, all.request_ticks);
      row.others_share = is_own(owner) ? -1
                                       : (share(load.byte_ticks, others.byte_ticks) +
                                          share(load.request_ticks, others.request_ticks)) /
                                             2;
      row.machine = static_cast<std::uint32_t>(owner.machine);
      owner.task.copy(row.task.comm.data(), row.task.comm.size());
      row.direction = owner.direction;
      loads.append(row);
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
  std::uint64_t requests_ = 0;  ///< of guests that have completed; the last one's io_request.id
  std::optional<Rows<VcpuSliceRow>> vcpu_slices_;
  std::optional<Rows<QemuSliceRow>> qemu_slices_;
  std::optional<Rows<SchedSliceRow>> sched_slices_;
  std::optional<Rows<IrqSliceRow>> irq_slices_;
  std::optional<Rows<BlockRequestRow>> block_requests_;
  std::optional<Rows<QemuCallRow>> qemu_calls_;
  std::optional<Rows<IoRequestRow>> io_requests_;
  std::optional<Rows<IoPhaseRow>> io_phases_;
  std::optional<Rows<LossRow>> losses_;
  std::map<std::uint32_t, std::string> exit_reasons_;
  std::vector<std::string> reasons_;
  std::array<std::set<std::string>, kRowKinds> said_;  ///< by set
  bool lossy_ = false;
};

Status ModelRows::make(RowKind kind) {
  if (made_[static_cast<std::size_t>(kind)]) return {};
  want(kind);
  find_kept();
  return is_wanted(kind) ? walk() : Status();
}

Status ModelRows::walk() {
  // A hole is told at its end, when what lies within it has been looked at already: where the host lost
  // events, what depends on them is made a second time, with what was lost. Most hosts lose nothing.
  model::LostRanges lost;
  const std::array<bool, kRowKinds> made_before = made_;
  for (bool again = false;; again = true) {
    ++walks_;
    IVT_ASSIGN_OR_RETURN(merge::RunEvents events, merge::RunEvents::open(run_, {}));
    ModelPass pass(*this, events, lost);
    IVT_RETURN_IF_ERROR(pass.walk());
    model::LostRanges found = pass.losses_of_host();
    if (again || found.empty()) {
      IVT_RETURN_IF_ERROR(pass.finish());
      for (std::size_t i = 0; i < kRowKinds; ++i) {
        const auto kind = static_cast<RowKind>(i);
        if (!made_[i] || made_before[i] || set_of(kind) != kind) continue;
        const Notices notices = pass.notices(kind);
        say(notices);
        keep(kind, notices);
      }
      return {};
    }
    lost = std::move(found);
    lost.join();
  }
}

void ModelRows::say(const Notices& notices) {
  notices_.lines.insert(notices.lines.begin(), notices.lines.end());
  notices_.incomplete = notices_.incomplete || notices.incomplete;
}

const std::string& ModelRows::exit_reason(std::uint32_t number) const {
  static const std::string kNone;
  const auto found = words_.exit_reasons.find(number);
  return found == words_.exit_reasons.end() ? kNone : found->second;
}

}  // namespace ivtrace::query
