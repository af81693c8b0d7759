#include "model/io_path.h"

#include <algorithm>

#include "model/vcpu_events.h"

namespace ivtrace::model {
namespace {

constexpr std::size_t kMaxDone = 256;  // host requests that wait for one of a guest's

std::uint16_t id_of(const decode::FormatTable* formats, const char* system, const char* name) {
  const decode::EventFormat* format = formats != nullptr ? formats->find(system, name) : nullptr;
  return format != nullptr ? format->id : 0;
}

/// By machine: are all its disks known, and raw images?
std::vector<bool> only_raw(const run::RunReader& run) {
  std::vector<bool> raw;
  for (const run::Machine& machine : run.machines()) {
    raw.push_back(!machine.disks.empty() &&
                  std::all_of(machine.disks.begin(), machine.disks.end(),
                              [](const run::DiskRecord& disk) { return disk.format == "raw"; }));
  }
  return raw;
}

}  // namespace

IoPath::IoPath(const run::RunReader& run, const merge::RunEvents& events, const LostRanges& lost, Sink sink,
               HostSink host_sink)
    : run_(run),
      lost_(lost),
      sink_(std::move(sink)),
      host_sink_(std::move(host_sink)),
      host_(host_machine(run)),
      disks_(run),
      owners_(run, events.formats(host_)),
      host_events_(events.formats(host_)),
      syscalls_(events.formats(host_)),
      probes_(events.formats(host_)),
      calls_(only_raw(run)) {
  for (std::size_t i = 0; i < run.machines().size(); ++i) {
    const decode::FormatTable* formats = events.formats(i);
    GuestState guest{BlockEvents(formats), {}, {}, {}, {}, 0, 0, {}};
    guest.irq_entry = id_of(formats, "irq", "irq_handler_entry");
    guest.irq_exit = id_of(formats, "irq", "irq_handler_exit");
    guests_.push_back(std::move(guest));
  }
}

bool IoPath::recorded() const {
  return host_events_.recorded() && std::any_of(guests_.begin(), guests_.end(), [&](const GuestState& guest) {
           return &guest != &guests_[host_] && guest.events.recorded();
         });
}

bool IoPath::recorded_anywhere() const {
  return host_events_.recorded() || std::any_of(guests_.begin(), guests_.end(), [](const GuestState& guest) {
           return guest.events.recorded();
         });
}

void IoPath::look(const merge::MergedEvent& event) {
  if (event.loss != nullptr) {
    lose(event.stream->machine);
  } else if (event.stream->machine == host_) {
    look_at_host(event);
  } else {
    look_at_guest(event);
  }
}

void IoPath::lose(std::size_t machine) {
  if (machine != host_) {
    guests_[machine].requests.forget();
    drop_services(guests_[machine]);
    guests_[machine].interrupts.clear();
    guests_[machine].qemu.forget();
    calls_.forget(machine);
    return;
  }
  host_requests_.forget();
  host_open_.clear();
  loads_.clear();
  calls_.forget();
  for (GuestState& guest : guests_) {
    guest.qemu.forget();
    for (const auto& [key, request] : guest.requests.open()) guest.services[request.number].lost = true;
  }
}

void IoPath::look_at_guest(const merge::MergedEvent& event) {
  GuestState& guest = guests_[event.stream->machine];
  if (event.id == guest.irq_entry && event.id != 0) {
    guest.interrupts[event.stream->cpu.value] = event.time;
  } else if (event.id == guest.irq_exit && event.id != 0) {
    guest.interrupts.erase(event.stream->cpu.value);
  } else if (const auto seen = guest.events.look(event.id, event.record);
             seen.step != BlockEvents::Step::kOther) {
    const auto change = guest.requests.look(seen, event.time);
    if (change.completed != nullptr)
      guest_completed(event.stream->machine, *change.completed, event.stream->cpu);
    if (change.requeued) guest_requeued(guest, *change.requeued);
  }
}

void IoPath::look_at_host(const merge::MergedEvent& event) {
  owners_.look(event.id, event.record);
  if (probes_.recorded()) look_at_qemu(event);
  look_at_syscalls(event);
  const auto seen = host_events_.look(event.id, event.record);
  if (seen.step == BlockEvents::Step::kOther) return;
  const auto change = host_requests_.look(seen, event.time);
  if (change.issued != nullptr) host_issued(*change.issued);
  if (change.completed != nullptr) host_completed(*change.completed);
  if (change.requeued) host_requeued(*change.requeued, event.time);
}

void IoPath::look_at_syscalls(const merge::MergedEvent& event) {
  const auto call = syscalls_.look(event.id, event.record);
  if (call.step == SyscallEvents::Step::kExit) calls_.exit(call, event.time);
  if (call.step != SyscallEvents::Step::kEnter) return;
  const auto machine = owners_.owner({call.thread, {}});
  if (!machine) return calls_.enter(call, event.time, host_, nullptr, nullptr);
  const GuestState& guest = guests_[*machine];
  calls_.enter(call, event.time, *machine, &guest.requests.open(),
               guest.qemu.has_all() ? &guest.qemu : nullptr);
}

void IoPath::look_at_qemu(const merge::MergedEvent& event) {
  const auto seen = probes_.look(event.id, event.record);
  if (seen.step == QemuProbeEvents::Step::kOther) return;
  const auto machine = owners_.owner({seen.thread, {}});
  if (!machine) return;
  GuestState& guest = guests_[*machine];
  for (const std::uint64_t request : guest.qemu.look(seen, event.time, guest.requests.open())) {
    // What the host was asked for before is not for it; but what fills a page of the host's cache may be.
    const auto service = guest.services.find(request);
    if (service == guest.services.end() || !service->second.disk) continue;
    if (!is_cached({*machine, *service->second.disk})) service->second.pieces = {};
  }
}

/// Whose bytes they are: of the guest that they serve; else, as writeback is done by the kernel's workers, of
/// the guest whose image lies there; but a backing file may be several guests', and then the thread tells.
IoOwner IoPath::owner_of(const BlockRequest& request, const HostOpen& open) const {
  const auto guest = [&](std::size_t machine) {
    return IoOwner{static_cast<std::int32_t>(machine), "", request.direction};
  };
  if (!open.serves.empty()) return guest(open.serves.front().machine);
  const bool shared = std::any_of(parts_.begin(), parts_.end(), [&](const DiskPart& part) {
    return part.disk.machine != parts_.front().disk.machine;
  });
  if (!parts_.empty() && !shared) return guest(parts_.front().disk.machine);
  if (const auto machine = owners_.owner(request.task)) return guest(*machine);
  return {static_cast<std::int32_t>(host_), std::string(request.task.name()), request.direction};
}

void IoPath::host_issued(const BlockRequest& request) {
  parts_.clear();
  disks_.find(request.range, parts_);
  for (const AddressAbove& above : request.above) disks_.find(above.range, parts_);
  HostOpen open;
  // A discard names bytes too, gigabytes of them, but moves none.
  const bool moves = request.direction == IoDirection::kRead || request.direction == IoDirection::kWrite;
  open.bytes = moves ? request.range.count * kSectorBytes : 0;
  for (const DiskPart& part : parts_) serve(part, request, open);
  open.owner = owner_of(request, open);
  DeviceLoad& load = loads_[request.range.device];
  load.begin(open.owner, open.bytes, request.issued);
  if (const auto machine = owners_.owner(request.task))
    calls_.host_issued(*machine, request, !parts_.empty(), load);
  host_open_.insert_or_assign(request.number, std::move(open));
}

// A guest may have the same sectors open on two of its devices: then only one of them is served.
void IoPath::serve(const DiskPart& part, const BlockRequest& host, HostOpen& open) {
  GuestState& guest = guests_[part.disk.machine];
  const HostTsc queued = host.queued.value_or(host.issued);
  std::vector<BlockRequest*> fitting;
  for (auto& [key, request] : guest.requests.open()) {
    SectorRange wanted = part.range;
    wanted.device = request.range.device;
    if (request.range.overlaps(wanted) && request.direction == host.direction && request.issued <= queued)
      fitting.push_back(&request);
  }
  const auto device = choose_device(guest, fitting, part.disk.disk);
  for (BlockRequest* request : fitting) {
    if (request->range.device == device)
      link({part.disk.machine, request->number}, *request, part, host, open);
  }
}

std::optional<std::uint32_t> IoPath::choose_device(GuestState& guest,
                                                   const std::vector<BlockRequest*>& fitting,
                                                   std::size_t disk) {
  std::optional<std::uint32_t> best;
  std::int64_t best_score = 0;
  bool several = false;
  for (const BlockRequest* request : fitting) {
    if (best && request->range.device == *best) continue;
    several = several || best;
    const std::int64_t score = belief(guest, request->range.device, disk);
    if (best && score <= best_score) continue;
    best = request->range.device;
    best_score = score;
  }
  // Only what is plain teaches. One that mostly was another disk's came together by chance.
  constexpr std::size_t kMaxDevices = 256;  // numbers come from the guest
  const bool room = best && (guest.votes.size() < kMaxDevices || guest.votes.contains(*best));
  if (best && !several && room) ++guest.votes[*best][disk];
  return best_score >= 0 ? best : std::nullopt;
}

/// By how much the device is rather this disk than any other.
std::int64_t IoPath::belief(const GuestState& guest, std::uint32_t device, std::size_t disk) {
  const auto votes = guest.votes.find(device);
  if (votes == guest.votes.end()) return 0;
  std::int64_t mine = 0, others = 0;
  for (const auto& [candidate, count] : votes->second) {
    if (candidate == disk)
      mine = static_cast<std::int64_t>(count);
    else
      others = std::max(others, static_cast<std::int64_t>(count));
  }
  return mine - others;
}

void IoPath::link(const Served& served, const BlockRequest& request, const DiskPart& part,
                  const BlockRequest& host, HostOpen& open) {
  GuestState& guest = guests_[served.machine];
  // Requests that a guest has given up without a word leave theirs behind.
  if (guest.services.size() >= 2 * BlockRequests::kMaxOpen) drop_services(guest);
  Service& service = guest.services[served.request];
  const std::uint64_t from = std::max(part.range.first, request.range.first);
  const std::uint64_t until = std::min(part.range.end(), request.range.end());
  IoPiece given;
  given.host = host.number;
  given.range = {request.range.device, from, static_cast<std::uint32_t>(until - from)};
  given.device = host.range.device;
  given.thread = host.task.tid;
  given.queued = host.queued.value_or(host.issued);
  given.issued = host.issued;
  const auto call = calls_.since(host.task.tid);
  if (call && *call >= request.issued && *call <= given.queued) given.called = call;
  if (open.load == nullptr)
    open.load = std::make_shared<const DeviceWork>(loads_[host.range.device].now(host.issued));
  given.load_before = open.load;
  service.pieces.begin(std::move(given));
  service.disk = part.disk.disk;
  if (std::find(open.serves.begin(), open.serves.end(), served) == open.serves.end())
    open.serves.push_back(served);
}

void IoPath::host_requeued(const BlockRequest& request, HostTsc at) {
  const auto found = host_open_.find(request.number);
  if (found == host_open_.end()) return;
  loads_[request.range.device].take_back(found->second.owner, found->second.bytes, at);
  calls_.host_requeued(request);
  for (const Served& served : found->second.serves) {
    auto& services = guests_[served.machine].services;
    const auto service = services.find(served.request);
    if (service != services.end()) service->second.pieces.take_back(request.number);
  }
  host_open_.erase(found);
}

void IoPath::host_completed(const BlockRequest& request) {
  const auto found = host_open_.find(request.number);
  if (found == host_open_.end()) return;
  const HostTsc at = *request.completed;
  DeviceLoad& load = loads_[request.range.device];
  load.end(found->second.owner, found->second.bytes, at);
  calls_.host_completed(request, loads_);
  std::shared_ptr<const DeviceWork> after;
  if (!found->second.serves.empty()) after = std::make_shared<const DeviceWork>(load.now(at));
  for (const Served& served : found->second.serves) {
    auto& services = guests_[served.machine].services;
    const auto service = services.find(served.request);
    if (service == services.end()) continue;  // the guest did not wait for it
    service->second.pieces.end(request.number, at, after);
  }
  if (host_sink_) {
    HostRequest done{request, std::move(found->second.owner)};
    if (Service* const waits = first_served(found->second);
        waits != nullptr && waits->untold.size() < kMaxDone) {
      waits->untold.push_back(std::move(done));
    } else {
      host_sink_(done, nullptr);
    }
  }
  host_open_.erase(found);
}

IoPath::Service* IoPath::first_served(const HostOpen& open) {
  if (open.serves.empty()) return nullptr;
  auto& services = guests_[open.serves.front().machine].services;
  const auto service = services.find(open.serves.front().request);
  return service == services.end() ? nullptr : &service->second;
}

void IoPath::tell(const Service& service, const IoRequest* served, const Serving& serving) const {
  for (const HostRequest& done : service.untold) {
    const bool serves = std::any_of(serving.begin(), serving.end(),
                                    [&](const IoPiece* piece) { return piece->host == done.request.number; });
    host_sink_(done, serves ? served : nullptr);
  }
}

// Its next issue is another request; what served it so far served nobody.
void IoPath::guest_requeued(GuestState& guest, const BlockRequest& request) {
  guest.qemu.end(request.number);
  const auto found = guest.services.find(request.number);
  if (found == guest.services.end()) return;
  tell(found->second, nullptr, {});
  guest.services.erase(found);
}

void IoPath::drop_services(GuestState& guest) {
  for (const auto& [number, service] : guest.services) tell(service, nullptr, {});
  guest.services.clear();
}

void IoPath::finish() {
  for (GuestState& guest : guests_) drop_services(guest);
}

/// What ties have told; a guest with one disk needs none.
std::optional<std::size_t> IoPath::disk_of(std::size_t machine, std::uint32_t device) const {
  const GuestState& guest = guests_[machine];
  const auto votes = guest.votes.find(device);
  if (votes == guest.votes.end() || votes->second.empty()) {
    return run_.machines()[machine].disks.size() == 1 ? std::optional<std::size_t>(0) : std::nullopt;
  }
  return std::max_element(votes->second.begin(), votes->second.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

IoTie IoPath::tie_of(std::size_t machine, const BlockRequest& request, const Service* service,
                     const Serving& serving) const {
  if ((service != nullptr && service->lost) || lost_.meets(request.issued, *request.completed))
    return IoTie::kLost;
  if (!serving.empty()) return IoTie::kAddress;
  if (service != nullptr && !service->pieces.empty()) return IoTie::kUntied;
  const bool has_place = request.direction == IoDirection::kRead || request.direction == IoDirection::kWrite;
  const auto disk = disk_of(machine, request.range.device);
  return has_place && disk && disks_.knows({machine, *disk}) && is_cached({machine, *disk}) ? IoTie::kNoHostIo
                                                                                            : IoTie::kUntied;
}

bool IoPath::is_cached(const GuestDisk& disk) const {
  const std::string& cache = run_.machines()[disk.machine].disks[disk.disk].cache;
  return cache == "writeback" || cache == "writethrough" || cache == "unsafe";
}

void IoPath::guest_completed(std::size_t machine, const BlockRequest& request, CpuId cpu) {
  GuestState& guest = guests_[machine];
  const auto found = guest.services.find(request.number);
  const Service* service = found == guest.services.end() ? nullptr : &found->second;
  const Serving serving = service == nullptr ? Serving() : service->pieces.serving(request.range);
  IoRequest result;
  result.machine = machine;
  result.guest = request;
  result.tie = tie_of(machine, request, service, serving);
  if (const QemuTimes* const qemu = guest.qemu.find(request.number);
      qemu != nullptr && result.tie != IoTie::kLost)
    result.qemu = *qemu;
  if (const auto handler = guest.interrupts.find(cpu.value); handler != guest.interrupts.end())
    result.interrupt = handler->second;
  result.disk = result.tie == IoTie::kAddress ? service->disk : disk_of(machine, request.range.device);
  if (result.tie == IoTie::kAddress) {
    describe(serving, result);
  } else if (result.tie == IoTie::kUntied) {
    tie_by_qemu(machine, service, result);
  }
  sink_(result);
  calls_.completed(machine, request);
  guest.qemu.end(request.number);
  if (found == guest.services.end()) return;
  tell(found->second, result.tie == IoTie::kAddress ? &result : nullptr, serving);
  guest.services.erase(found);
}

/// By its call, by what QEMU's probes tell, or by both.
void IoPath::tie_by_qemu(std::size_t machine, const Service* service, IoRequest& result) const {
  const BlockRequest& request = result.guest;
  const bool pushed = result.qemu && result.qemu->pushed;
  if (pushed) result.tie = IoTie::kQemu;
  if (service != nullptr && !service->pieces.empty()) return;
  const ServingCall* const call =
      calls_.find(machine, request, pushed ? *result.qemu->pushed : *request.completed);
  // Where the image's places are known, a call without host requests of its own is one whose were not found.
  const bool placed = result.disk && disks_.knows({machine, *result.disk});
  if (call == nullptr || (call->service.requests == 0 && placed)) return;
  if (!pushed) result.tie = IoTie::kOrder;
  result.submitted = call->from;
  result.returned = call->until;
  describe(call->service, result);
  // QEMU may have joined requests in the call, and the host calls in a request.
  result.host_bytes = std::min(result.host_bytes, request.range.count * kSectorBytes);
}

void IoPath::describe(const IoService& service, IoRequest& result) {
  if (service.requests == 0) return;
  result.host_requests = service.requests;
  result.host_bytes = service.bytes;
  result.host_device = service.device;
  result.host_thread = service.thread;
  result.host_queued = service.queued;
  result.host_issued = service.issued;
  result.host_completed = service.last_completed;
  result.load = DeviceLoad::between(service.load_before, service.load_after);
}

// The first one tells from where and when; how busy its device was, until that has done the last of them.
void IoPath::describe(const Serving& serving, IoRequest& result) {
  const IoPiece& first = *serving.front();
  result.submitted = first.called;
  result.host_device = first.device;
  result.host_thread = first.thread;
  result.host_queued = first.queued;
  result.host_issued = first.issued;
  const IoPiece* last = &first;  // on the first one's device
  std::uint64_t counted = 0;     // the pieces of a host request follow each other
  for (const IoPiece* piece : serving) {
    if (piece->host != counted) ++result.host_requests;
    counted = piece->host;
    result.host_bytes += piece->range.count * kSectorBytes;
    result.host_queued = std::min(result.host_queued, piece->queued);
    result.host_completed = std::max(result.host_completed, *piece->completed);
    if (piece->device == first.device && *piece->completed >= *last->completed) last = piece;
  }
  result.load = DeviceLoad::between(*first.load_before, *last->load_after);
}

}  // namespace ivtrace::model
