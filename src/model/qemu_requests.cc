#include "model/qemu_requests.h"

#include <algorithm>

namespace ivtrace::model {
namespace {

using Seen = QemuProbeEvents::Seen;

/// Requests of one device, by rising place.
using Candidates = std::vector<const BlockRequest*>;

/// Has the request's bytes a part in QEMU's?
bool is_within(const BlockRequest& request, const Seen& seen) {
  if (request.direction != seen.direction) return false;
  if (seen.direction == IoDirection::kFlush) return true;
  const std::uint64_t first = request.range.first * kSectorBytes;
  const std::uint64_t bytes = request.range.count * kSectorBytes;
  return first >= seen.offset && first - seen.offset < seen.bytes &&
         bytes <= seen.bytes - (first - seen.offset);
}

/// Are they all of it, and nothing twice?
bool make_up(const Candidates& candidates, const Seen& seen) {
  if (seen.direction == IoDirection::kFlush) return candidates.size() == 1;
  std::uint64_t at = seen.offset;
  for (const BlockRequest* request : candidates) {
    if (request->range.first * kSectorBytes != at) return false;
    at = request->range.end() * kSectorBytes;
  }
  return at == seen.offset + seen.bytes;
}

/// How many bytes a virtio-blk device writes into the guest's memory (VIRTIO 1.2, 5.2.6).
std::uint64_t written_bytes(IoDirection direction, std::uint64_t bytes) {
  constexpr std::uint64_t kStatus = 1;
  return direction == IoDirection::kRead ? bytes + kStatus : kStatus;
}

}  // namespace

const std::vector<std::uint64_t>& QemuRequests::look(const Seen& seen, HostTsc at,
                                                     const BlockRequests::Open& open) {
  entered_.clear();
  switch (seen.step) {
    case QemuProbeEvents::Step::kEnter:
      enter(seen, at, open);
      break;
    case QemuProbeEvents::Step::kPush:
      push(seen, at);
      break;
    case QemuProbeEvents::Step::kNotify:
      notify(seen, at);
      break;
    case QemuProbeEvents::Step::kOther:
      break;
  }
  return entered_;
}

const QemuTimes* QemuRequests::find(std::uint64_t request) const {
  const auto found = times_.find(request);
  return found == times_.end() ? nullptr : &found->second;
}

bool QemuRequests::has(std::uint64_t request) const {
  const QemuTimes* const times = find(request);
  return times != nullptr && !times->pushed;
}

void QemuRequests::forget() {
  entries_.clear();
  times_.clear();
  chains_.clear();
  to_notify_.clear();
  unknown_ = 0;
  began_ = false;
}

void QemuRequests::enter(const Seen& seen, HostTsc at, const BlockRequests::Open& open) {
  chains_.erase(seen.thread);  // what is joined is pushed at one go
  if (is_retry(seen)) return;
  if (entries_.size() >= kMaxOpen || times_.size() >= kMaxOpen) forget();
  began_ = true;
  Entry entry{seen.direction, seen.offset, members_of(seen, open)};
  for (const Member& member : entry.members) {
    times_.insert_or_assign(member.request, QemuTimes{at, {}, {}});
    entered_.push_back(member.request);
  }
  put(seen.request, std::move(entry));
}

/// QEMU gives a request that failed to its block layer again, when the guest goes on.
bool QemuRequests::is_retry(const Seen& seen) const {
  const auto found = entries_.find(seen.request);
  if (found == entries_.end() || found->second.members.empty()) return false;
  const Entry& entry = found->second;
  return entry.direction == seen.direction && entry.offset == seen.offset &&
         has(entry.members.front().request);
}

QemuRequests::Members QemuRequests::members_of(const Seen& seen, const BlockRequests::Open& open) {
  std::map<std::uint32_t, Candidates> by_device;
  for (const auto& [key, request] : open) {
    if (is_within(request, seen) && find(request.number) == nullptr)
      by_device[request.range.device].push_back(&request);
  }
  std::erase_if(by_device, [&](const auto& one) { return !make_up(one.second, seen); });
  const bool plain = by_device.size() == 1;
  // Of several it must be the one that it is known to be; a single one must not be known as another's.
  const std::int64_t least = plain ? 0 : 1;
  const auto chosen = std::find_if(by_device.begin(), by_device.end(),
                                   [&](const auto& one) { return belief(seen.backend, one.first) >= least; });
  if (plain && seen.direction != IoDirection::kFlush) learn(seen.backend, by_device.begin()->first);
  Members members;
  if (chosen == by_device.end()) return members;
  for (const BlockRequest* request : chosen->second)
    members.push_back({request->number, request->range.count * kSectorBytes});
  return members;
}

/// By how much the backend is rather this device than any other: above 0 for one of them at most.
std::int64_t QemuRequests::belief(std::uint64_t backend, std::uint32_t device) const {
  const auto votes = votes_.find(backend);
  if (votes == votes_.end()) return 0;
  std::int64_t mine = 0, others = 0;
  for (const auto& [candidate, count] : votes->second) {
    std::int64_t& side = candidate == device ? mine : others;
    side = std::max(side, static_cast<std::int64_t>(count));
  }
  return mine - others;
}

void QemuRequests::learn(std::uint64_t backend, std::uint32_t device) {
  if (votes_.size() >= kMaxBackends && !votes_.contains(backend)) votes_.clear();
  auto& votes = votes_[backend];
  if (votes.size() < kMaxDevices || votes.contains(device)) ++votes[device];
}

void QemuRequests::put(std::uint64_t address, Entry entry) {
  take(address);  // it was not seen to be pushed: not virtio-blk's
  if (entry.members.empty()) ++unknown_;
  entries_.emplace(address, std::move(entry));
}

std::optional<QemuRequests::Entry> QemuRequests::take(std::uint64_t address) {
  const auto found = entries_.find(address);
  if (found == entries_.end()) return std::nullopt;
  Entry entry = std::move(found->second);
  entries_.erase(found);
  if (entry.members.empty()) --unknown_;
  return entry;
}

void QemuRequests::push(const Seen& seen, HostTsc at) {
  std::optional<Entry> entry = take(seen.request);
  if (!entry) return follow(seen, at);
  chains_.erase(seen.thread);
  if (push_first(*entry, seen, at) && !entry->members.empty())
    chains_.insert_or_assign(seen.thread, Chain{seen.queue, std::move(*entry)});
}

/// A push of an address that did not enter: of what was joined to the one before, or of another device.
void QemuRequests::follow(const Seen& seen, HostTsc at) {
  const auto found = chains_.find(seen.thread);
  if (found == chains_.end()) return;
  Chain& chain = found->second;
  if (chain.queue != seen.queue || !push_first(chain.rest, seen, at) || chain.rest.members.empty())
    chains_.erase(found);
}

/// Takes the first member off; false when that is not what was pushed.
bool QemuRequests::push_first(Entry& entry, const Seen& seen, HostTsc at) {
  if (entry.members.empty()) return false;
  const Member member = entry.members.front();
  if (seen.bytes != written_bytes(entry.direction, member.bytes)) return false;
  entry.members.erase(entry.members.begin());
  const auto found = times_.find(member.request);
  if (found == times_.end()) return true;  // the guest has it already
  found->second.pushed = at;
  if (to_notify_.size() >= kMaxOpen) to_notify_.clear();
  auto& waiting = to_notify_[seen.queue];
  if (waiting.size() >= kMaxOpen) waiting.clear();
  waiting.push_back(member.request);
  return true;
}

void QemuRequests::notify(const Seen& seen, HostTsc at) {
  const auto waiting = to_notify_.find(seen.queue);
  if (waiting == to_notify_.end()) return;
  for (const std::uint64_t request : waiting->second) {
    const auto found = times_.find(request);
    if (found != times_.end()) found->second.notified = at;
  }
  to_notify_.erase(waiting);
}

}  // namespace ivtrace::model
