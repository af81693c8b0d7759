// The agent's heartbeat while it works on a request.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "ring/producer.h"

namespace ivtrace::agent {

/// Beats for as long as it lives, from a thread of its own: arming probes or reading the kernel's tables can
/// take an emulated guest longer than the silence after which the host takes an agent for dead. Borrows the
/// producer.
class Pulse {
 public:
  explicit Pulse(ring::Producer& producer);
  ~Pulse();
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

 private:
  void beat();

  ring::Producer* producer_;
  std::mutex mutex_;
  std::condition_variable end_;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace ivtrace::agent
