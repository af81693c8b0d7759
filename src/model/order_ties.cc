#include "model/order_ties.h"

#include <algorithm>

namespace ivtrace::model {
namespace {

using Kind = SyscallEvents::Kind;

IoDirection direction_of_call(Kind kind) {
  switch (kind) {
    case Kind::kRead:
      return IoDirection::kRead;
    case Kind::kWrite:
      return IoDirection::kWrite;
    default:
      return IoDirection::kOther;
  }
}

bool moves(IoDirection direction) {
  return direction == IoDirection::kRead || direction == IoDirection::kWrite;
}

}  // namespace

void OrderTies::enter(const SyscallEvents::Seen& seen, HostTsc at, std::size_t machine,
                      const BlockRequests::Open* open, const QemuRequests* qemu) {
  if (threads_.size() >= kMaxThreads && !threads_.contains(seen.thread)) return;
  Thread& thread = threads_[seen.thread];
  thread = {at, {}};
  if (open == nullptr || seen.kind == Kind::kOther || (seen.kind == Kind::kSubmit && seen.handed == 0))
    return;
  Call call;
  call.from = at;
  call.thread = seen.thread;
  call.kind = seen.kind;
  call.direction = direction_of_call(seen.kind);
  call.offset = seen.offset;
  call.several = seen.kind == Kind::kSubmit && seen.handed > 1;
  Guest& guest = guests_[machine];
  for (const auto& [key, request] : *open) {
    const bool same =
        call.kind == Kind::kSubmit ? moves(request.direction) : request.direction == call.direction;
    if (!same || request.issued > at || (qemu != nullptr && !qemu->has(request.number))) continue;
    if (call.candidates.size() == kMaxCandidates) {
      guest.gone_until = at;
      return;
    }
    Candidate candidate;
    candidate.request = request.number;
    candidate.range = request.range;
    candidate.direction = request.direction;
    candidate.bytes = request.range.count * kSectorBytes;
    if (qemu != nullptr) candidate.entered = qemu->find(request.number)->entered;
    call.candidates.push_back(candidate);
  }
  if (call.candidates.empty()) return;
  if (qemu != nullptr) join(call.candidates);
  if (guest.calls.size() >= kMaxCalls) {
    guest.gone_until = guest.calls.begin()->second.from;
    guest.calls.erase(guest.calls.begin());
  }
  thread.call = {machine, ++count_};
  guest.calls.emplace(count_, std::move(call));
}

/// An event has its moment for itself: what entered at one entered as one.
void OrderTies::join(std::vector<Candidate>& candidates) {
  std::map<HostTsc, std::uint64_t> bytes;
  for (const Candidate& candidate : candidates) bytes[*candidate.entered] += candidate.bytes;
  for (Candidate& candidate : candidates) candidate.bytes = bytes[*candidate.entered];
}

void OrderTies::exit(const SyscallEvents::Seen& seen, HostTsc at) {
  const auto thread = threads_.find(seen.thread);
  if (thread == threads_.end()) return;
  const CallId id = thread->second.call;
  threads_.erase(thread);
  Call* const call = call_of(id);
  if (call == nullptr) return;
  call->until = at;
  if (call->kind == Kind::kSubmit) return;
  if (seen.result <= 0) {
    guests_[id.machine].calls.erase(id.number);  // it moved nothing
  } else {
    call->moved = static_cast<std::uint64_t>(seen.result);
  }
}

std::optional<HostTsc> OrderTies::since(std::int32_t thread) const {
  const auto found = threads_.find(thread);
  return found == threads_.end() ? std::nullopt : std::optional(found->second.since);
}

OrderTies::Call* OrderTies::call_of(const CallId& id) {
  if (id.number == 0) return nullptr;
  const auto found = guests_[id.machine].calls.find(id.number);
  return found == guests_[id.machine].calls.end() ? nullptr : &found->second;
}

OrderTies::CallId OrderTies::call_within(std::size_t machine, std::int32_t thread, HostTsc at) const {
  for (const auto& [number, call] : guests_[machine].calls) {
    if (call.thread == thread && call.from <= at && (!call.until || at <= *call.until))
      return {machine, number};
  }
  return {};
}

void OrderTies::host_issued(std::size_t machine, const BlockRequest& host, bool placed,
                            const DeviceLoad& load) {
  if (!host.queued || !moves(host.direction)) return;
  const CallId id = call_within(machine, host.task.tid, *host.queued);
  Call* const call = call_of(id);
  if (call == nullptr) return;
  if (call->kind == Kind::kSubmit) {
    if (call->service.requests == 0) call->direction = host.direction;
    call->several = call->several || call->direction != host.direction;
  }
  if (call->direction != host.direction) return;  // what the file system itself reads for a write
  call->placed = call->placed || placed;
  call->service.begin(host, load);
  call->service.bytes += host.range.count * kSectorBytes;
  host_.insert_or_assign(host.number, id);
}

void OrderTies::host_completed(const BlockRequest& host, const std::map<std::uint32_t, DeviceLoad>& loads) {
  const auto found = host_.find(host.number);
  if (found == host_.end()) return;
  if (Call* const call = call_of(found->second))
    call->service.end(*host.completed, loads.at(call->service.device));
  host_.erase(found);
}

void OrderTies::host_requeued(const BlockRequest& host) {
  const auto found = host_.find(host.number);
  if (found == host_.end()) return;
  if (Call* const call = call_of(found->second)) {
    call->service.bytes -= host.range.count * kSectorBytes;
    if (--call->service.requests == 0) call->service = {};
  }
  host_.erase(found);
}

bool OrderTies::fits(std::size_t machine, const Call& call, const Candidate& candidate) const {
  if (call.several) return true;
  if (candidate.direction != call.direction) return false;
  if (call.kind == Kind::kSubmit) return candidate.bytes == call.service.bytes;
  if (!raw_[machine]) return candidate.bytes == call.moved;
  const std::uint64_t first = candidate.range.first * kSectorBytes;
  const std::uint64_t bytes = candidate.range.count * kSectorBytes;
  return call.offset <= first && first + bytes <= call.offset + call.moved;
}

bool OrderTies::are_one(const std::vector<const Candidate*>& candidates) {
  return candidates.size() == 1 ||
         std::all_of(candidates.begin(), candidates.end(), [&](const Candidate* candidate) {
           return candidate->entered && candidate->entered == candidates.front()->entered;
         });
}

/// Do all that fit have a part in it?
bool OrderTies::fits_no_other(std::size_t machine, const Call& call) const {
  std::vector<const Candidate*> fitting;
  for (const Candidate& candidate : call.candidates) {
    if (fits(machine, call, candidate)) fitting.push_back(&candidate);
  }
  if (call.kind == Kind::kSubmit || !raw_[machine]) return are_one(fitting);
  std::sort(fitting.begin(), fitting.end(),
            [](const Candidate* a, const Candidate* b) { return a->range.first < b->range.first; });
  std::uint64_t at = call.offset;
  for (const Candidate* candidate : fitting) {
    if (candidate->range.first * kSectorBytes != at) return false;
    at = candidate->range.end() * kSectorBytes;
  }
  return at == call.offset + call.moved;
}

const ServingCall* OrderTies::find(std::size_t machine, const BlockRequest& request, HostTsc done) const {
  const Guest& guest = guests_[machine];
  if (guest.gone_until >= request.issued) return nullptr;
  const Call* served = nullptr;
  for (const auto& [number, call] : guest.calls) {
    if (call.placed || !call.until || *call.until > done) continue;
    const auto candidate = std::find_if(call.candidates.begin(), call.candidates.end(),
                                        [&](const Candidate& one) { return one.request == request.number; });
    if (candidate == call.candidates.end() || !fits(machine, call, *candidate)) continue;
    if (served != nullptr) return nullptr;
    served = &call;
  }
  if (served == nullptr || served->several || !fits_no_other(machine, *served)) return nullptr;
  return served->service.requests == 0 || served->service.done() ? served : nullptr;
}

void OrderTies::completed(std::size_t machine, const BlockRequest& request) {
  auto& calls = guests_[machine].calls;
  for (auto call = calls.begin(); call != calls.end();) {
    bool open = false;
    for (Candidate& candidate : call->second.candidates) {
      if (candidate.request == request.number) candidate.open = false;
      open = open || candidate.open;
    }
    call = open ? std::next(call) : calls.erase(call);
  }
}

void OrderTies::forget() {
  for (std::size_t machine = 0; machine < guests_.size(); ++machine) forget(machine);
  threads_.clear();
  host_.clear();
}

void OrderTies::forget(std::size_t machine) { guests_[machine].calls.clear(); }

}  // namespace ivtrace::model
