#include "model/block_requests.h"

#include <algorithm>

namespace ivtrace::model {

BlockRequests::Change BlockRequests::look(const BlockEvents::Seen& seen, HostTsc at) {
  using Step = BlockEvents::Step;
  Change change;
  switch (seen.step) {
    case Step::kQueue:
    case Step::kInsert:
      want(seen, at);
      break;
    case Step::kIssue:
      change.issued = &issue(seen, at);
      break;
    case Step::kRequeue: {
      // It goes back to the queue and will be issued again: its first issue was none.
      const auto found = find(seen);
      if (found == open_.end()) break;
      wanted_.emplace(seen.range.first,
                      Wanted{found->second.range, found->second.queued.value_or(found->second.issued),
                             found->second.task});
      change.requeued = found->second;
      open_.erase(found);
      break;
    }
    case Step::kComplete:
      if (complete(seen, at)) change.completed = &completed_;
      break;
    case Step::kOther:
      break;
  }
  return change;
}

void BlockRequests::want(const BlockEvents::Seen& seen, HostTsc at) {
  if (seen.range.count == 0) return;
  if (seen.step == BlockEvents::Step::kInsert) {
    const auto [from, until] = wanted_.equal_range(seen.range.first);
    if (from != until) return;  // its bio was seen, and earlier
  }
  if (wanted_.size() >= kMaxOpen) wanted_.clear();  // bios of devices whose requests are not seen
  wanted_.emplace(seen.range.first, Wanted{seen.range, at, seen.task});
}

// A bio names its partition or device-mapper device, the request the whole device: sectors are compared, and
// the device only where several bios would fit.
BlockRequest& BlockRequests::issue(const BlockEvents::Seen& seen, HostTsc at) {
  if (open_.size() >= kMaxOpen) forget();
  BlockRequest request;
  request.number = ++count_;
  request.range = seen.range;
  request.direction = seen.direction;
  request.task = seen.task;
  request.issued = at;
  auto bio = wanted_.lower_bound(seen.range.first);
  while (bio != wanted_.end() && bio->first < seen.range.end()) {
    const Wanted& wanted = bio->second;
    const bool same_major = wanted.range.device >> 20 == seen.range.device >> 20;
    if (!same_major || wanted.range.end() > seen.range.end()) {
      ++bio;
      continue;
    }
    if (!request.queued || wanted.at < *request.queued) {
      request.queued = wanted.at;
      request.task = wanted.task;
    }
    bio = wanted_.erase(bio);
  }
  return open_.emplace(key_of(seen), request)->second;
}

// A flush is issued at sector 0 and done at sector -1.
BlockRequests::Key BlockRequests::key_of(const BlockEvents::Seen& seen) {
  return {seen.range.device, seen.direction == IoDirection::kFlush ? ~0ull : seen.range.first};
}

// Requests of other sizes may be open at the same sector. Equal ones stand in the order of their issue.
BlockRequests::Open::iterator BlockRequests::find(const BlockEvents::Seen& seen) {
  const auto [from, until] = open_.equal_range(key_of(seen));
  const auto found = std::find_if(from, until, [&](const auto& entry) {
    return entry.second.direction == seen.direction && entry.second.range.count == seen.range.count;
  });
  return found == until ? open_.end() : found;
}

bool BlockRequests::complete(const BlockEvents::Seen& seen, HostTsc at) {
  const auto found = find(seen);
  if (found == open_.end()) return false;
  completed_ = found->second;
  completed_.completed = at;
  open_.erase(found);
  return true;
}

void BlockRequests::forget() {
  forgotten_ += open_.size();
  open_.clear();
  wanted_.clear();
}

}  // namespace ivtrace::model
