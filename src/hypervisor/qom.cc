// Which bus takes a ring. Machine type pc hot-plugs into its one bus. On q35 nothing can be plugged into the
// root bus: each hot-pluggable slot is a root port of its own, which must have been there from the start, and
// whose window for prefetchable memory the firmware has laid out then: 2 MiB unless pref64-reserve= asks for
// more. A larger ring behind such a port is a device whose memory the guest's kernel cannot place ("BAR 2: no
// space"), so that port does not count.
#include "hypervisor/qom.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "hypervisor/qmp_facts.h"

namespace ivtrace::hypervisor {
namespace {

using nlohmann::json;

constexpr std::uint64_t kDefaultWindow = 2u << 20;
constexpr const char* kPorts = "/machine/peripheral";

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

/// An answer, null where QEMU answers with an error, an Error when the monitor is of no more use.
Result<json> ask(MonitorConnection& monitor, const std::string& command, const json& arguments) {
  auto answer = monitor.execute(command, dump(arguments));
  if (answer || monitor.usable()) return answer ? *std::move(answer) : json();
  return answer.error();
}

Result<json> get(MonitorConnection& monitor, const std::string& path, const std::string& property) {
  return ask(monitor, "qom-get", {{"path", path}, {"property", property}});
}

Result<json> list(MonitorConnection& monitor, const std::string& path) {
  return ask(monitor, "qom-list", {{"path", path}});
}

bool occupied(const json& bus_properties) {
  if (!bus_properties.is_array()) return true;
  return std::any_of(bus_properties.begin(), bus_properties.end(),
                     [](const json& property) { return text_of(property, "name").starts_with("child["); });
}

struct Port {
  std::string bus;
  std::uint64_t window = 0;
};

/// The port's bus when something can be plugged into it now.
Result<std::optional<Port>> free_port(MonitorConnection& monitor, const std::string& path) {
  IVT_ASSIGN_OR_RETURN(const json hotplug, get(monitor, path, "hotplug"));
  if (hotplug.is_boolean() && !hotplug.get<bool>()) return std::optional<Port>();
  IVT_ASSIGN_OR_RETURN(const json properties, list(monitor, path));
  const std::vector<std::string> buses = children_of(properties, path, "PCIE");
  if (buses.empty()) return std::optional<Port>();
  IVT_ASSIGN_OR_RETURN(const std::string handler, qom_text(monitor, buses.front(), "hotplug-handler"));
  IVT_ASSIGN_OR_RETURN(const json plugged, list(monitor, buses.front()));
  if (handler.empty() || occupied(plugged)) return std::optional<Port>();
  IVT_ASSIGN_OR_RETURN(const auto reserved, qom_number(monitor, path, "pref64-reserve"));
  const bool asked_for = reserved && *reserved != ~0ull;  // all ones: left to the firmware
  return std::optional(
      Port{buses.front().substr(buses.front().rfind('/') + 1), asked_for ? *reserved : kDefaultWindow});
}

Error no_port(const std::optional<Port>& too_small, std::uint64_t bytes) {
  const std::string get_one =
      "start the guest with -device "
      "pcie-root-port,id=ivport,chassis=99,pref64-reserve=64M; nothing was changed";
  if (!too_small) {
    return Error(ErrorCode::kUnsupported,
                 "the guest's machine type is q35, and it has no free, hot-pluggable root port with an id",
                 get_one);
  }
  return Error(ErrorCode::kUnsupported,
               "the free root port " + too_small->bus + " has room for " + format_size(too_small->window) +
                   ", not for a ring of " + format_size(bytes),
               "attach with --size " + std::to_string(too_small->window >> 20) + "M, or " + get_one);
}

/// The free port with the smallest window that is wide enough. Ports without an id do not count: their buses
/// share one name.
Result<std::string> find_root_port(MonitorConnection& monitor, std::uint64_t bytes) {
  IVT_ASSIGN_OR_RETURN(const json devices, list(monitor, kPorts));
  std::optional<Port> best;
  std::optional<Port> too_small;
  for (const std::string& path : children_of(devices, kPorts, "pcie-root-port")) {
    IVT_ASSIGN_OR_RETURN(const std::optional<Port> port, free_port(monitor, path));
    if (!port) continue;
    if (port->window < bytes) {
      if (!too_small || port->window > too_small->window) too_small = port;
    } else if (!best || port->window < best->window) {
      best = port;
    }
  }
  if (!best) return no_port(too_small, bytes);
  return best->bus;
}

}  // namespace

Result<std::string> qom_text(MonitorConnection& monitor, const std::string& path,
                             const std::string& property) {
  IVT_ASSIGN_OR_RETURN(const json value, get(monitor, path, property));
  return text_of(value);
}

Result<std::optional<std::uint64_t>> qom_number(MonitorConnection& monitor, const std::string& path,
                                                const std::string& property) {
  IVT_ASSIGN_OR_RETURN(const json value, get(monitor, path, property));
  if (!value.is_number_unsigned()) return std::optional<std::uint64_t>();
  return std::optional(value.get<std::uint64_t>());
}

Result<bool> qom_has(MonitorConnection& monitor, const std::string& parent, const std::string& name) {
  IVT_ASSIGN_OR_RETURN(const json children, list(monitor, parent));
  return children.is_array() && std::any_of(children.begin(), children.end(), [&](const json& child) {
           return text_of(child, "name") == name;
         });
}

Result<std::string> find_ring_bus(MonitorConnection& monitor, std::uint64_t bytes) {
  IVT_ASSIGN_OR_RETURN(const std::string machine, qom_text(monitor, "/machine", "type"));
  if (machine.find("i440fx") != std::string::npos) return std::string("pci.0");
  if (machine.find("q35") != std::string::npos) return find_root_port(monitor, bytes);
  return Error(ErrorCode::kUnsupported,
               "the guest's machine type" + (machine.empty() ? std::string() : " (" + machine + ")") +
                   " cannot be given a PCI device while it runs",
               "rings are plugged into pc and q35; nothing was changed");
}

}  // namespace ivtrace::hypervisor
