// One tracer on its way to be started: read or compiled on this host, or compiled by the machine itself.
//
//   HERE ── a thread reads or compiles ──▶ made, or failed
//     └── this host cannot compile for that kernel ──▶ THERE ── the guest's agent compiles ──▶ made, or
//     failed
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "base/result.h"
#include "record/recorder.h"
#include "record/tracer_port.h"
#include "record/tracer_prepare.h"

namespace ivtrace::record {

/// Owns its thread, as compiling takes minutes. One thread, the port's; `notice` is called from any.
class TracerPreparation {
 public:
  using Notice = std::function<void(const std::string&)>;

  /// `id` is the tracer's on its machine.
  TracerPreparation(std::uint32_t id, TracerRequest request, TracerMachine machine, Notice notice);
  /// Gives up what is not done.
  ~TracerPreparation();

  /// Goes on with what the port's thread must do. Something once it is over, and then not again.
  std::optional<Result<PreparedTracer>> look(TracerPort& port);
  /// Whether a poll of the port is due, whose state of this tracer take() wants.
  bool wants_poll();
  void take(const format::TracerState& state);
  void give_up() { give_up_ = true; }

 private:
  void leave_to_machine(TracerPort& port);
  Error both_cannot(const Error& there) const;

  const std::uint32_t id_;
  const TracerRequest request_;
  const Notice notice_;
  std::atomic<bool> give_up_{false};
  std::atomic<bool> done_{false};
  Result<PreparedTracer> made_ = Error(ErrorCode::kGone, "it was not prepared");  // the thread's until done_
  bool there_ = false;  // the machine compiles, or has compiled
  std::optional<Result<PreparedTracer>> settled_;
  bool said_ = false;  // that the machine does it
  std::string told_;   // the machine's last word on its progress
  std::chrono::steady_clock::time_point next_poll_{};
  std::thread thread_;
};

}  // namespace ivtrace::record
