#include "model/bio_queue.h"

#include <algorithm>
#include <iterator>

namespace ivtrace::model {
namespace {

/// A longer bio (only a discard is) is found by its first so many sectors.
constexpr std::uint32_t kLongest = 1u << 16;

/// The addresses of `part`, which lies in `whole`; offsets count from `origin`, a sector of the same device.
void append_above(const std::vector<AddressAbove>& above, const SectorRange& whole, const SectorRange& part,
                  std::uint64_t origin, std::vector<AddressAbove>& out) {
  for (const AddressAbove& address : above) {
    const std::uint64_t begin = whole.first + address.offset;
    const std::uint64_t from = std::max(begin, part.first);
    const std::uint64_t until = std::min(begin + address.range.count, part.end());
    if (from >= until) continue;
    out.push_back({static_cast<std::uint32_t>(from - origin),
                   {address.range.device, address.range.first + (from - begin),
                    static_cast<std::uint32_t>(until - from)}});
  }
}

}  // namespace

void BioQueue::queue(const SectorRange& range, const Task& task, HostTsc at) {
  if (range.count == 0) return;
  if (Entry* const known = announced(range, task.tid)) {
    known->announced = false;
    if (known->bio.task.name().empty()) {  // as of a remap, before which nothing was seen
      known->bio.task = task;
      known->bio.at = at;
    }
    return;
  }
  // What was passed on from here before is over, or its last copies are on their way.
  const auto [from, until] = places_.equal_range({range.device, range.first});
  for (auto place = from; place != until;) {
    Entry& entry = *(place++)->second;
    if (entry.passed_on) erase(entry);
  }
  add({range, at, task, {}});
}

void BioQueue::insert(Bio bio) {
  if (bio.range.count != 0) add(std::move(bio));
}

bool BioQueue::has_bio_at(const SectorRange& range) const {
  const auto [from, until] = places_.equal_range({range.device, range.first});
  return std::any_of(from, until, [](const auto& place) { return !place.second->passed_on; });
}

void BioQueue::remap(const SectorRange& lower, const SectorRange& upper, const Task& task, HostTsc at) {
  if (lower.count == 0) return;
  if (Entry* const from = bio_of(upper)) {
    Bio bio{lower, from->bio.at, from->bio.task, {}};
    append_above(from->bio.above, from->bio.range, upper, upper.first, bio.above);
    if (bio.above.size() < kMaxAbove) bio.above.push_back({0, upper});
    pass_on(*from, upper.count);
    announce(std::move(bio), task.tid);
    return;
  }
  if (Entry* const partition = announced({lower.device, upper.first, upper.count}, task.tid)) {
    // The step before named the disk and meant its partition. RAIDs may leave it to another thread to go on.
    Bio bio = std::move(partition->bio);
    bio.range = lower;
    erase(*partition);
    announce(std::move(bio), task.tid);
    return;
  }
  announce({lower, at, task, {{0, upper}}}, task.tid);
}

BioQueue::Taken BioQueue::take(const SectorRange& request) {
  Taken taken;
  for (auto place = reaching(request);
       place != places_.end() && place->first < std::pair(request.device, request.end());) {
    Entry& entry = *(place++)->second;
    const Bio& bio = entry.bio;
    if (entry.passed_on || !bio.range.overlaps(request)) continue;
    const std::uint64_t from = std::max(bio.range.first, request.first);
    const auto count = static_cast<std::uint32_t>(std::min(bio.range.end(), request.end()) - from);
    append_above(bio.above, bio.range, {request.device, from, count}, request.first, taken.above);
    if (!taken.queued || bio.at < *taken.queued) {
      taken.queued = bio.at;
      taken.task = bio.task;
    }
    entry.left -= std::min(entry.left, count);
    if (entry.left == 0) erase(entry);
  }
  return taken;
}

void BioQueue::clear() {
  places_.clear();
  waiting_.clear();
  passed_on_.clear();
  longest_ = 0;
}

BioQueue::Entry& BioQueue::add(Bio bio) {
  if (places_.empty()) longest_ = 0;
  if (waiting_.size() >= kMaxBios) erase(waiting_.front());  // of a device whose requests are not seen
  longest_ = std::min(kLongest, std::max(longest_, bio.range.count));
  Entry& entry = waiting_.emplace_back();
  entry.left = bio.range.count;
  entry.bio = std::move(bio);
  entry.place =
      places_.emplace(std::pair(entry.bio.range.device, entry.bio.range.first), std::prev(waiting_.end()));
  return entry;
}

void BioQueue::announce(Bio bio, std::int32_t thread) {
  Entry& entry = add(std::move(bio));
  entry.announced = true;
  entry.remapped_by = thread;
}

void BioQueue::erase(Entry& entry) {
  const Entries::iterator at = entry.place->second;
  places_.erase(entry.place);
  (entry.passed_on ? passed_on_ : waiting_).erase(at);
}

void BioQueue::pass_on(Entry& entry, std::uint32_t count) {
  if (entry.passed_on) return;
  entry.left -= std::min(entry.left, count);
  if (entry.left > 0) return;
  if (passed_on_.size() >= kMaxPassedOn) erase(passed_on_.front());
  entry.passed_on = true;
  passed_on_.splice(passed_on_.end(), waiting_, entry.place->second);
}

BioQueue::Places::iterator BioQueue::reaching(const SectorRange& range) {
  const std::uint64_t back = std::min<std::uint64_t>(range.first, longest_);
  return places_.lower_bound({range.device, range.first - back});
}

BioQueue::Entry* BioQueue::bio_of(const SectorRange& part) {
  Entry* found = nullptr;
  for (auto place = reaching(part);
       place != places_.end() && place->first <= std::pair(part.device, part.first); ++place) {
    Entry& entry = *place->second;
    if (entry.bio.range.end() < part.end()) continue;
    if (found == nullptr || (found->passed_on && !entry.passed_on)) found = &entry;
  }
  return found;
}

BioQueue::Entry* BioQueue::announced(const SectorRange& range, std::int32_t thread) {
  Entry* found = nullptr;
  const auto [from, until] = places_.equal_range({range.device, range.first});
  for (auto place = from; place != until; ++place) {
    Entry& entry = *place->second;
    if (!entry.announced || entry.passed_on || entry.bio.range.count != range.count) continue;
    if (entry.remapped_by == thread) return &entry;
    if (found == nullptr) found = &entry;
  }
  return found;
}

}  // namespace ivtrace::model
