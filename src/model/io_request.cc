#include "model/io_request.h"

#include <algorithm>

namespace ivtrace::model {

const char* to_string(IoPhaseKind kind) {
  static constexpr std::array<const char*, kIoPhases> kNames = {
      "guest_queue", "to_qemu",  "qemu_to_host",     "to_host", "host_queue",  "device",
      "qemu_call",   "to_guest", "guest_completion", "return",  "unattributed"};
  return kNames[static_cast<std::size_t>(kind)];
}

const char* to_string(IoTie tie) {
  switch (tie) {
    case IoTie::kAddress:
      return "address";
    case IoTie::kOrder:
      return "order";
    case IoTie::kNoHostIo:
      return "no-host-io";
    case IoTie::kLost:
      return "lost";
    case IoTie::kUntied:
      return "untied";
  }
  return "?";
}

std::vector<IoPhase> IoRequest::phases() const {
  std::vector<IoPhase> phases;
  HostTsc at = begin();
  const auto until = [&](IoPhaseKind kind, HostTsc end) {
    if (end > at) phases.push_back({kind, at, end});
    at = std::max(at, end);
  };
  until(IoPhaseKind::kGuestQueue, guest.issued);
  if (tie != IoTie::kAddress && tie != IoTie::kOrder) {
    until(IoPhaseKind::kUnattributed, end());
    return phases;
  }
  if (submitted) until(IoPhaseKind::kToQemu, *submitted);
  HostTsc served = host_completed;
  if (host_requests > 0) {
    until(submitted ? IoPhaseKind::kQemuToHost : IoPhaseKind::kToHost, host_queued);
    until(IoPhaseKind::kHostQueue, host_issued);
    until(IoPhaseKind::kDevice, host_completed);
  } else {
    served = returned.value_or(at);
    until(IoPhaseKind::kQemuCall, served);
  }
  if (interrupt && *interrupt >= served) {
    until(IoPhaseKind::kToGuest, *interrupt);
    until(IoPhaseKind::kGuestCompletion, end());
  } else {
    until(IoPhaseKind::kReturn, end());
  }
  return phases;
}

}  // namespace ivtrace::model
