#include "record/guest_link.h"

#include <algorithm>

namespace ivtrace::record {
namespace {

constexpr std::uint64_t kPollBudget = 4u << 20;
constexpr std::chrono::microseconds kShortestWait{1'000};
constexpr std::chrono::microseconds kLongestWait{50'000};

}  // namespace

Status GuestLink::attach(From from) {
  const std::lock_guard lock(mutex_);
  if (ring_) return {};
  IVT_ASSIGN_OR_RETURN(ring_, ring::CopyRing::attach(*host_));
  if (from == From::kNextRecording) ring_->skip_all();
  return {};
}

bool GuestLink::attached() const {
  const std::lock_guard lock(mutex_);
  return ring_ != nullptr;
}

void GuestLink::expect_recording(std::uint64_t stream_generation) {
  const std::lock_guard lock(mutex_);
  if (ring_) ring_->skip_all();
  sink_.start_segments(stream_generation);
}

void GuestLink::resume_recording(std::uint64_t stream_generation, const std::vector<run::PagesFile>& files) {
  const std::lock_guard lock(mutex_);
  sink_.resume_segments(stream_generation, files);
}

bool GuestLink::poll() {
  const std::lock_guard lock(mutex_);
  if (!ring_) {
    if (host_) host_->beat();
    return false;
  }
  auto progress = ring_->poll(sink_, kPollBudget);
  error_ = progress ? std::string() : progress.error().to_string();
  return progress && progress->pieces > 0;
}

void GuestLink::drain(std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (poll() && std::chrono::steady_clock::now() < end) continue;
}

void GuestLink::finish() {
  drain(std::chrono::seconds(10));
  const std::lock_guard lock(mutex_);
  if (ring_) {
    if (Status told = ring_->finish(sink_); !told) error_ = told.error().to_string();
  }
  sink_.finish();
}

void GuestLink::release() {
  const std::lock_guard lock(mutex_);
  ring_.reset();
  host_.reset();
}

GuestLink::View GuestLink::view() const {
  const std::lock_guard lock(mutex_);
  View view;
  view.lost = host_ && host_->lost();
  view.bytes = sink_.bytes();
  view.lost_anything = sink_.lost_anything();
  view.over_share = sink_.over_share();
  view.error = error_;
  view.sizes = sink_.sizes();
  if (!ring_) return view;
  view.generation = ring_->generation();
  view.agent_alive = ring_->agent_alive();
  view.fill = ring_->fill();
  return view;
}

std::vector<ring::Heartbeat> GuestLink::take_heartbeats() {
  const std::lock_guard lock(mutex_);
  return ring_ ? ring_->take_heartbeats() : std::vector<ring::Heartbeat>();
}

RingPoller::RingPoller() : thread_([this] { run(); }) {}

RingPoller::~RingPoller() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

bool RingPoller::add(std::shared_ptr<GuestLink> link) {
  {
    const std::lock_guard lock(mutex_);
    if (turns_.size() >= kMaxLinks) return false;
    turns_.push_back({std::move(link), kShortestWait, Clock::now()});
  }
  changed_.notify_all();
  return true;
}

void RingPoller::remove(const std::shared_ptr<GuestLink>& link) {
  const std::lock_guard lock(mutex_);
  std::erase_if(turns_, [&](const Turn& turn) { return turn.link == link; });
}

void RingPoller::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    poll_due(lock);
    auto next = Clock::now() + kLongestWait;
    for (const Turn& turn : turns_) next = std::min(next, turn.due);
    if (turns_.empty()) {
      changed_.wait(lock);
    } else {
      changed_.wait_until(lock, next);
    }
  }
}

// Polls without the lock, so that adding a guest never waits for another one's disk writes.
void RingPoller::poll_due(std::unique_lock<std::mutex>& lock) {
  const auto now = Clock::now();
  std::vector<std::shared_ptr<GuestLink>> due;
  for (const Turn& turn : turns_) {
    if (turn.due <= now) due.push_back(turn.link);
  }
  for (const auto& link : due) {
    lock.unlock();
    const bool busy = link->poll();
    lock.lock();
    const auto turn =
        std::find_if(turns_.begin(), turns_.end(), [&](const Turn& one) { return one.link == link; });
    if (turn == turns_.end()) continue;
    turn->wait = busy ? kShortestWait : std::min(turn->wait * 2, kLongestWait);
    turn->due = Clock::now() + turn->wait;
    if (turn->wait < kLongestWait) continue;
    const auto since_epoch = turn->due.time_since_epoch();
    turn->due -= since_epoch % kLongestWait;  // the grid that idle links share
    if (turn->due <= now) turn->due += kLongestWait;
  }
}

}  // namespace ivtrace::record
