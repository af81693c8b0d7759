// A QMP client with limits: QEMU's machine protocol, one JSON object per line (QEMU
// docs/interop/qmp-spec.rst).
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "base/units.h"

namespace ivtrace::hypervisor {

/// One connection to a QMP server on a UNIX socket. Owns the descriptor; the connection ends with the object,
/// and should end soon, since the server serves one client at a time. One thread.
class QmpConnection {
 public:
  /// Connects, takes the greeting, leaves negotiation mode. Each step takes at most `step_limit`, all that is
  /// done with the object at most `total_limit`. kBusy: somebody else is served. kCorrupt: what answers is no
  /// QMP.
  static Result<QmpConnection> open(const std::string& path, Nanoseconds step_limit, Nanoseconds total_limit);

  /// What the command returned. kNotFound when QEMU answers with an error (no such command, object or
  /// property), whose text is in the message; kTimeout, kCorrupt or kGone end the connection's use.
  /// `arguments` is a JSON object's text or empty. Events and answers to other questions are skipped; a reply
  /// has at most kMaxReply bytes.
  Result<nlohmann::json> execute(const std::string& command, const std::string& arguments = {});

  /// False after a failure that left the stream in an unknown state.
  bool usable() const { return fd_.valid(); }

  static constexpr std::size_t kMaxReply = 4u << 20;

 private:
  using Time = std::chrono::steady_clock::time_point;

  QmpConnection(UniqueFd fd, Nanoseconds step_limit, Time end);
  Time step_end() const;
  Status send(const std::string& text, Time end);
  Result<std::string> read_line(Time end);
  Result<nlohmann::json> read_message(Time end);

  UniqueFd fd_;
  Nanoseconds step_limit_;
  Time end_;
  std::string buffer_;
  std::uint64_t next_id_ = 1;
};

}  // namespace ivtrace::hypervisor
