#include "agent/pulse.h"

#include <chrono>

namespace ivtrace::agent {

namespace {
constexpr std::chrono::milliseconds kBetween{500};
}  // namespace

Pulse::Pulse(ring::Producer& producer) : producer_(&producer), thread_([this] { beat(); }) {}

Pulse::~Pulse() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  end_.notify_one();
  thread_.join();
}

void Pulse::beat() {
  std::unique_lock lock(mutex_);
  while (!end_.wait_for(lock, kBetween, [this] { return ended_; })) {
    if (producer_->intact()) producer_->heartbeat();
  }
}

}  // namespace ivtrace::agent
