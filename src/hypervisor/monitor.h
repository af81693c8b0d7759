// A guest's monitor as the rest of the program sees it: something that executes a QMP command. Behind it is
// QEMU's own socket, or libvirt where that holds the monitor.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"
#include "base/units.h"
#include "hypervisor/inventory.h"

namespace ivtrace::hypervisor {

/// One thread. What it is made of may be held by nobody else meanwhile, so it should end soon.
class MonitorConnection {
 public:
  virtual ~MonitorConnection() = default;

  /// What the command returned. kNotFound when QEMU answers with an error (no such command, object or
  /// property), whose text is in the message; kTimeout, kCorrupt or kGone end the connection's use.
  /// `arguments` is a JSON object's text or empty.
  virtual Result<nlohmann::json> execute(const std::string& command, const std::string& arguments = {}) = 0;

  /// False after a failure that left the connection in an unknown state.
  virtual bool usable() const = 0;
};

/// Opens what `monitor` names. Each step takes at most `step_limit`, all that is done with it at most
/// `total_limit`. Errors as those of QmpConnection::open(); kUnsupported when it names nothing.
Result<std::unique_ptr<MonitorConnection>> open_monitor(const Monitor& monitor, Nanoseconds step_limit,
                                                        Nanoseconds total_limit);

/// A QMP command's text, without a newline; `id` is left out when 0.
std::string qmp_command(const std::string& command, const std::string& arguments, std::uint64_t id);
/// "return" of a reply that answers `command`, or kNotFound with QEMU's reason.
Result<nlohmann::json> qmp_outcome(nlohmann::json reply, const std::string& command);

}  // namespace ivtrace::hypervisor
