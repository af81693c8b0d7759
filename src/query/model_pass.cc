#include "query/model_pass.h"

#include <algorithm>
#include <limits>

#include "model/vcpu_events.h"
#include "model/walk.h"
#include "query/slow_io_rows.h"

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

ModelPass::ModelPass(ModelRows& rows, merge::RunEvents& events, const model::LostRanges& lost)
    : rows_(rows),
      events_(events),
      lost_(lost),
      watch_(rows.watch()),
      host_(model::host_machine(rows.run_)),
      clock_(rows.clock_),
      owners_(rows.run_, events.formats(host_)) {
  for (std::size_t i = 0; i < rows.run_.machines().size(); ++i) {
    subjects_.push_back(subjects_of(events.formats(i)));
    sched_events_.emplace_back(events.formats(i));
  }
}

/// By event id.
std::vector<ModelPass::Subject> ModelPass::subjects_of(const decode::FormatTable* formats) {
  static const std::map<std::string_view, Subject> kSystems = {
      {"sched", Subject::kScheduler}, {"kvm", Subject::kKvm},           {"irq", Subject::kInterrupt},
      {"syscalls", Subject::kCall},   {"raw_syscalls", Subject::kCall}, {"task", Subject::kTask},
      {"block", Subject::kRequest},   {"mark", Subject::kMark},         {"usdt", Subject::kMark},
      {"uprobe", Subject::kRequest}};
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

Status ModelPass::walk() {
  IVT_RETURN_IF_ERROR(prepare());
  merge::MergedEvent event;
  std::uint64_t count = 0;
  while (events_.next(event)) {
    if (++count % kAskEvery == 0) {
      if (stopped(rows_.stop_)) return interrupted_error();
      watch_.walked_to(ns(event.time));
    }
    look(event);
  }
  return {};
}

Status ModelPass::finish() {
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
    watch_.pauses();  // what follows tells nobody anything, and takes a while
    IVT_RETURN_IF_ERROR(finish_slow());
  }
  if (block_requests_) {
    IVT_RETURN_IF_ERROR(block_requests_->seal());
    keep(RowKind::kBlockRequest, block_requests_, rows_.block_requests_);
  }
  if (programs_) {
    IVT_RETURN_IF_ERROR(finish_marks());
  }
  if (losses_) {
    IVT_RETURN_IF_ERROR(losses_->seal());
    rows_.words_.reasons = std::move(reasons_);
    keep(RowKind::kLoss, losses_, rows_.losses_);
  }
  return {};
}

Status ModelPass::prepare() {
  if (begins(RowKind::kVcpuSlice)) {
    IVT_ASSIGN_OR_RETURN(vcpu_slices_, Rows<VcpuSliceRow>::create());
    states_.emplace(rows_.run_, events_, [this](const model::VcpuSlice& slice) { add(slice); });
  }
  if (begins(RowKind::kQemuSlice)) {
    IVT_ASSIGN_OR_RETURN(qemu_slices_, Rows<QemuSliceRow>::create());
    qemu_.emplace(rows_.run_, events_, owners_, [this](const model::QemuSlice& slice) { add(slice); });
  }
  if (begins(RowKind::kSchedSlice)) {
    IVT_ASSIGN_OR_RETURN(sched_slices_, Rows<SchedSliceRow>::create());
    sched_.emplace(rows_.run_, [this](const SchedSlice& slice) { add(slice); });
  }
  if (begins(RowKind::kIrqSlice)) {
    IVT_ASSIGN_OR_RETURN(irq_slices_, Rows<IrqSliceRow>::create());
    irqs_.emplace(rows_.run_, events_, [this](const model::IrqSlice& slice) { add(slice); });
  }
  if (begins(RowKind::kQemuCall)) {
    IVT_ASSIGN_OR_RETURN(qemu_calls_, Rows<QemuCallRow>::create());
    calls_.emplace(rows_.run_, events_, owners_, [this](const model::QemuCall& call) { add(call); });
  }
  if (makes_io()) {
    // All or none: a request is known to the others by its place among the requests of the same pass.
    IVT_ASSIGN_OR_RETURN(io_requests_, Rows<IoRequestRow>::create());
    IVT_ASSIGN_OR_RETURN(io_phases_, Rows<IoPhaseRow>::create());
    slow_.emplace(rows_.run_.manifest().start_tsc, ticks_per_second());
    watch_.begins(RowKind::kIoRequest);
  }
  if (begins(RowKind::kBlockRequest)) {
    IVT_ASSIGN_OR_RETURN(block_requests_, Rows<BlockRequestRow>::create());
  }
  if (io_requests_ || block_requests_) follow_requests();
  if (makes_marks()) {
    IVT_RETURN_IF_ERROR(prepare_marks());
  }
  if (begins(RowKind::kLoss)) {
    IVT_ASSIGN_OR_RETURN(losses_, Rows<LossRow>::create());
  }
  say_what_is_not_recorded();
  return {};
}

/// All or none: they are named by one list.
Status ModelPass::prepare_marks() {
  IVT_ASSIGN_OR_RETURN(mark_slices_, Rows<MarkSliceRow>::create());
  IVT_ASSIGN_OR_RETURN(mark_instants_, Rows<MarkInstantRow>::create());
  IVT_ASSIGN_OR_RETURN(mark_counters_, Rows<MarkCounterRow>::create());
  programs_.emplace(rows_.run_, events_,
                    model::MarkSinks{[this](const model::MarkSlice& slice) { add(slice); },
                                     [this](const model::MarkInstant& mark) { add(mark); },
                                     [this](const model::MarkCounter& counter) { add(counter); }});
  watch_.begins(RowKind::kMarkSlice);
  return {};
}

Status ModelPass::finish_marks() {
  programs_->finish(end_);
  for (std::string& problem : programs_->problems()) say(RowKind::kMarkSlice, std::move(problem));
  IVT_RETURN_IF_ERROR(mark_slices_->seal());
  IVT_RETURN_IF_ERROR(mark_instants_->seal());
  IVT_RETURN_IF_ERROR(mark_counters_->seal());
  rows_.words_.mark_names = programs_->names();
  keep(RowKind::kMarkSlice, mark_slices_, rows_.mark_slices_);
  keep(RowKind::kMarkInstant, mark_instants_, rows_.mark_instants_);
  keep(RowKind::kMarkCounter, mark_counters_, rows_.mark_counters_);
  return {};
}

void ModelPass::follow_requests() {
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

void ModelPass::say_what_is_not_recorded() {
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

void ModelPass::look(const merge::MergedEvent& event) {
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
      if (programs_) programs_->look(event);
      return;
    case Subject::kRequest:
      if (io_) io_->look(event);
      return;
    case Subject::kMark:
      if (programs_) programs_->look(event);
      return;
    case Subject::kNone:
      return;
  }
}

void ModelPass::look_at_scheduler(const merge::MergedEvent& event, bool host) {
  if (!sched_ && !states_ && !qemu_) return;
  const auto seen = sched_events_[event.stream->machine].look(event.id, event.record, event.stream->cpu);
  if (sched_) sched_->look(event, seen);
  if (states_) states_->look(event, seen);
  if (qemu_ && host) qemu_->look(event, seen);
}

void ModelPass::lose(const merge::MergedEvent& event) {
  lossy_ = true;
  if (losses_) add(*event.loss, event.stream->machine);
  if (event.stream->machine == host_ && model::has_place(*event.loss, rows_.run_)) found_.add(*event.loss);
  if (states_) states_->look(event);
  if (qemu_) qemu_->look(event);
  if (sched_) sched_->lose(event);
  if (irqs_) irqs_->look(event);
  if (calls_) calls_->look(event);
  if (io_) io_->look(event);
  if (programs_) programs_->look(event);
}

void ModelPass::add(const model::VcpuSlice& slice, HostTsc from, HostTsc until) {
  VcpuSliceRow row;
  row.from_ns = ns(from);
  row.until_ns = ns(until);
  row.lane = static_cast<std::uint32_t>(slice.lane);
  row.reason = slice.reason;
  row.state = slice.state;
  row.open = slice.open && until == slice.until;
  row.by = slice.by;
  row.by_machine = machine_of(slice.by);
  vcpu_slices_->append(row);
  watch_.take(row, states_->lanes()[slice.lane],
              states_->lanes()[slice.lane].exits ? name_of_exit(slice.reason) : std::string_view());
}

/// A name is learned with the first exit that has it, so it is known when its slice ends.
std::string_view ModelPass::name_of_exit(std::uint32_t reason) {
  const auto known = exit_reasons_.find(reason);
  if (known != exit_reasons_.end()) return known->second;
  const std::string& name = states_->exit_names().name(reason);
  if (!name.empty()) exit_reasons_.emplace(reason, name);
  return name;
}

void ModelPass::add(const model::QemuSlice& slice) {
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
    watch_.take(row);
  });
}

void ModelPass::add(const SchedSlice& slice) {
  SchedSliceRow row;
  row.from_ns = ns(slice.from);
  row.until_ns = ns(slice.until);
  row.machine = static_cast<std::uint32_t>(slice.machine);
  row.cpu = slice.cpu.value;
  row.task = slice.task;
  row.owner = slice.machine == host_ ? machine_of(slice.task) : -1;
  row.end = slice.end;
  sched_slices_->append(row);
  watch_.take(row);
}

void ModelPass::add(const model::IrqSlice& slice) {
  IrqSliceRow row;
  row.from_ns = ns(slice.from);
  row.until_ns = ns(slice.until);
  row.machine = static_cast<std::uint32_t>(slice.machine);
  row.cpu = slice.cpu.value;
  row.number = slice.number;
  row.name = slice.name;
  row.soft = slice.soft;
  irq_slices_->append(row);
  watch_.take(row, irqs_->names()[slice.name]);
}

void ModelPass::add(const model::QemuCall& call) {
  QemuCallRow row;
  row.from_ns = ns(call.from);
  row.until_ns = ns(call.until);
  row.result = call.result;
  row.machine = static_cast<std::uint32_t>(call.machine);
  row.thread = call.thread.value;
  row.call = call.call;
  qemu_calls_->append(row);
}

void ModelPass::add(const model::MarkSlice& slice) {
  MarkSliceRow row;
  row.from_ns = ns(slice.from);
  row.until_ns = ns(slice.until);
  row.machine = static_cast<std::uint32_t>(slice.machine);
  row.tgid = slice.tgid;
  row.tid = slice.tid;
  row.name = slice.name;
  row.depth = slice.depth;
  row.open = slice.open;
  row.doubtful = slice.doubtful;
  mark_slices_->append(row);
  watch_.take(row, programs_->names()[slice.name]);
}

void ModelPass::add(const model::MarkInstant& mark) {
  MarkInstantRow row;
  row.from_ns = row.until_ns = ns(mark.time);
  row.machine = static_cast<std::uint32_t>(mark.machine);
  row.cpu = mark.cpu.value;
  row.tgid = mark.tgid;
  row.tid = mark.tid;
  row.name = mark.name;
  mark_instants_->append(row);
  watch_.take(row, programs_->names()[mark.name]);
}

void ModelPass::add(const model::MarkCounter& counter) {
  MarkCounterRow row;
  row.from_ns = ns(counter.from);
  row.until_ns = ns(counter.until);
  row.machine = static_cast<std::uint32_t>(counter.machine);
  row.tgid = counter.tgid;
  row.name = counter.name;
  row.value = counter.value;
  row.open = counter.open;
  mark_counters_->append(row);
  watch_.take(row, programs_->names()[counter.name]);
}

void ModelPass::add_block(const model::BlockRequest& request, std::size_t machine, std::uint64_t io_request,
                          std::int32_t owner, const model::Task& owner_task) {
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
  watch_.take(row, block_requests_->file().size());
}

void ModelPass::add(const model::IoRequest& request) {
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
  if (request.qemu) {
    const auto ns_or_none = [this](const std::optional<HostTsc>& time) {
      return time ? ns(*time) : IoRequestRow::kNoTime;
    };
    row.entered_ns = ns(request.qemu->entered);
    row.pushed_ns = ns_or_none(request.qemu->pushed);
    row.notified_ns = ns_or_none(request.qemu->notified);
  }
  io_requests_->append(row);
  phases_.clear();
  for (const model::IoPhase& phase : request.phases()) {
    IoPhaseRow part;
    part.from_ns = ns(phase.from);
    part.until_ns = ns(phase.until);
    part.request = io_requests_->file().size();
    part.kind = phase.kind;
    io_phases_->append(part);
    phases_.push_back(part);
  }
  watch_.take(row, io_requests_->file().size(), phases_);
  slow_->take(request, io_requests_->file().size());
}

Status ModelPass::finish_slow() {
  IVT_ASSIGN_OR_RETURN(SlowIoRows rows, slow_io_rows(slow_->find(), 1e9 / ticks_per_second(), clock_));
  rows_.io_slows_ = std::move(rows.slows);
  rows_.io_slow_loads_ = std::move(rows.loads);
  rows_.made_[static_cast<std::size_t>(RowKind::kIoSlow)] = true;
  rows_.made_[static_cast<std::size_t>(RowKind::kIoSlowLoad)] = true;
  return {};
}

void ModelPass::add(const merge::LossMarker& loss, std::size_t machine) {
  LossRow row;
  row.from_ns = ns(loss.from);
  row.has_until = loss.until.has_value();
  row.until_ns = loss.until ? ns(*loss.until) : std::numeric_limits<std::int64_t>::max();
  row.machine = static_cast<std::uint32_t>(machine);
  row.has_place = model::has_place(loss, rows_.run_);
  row.has_cpu = loss.cpu.has_value();
  row.cpu = loss.cpu.value_or(CpuId(0)).value;
  row.has_events = loss.events.has_value();
  row.events = loss.events.value_or(0);
  row.has_bytes = loss.bytes.has_value();
  row.bytes = loss.bytes.value_or(0);
  row.reason = place_in(reasons_, loss.reason);
  losses_->append(row);
  watch_.take(row);
}

}  // namespace ivtrace::query
