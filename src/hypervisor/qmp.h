// A QMP client with limits: QEMU's machine protocol, one JSON object per line (QEMU
// docs/interop/qmp-spec.rst).
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"
#include "base/units.h"
#include "hypervisor/line_socket.h"
#include "hypervisor/monitor.h"

namespace ivtrace::hypervisor {

/// One connection to a QMP server on a UNIX socket. Owns the descriptor; the connection ends with the object,
/// and should end soon, since the server serves one client at a time. One thread.
class QmpConnection : public MonitorConnection {
 public:
  /// Connects, takes the greeting, leaves negotiation mode. Each step takes at most `step_limit`, all that is
  /// done with the object at most `total_limit`. kBusy: somebody else is served. kCorrupt: what answers is no
  /// QMP.
  static Result<QmpConnection> open(const std::string& path, Nanoseconds step_limit, Nanoseconds total_limit);

  /// Events and answers to other questions are skipped; a reply has at most LineSocket::kMaxLine bytes.
  Result<nlohmann::json> execute(const std::string& command, const std::string& arguments = {}) override;
  bool usable() const override { return socket_.open(); }

 private:
  using Time = LineSocket::Clock::time_point;

  QmpConnection(LineSocket socket, Nanoseconds step_limit, Time end);
  Time step_end() const;
  Result<nlohmann::json> read_message(Time end);

  LineSocket socket_;
  Nanoseconds step_limit_;
  Time end_;
  std::uint64_t next_id_ = 1;
};

}  // namespace ivtrace::hypervisor
