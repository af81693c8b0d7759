#include "model/block_requests.h"

#include <algorithm>

namespace ivtrace::model {

BlockRequests::Change BlockRequests::look(const BlockEvents::Seen& seen, HostTsc at) {
  using Step = BlockEvents::Step;
  Change change;
  switch (seen.step) {
    case Step::kQueue:
      bios_.queue(seen.range, seen.task, at);
      break;
    case Step::kRemap:
      bios_.remap(seen.range, seen.above, seen.task, at);
      break;
    case Step::kInsert:
      // Its bio was seen, if there is one, and earlier.
      if (!bios_.has_bio_at(seen.range)) bios_.insert({seen.range, at, seen.task, {}});
      break;
    case Step::kIssue:
      change.issued = &issue(seen, at);
      break;
    case Step::kRequeue: {
      // It goes back to the queue and will be issued again: its first issue was none.
      const auto found = find(seen);
      if (found == open_.end()) break;
      bios_.insert({found->second.range, found->second.queued.value_or(found->second.issued),
                    found->second.task, found->second.above});
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

BlockRequest& BlockRequests::issue(const BlockEvents::Seen& seen, HostTsc at) {
  if (open_.size() >= kMaxOpen) forget();
  BioQueue::Taken bios = bios_.take(seen.range);
  BlockRequest request;
  request.number = ++count_;
  request.range = seen.range;
  request.direction = seen.direction;
  request.task = bios.queued ? bios.task : seen.task;
  request.queued = bios.queued;
  request.issued = at;
  request.above = std::move(bios.above);
  return open_.emplace(key_of(seen), std::move(request))->second;
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
  bios_.clear();
}

}  // namespace ivtrace::model
