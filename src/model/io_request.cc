#include "model/io_request.h"

#include <algorithm>

namespace ivtrace::model {

const char* to_string(IoPhaseKind kind) {
  static constexpr std::array<const char*, kIoPhases> kNames = {
      "guest_queue", "to_qemu",  "virtqueue",        "qemu_block",   "qemu_to_host",    "to_host",
      "host_queue",  "device",   "qemu_call",        "qemu_request", "qemu_completion", "qemu_notify",
      "interrupt",   "to_guest", "guest_completion", "return",       "unattributed"};
  return kNames[static_cast<std::size_t>(kind)];
}

const char* to_string(IoTie tie) {
  switch (tie) {
    case IoTie::kAddress:
      return "address";
    case IoTie::kOrder:
      return "order";
    case IoTie::kQemu:
      return "qemu";
    case IoTie::kNoHostIo:
      return "no-host-io";
    case IoTie::kLost:
      return "lost";
    case IoTie::kUntied:
      return "untied";
  }
  return "?";
}

namespace {

/// Stretches that follow each other from a moment on.
class Way {
 public:
  explicit Way(HostTsc from) : at_(from) {}
  HostTsc at() const { return at_; }
  void until(IoPhaseKind kind, HostTsc end) {
    if (end > at_) phases_.push_back({kind, at_, end});
    at_ = std::max(at_, end);
  }
  std::vector<IoPhase> take() { return std::move(phases_); }

 private:
  HostTsc at_;
  std::vector<IoPhase> phases_;
};

/// From the guest's driver, or QEMU's block layer, until the host has done its part.
void go_through_host(const IoRequest& request, Way& way) {
  const bool from_qemu = request.qemu.has_value();
  // A call that began before QEMU had the request did not begin for it.
  const bool call = request.submitted && (!from_qemu || *request.submitted >= request.qemu->entered);
  if (call) way.until(from_qemu ? IoPhaseKind::kQemuBlock : IoPhaseKind::kToQemu, *request.submitted);
  if (request.host_requests > 0) {
    way.until(call ? IoPhaseKind::kQemuToHost : IoPhaseKind::kToHost, request.host_queued);
    way.until(IoPhaseKind::kHostQueue, request.host_issued);
    way.until(IoPhaseKind::kDevice, request.host_completed);
  } else {
    way.until(IoPhaseKind::kQemuCall, request.returned.value_or(way.at()));
  }
}

/// From there until the guest has it.
void go_back(const IoRequest& request, HostTsc served, Way& way) {
  const std::optional<QemuTimes>& qemu = request.qemu;
  if (qemu && qemu->pushed) {
    way.until(IoPhaseKind::kQemuCompletion, *qemu->pushed);
    served = std::max(served, *qemu->pushed);
  }
  const bool interrupted = request.interrupt && *request.interrupt >= served;
  // A guest that looks into the queue for another reason does not wait for the notification.
  const bool notified =
      qemu && qemu->notified && (!request.interrupt || *request.interrupt >= *qemu->notified);
  if (notified) way.until(IoPhaseKind::kQemuNotify, *qemu->notified);
  if (interrupted) {
    way.until(notified ? IoPhaseKind::kInterrupt : IoPhaseKind::kToGuest, *request.interrupt);
    way.until(IoPhaseKind::kGuestCompletion, request.end());
  } else {
    way.until(IoPhaseKind::kReturn, request.end());
  }
}

}  // namespace

std::vector<IoPhase> IoRequest::phases() const {
  Way way(begin());
  way.until(IoPhaseKind::kGuestQueue, guest.issued);
  if (qemu) way.until(IoPhaseKind::kVirtqueue, qemu->entered);
  const bool served_by_call = host_requests > 0 || returned;
  if (tie == IoTie::kAddress || tie == IoTie::kOrder || (tie == IoTie::kQemu && served_by_call)) {
    go_through_host(*this, way);
    go_back(*this, host_requests > 0 ? host_completed : returned.value_or(way.at()), way);
  } else if (qemu && qemu->pushed) {
    way.until(IoPhaseKind::kQemuRequest, *qemu->pushed);
    go_back(*this, *qemu->pushed, way);
  } else {
    way.until(IoPhaseKind::kUnattributed, end());
  }
  return way.take();
}

}  // namespace ivtrace::model
