#include "hypervisor/command_line.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "hypervisor/throttle.h"

namespace ivtrace::hypervisor {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxKeys = 256;
constexpr std::size_t kMaxItems = 1024;
constexpr int kMaxDepth = 8;

struct Option {
  std::string name;
  std::string text;
};

void flatten(const json& value, const std::string& key, OptionValues& values, int depth) {
  if (values.size() >= kMaxKeys || depth > kMaxDepth) return;
  if (value.is_object() || value.is_array()) {
    std::size_t index = 0;
    for (auto item = value.begin(); item != value.end(); ++item, ++index) {
      const std::string part = value.is_object() ? item.key() : std::to_string(index);
      flatten(*item, key.empty() ? part : key + "." + part, values, depth + 1);
    }
  } else if (value.is_string()) {
    values[key] = value.get<std::string>();
  } else if (value.is_boolean()) {
    values[key] = value.get<bool>() ? "on" : "off";
  } else if (value.is_number()) {
    values[key] = value.dump();
  }
}

std::string get(const OptionValues& values, const std::string& key, const std::string& otherwise = {}) {
  const auto found = values.find(key);
  return found == values.end() ? otherwise : found->second;
}

bool is_on(const OptionValues& values, const std::string& key) {
  const std::string value = get(values, key, "off");
  return value == "on" || value == "yes" || value == "true";
}

/// -device and -blockdev and -object as JSON or as key=value.
OptionValues parse_any(const std::string& text, const std::string& implied_key) {
  if (!text.starts_with("{")) return parse_option(text, implied_key);
  OptionValues values;
  const json parsed = json::parse(text, nullptr, false);
  if (parsed.is_object()) flatten(parsed, "", values, 0);
  return values;
}

std::vector<Option> options_of(const std::vector<std::string>& arguments) {
  std::vector<Option> options;
  for (std::size_t i = 0; i < arguments.size() && options.size() < kMaxItems; ++i) {
    std::string_view name = arguments[i];
    if (name.size() < 2 || name.front() != '-') continue;
    name.remove_prefix(name.starts_with("--") ? 2 : 1);
    // An option without a value is followed by the next option: no value that matters here starts with a
    // dash.
    Option option{std::string(name), {}};
    if (i + 1 < arguments.size() && !arguments[i + 1].starts_with("-")) option.text = arguments[++i];
    options.push_back(std::move(option));
  }
  return options;
}

/// "unix:/path,server=on,wait=off", as -qmp, -monitor and -serial take it.
std::optional<std::string> unix_socket_of(std::string_view text) {
  if (!text.starts_with("unix:")) return std::nullopt;
  const OptionValues values = parse_option(text.substr(5), "path");
  const std::string server = get(values, "server", "off");
  if (server == "off" || server == "no")
    return std::nullopt;  // QEMU is the client there: nobody can connect to it
  return get(values, "path");
}

Disk disk_of_drive(const OptionValues& drive) {
  Disk disk;
  disk.device = get(drive, "id", get(drive, "node-name"));
  disk.path = get(drive, "file", get(drive, "file.filename", get(drive, "file.file.filename")));
  disk.format = get(drive, "format", get(drive, "driver"));
  // The documented defaults (qemu(1), -drive).
  disk.aio = get(drive, "aio", get(drive, "file.aio", "threads"));
  disk.cache = get(drive, "cache");
  if (disk.cache.empty())
    disk.cache = cache_mode(true, is_on(drive, "cache.direct"), is_on(drive, "cache.no-flush"));
  return disk;
}

/// Limits by the name of their -object throttle-group.
using ThrottleGroups = std::map<std::string, format::DiskLimits>;

std::uint64_t number_of(const OptionValues& values, const std::string& key) {
  const auto number = parse_u64(get(values, key, "0"));
  return number ? *number : 0;
}

/// Of an -object throttle-group: "x-iops-total" as an option of its own, or all six below "limits".
format::DiskLimits limits_of_group(const OptionValues& object) {
  const auto below = [&](const char* prefix) {
    return throttle_limits(kThrottleNames,
                           [&](const std::string& name) { return number_of(object, prefix + name); });
  };
  return format::tightest(below("x-"), below("limits."));
}

/// Of a -drive itself, without the filters below it.
format::DiskLimits limits_of_drive(const OptionValues& drive) {
  const auto limits = throttle_limits(
      kThrottleNames, [&](const std::string& name) { return number_of(drive, "throttling." + name); });
  return format::tightest(limits, throttle_limits(kShortThrottleNames, [&](const std::string& name) {
                            return number_of(drive, name);
                          }));
}

/// What the throttle filters of a node and of those written inside of it let through.
format::DiskLimits limits_of_filters(const OptionValues& node, const ThrottleGroups& groups) {
  format::DiskLimits limits;
  for (const auto& [key, value] : node) {
    // A backing file's filter limits only what is read from there.
    const bool names_group = key == "throttle-group" || key.ends_with(".throttle-group");
    if (!names_group || key.starts_with("backing.")) continue;
    if (const auto group = groups.find(value); group != groups.end())
      limits = format::tightest(limits, group->second);
  }
  return limits;
}

/// Gathers blockdev nodes; a disk is a node that no other node has below itself.
class BlockGraph {
 public:
  void add_node(OptionValues node) {
    const std::string name = get(node, "node-name");
    if (!name.empty() && nodes_.size() < kMaxItems) nodes_[name] = std::move(node);
  }

  std::vector<Disk> disks(const ThrottleGroups& groups) const {
    std::map<std::string, bool> below;
    for (const auto& [name, node] : nodes_) {
      for (const char* key : {"file", "backing", "data-file"}) {
        if (const std::string child = get(node, key); !child.empty()) below[child] = true;
      }
    }
    std::vector<Disk> disks;
    for (const auto& [name, node] : nodes_) {
      if (!below.contains(name)) disks.push_back(disk_of(name, node, groups));
    }
    return disks;
  }

 private:
  Disk disk_of(const std::string& name, const OptionValues& top, const ThrottleGroups& groups) const {
    Disk disk;
    disk.device = name;
    disk.limits = limits_of_filters(top, groups);
    // Filters and formats have their protocol node below them, inline or by name; a loop of names ends with
    // the bound.
    OptionValues node = top;
    std::string prefix;
    for (int depth = 0; depth < kMaxDepth; ++depth) {
      const std::string driver = get(node, prefix + "driver");
      if (disk.format.empty() && !is_block_filter(driver)) disk.format = driver;
      const std::string named = get(node, prefix + "file");
      if (const auto next = nodes_.find(named); next != nodes_.end()) {
        node = next->second;
        prefix.clear();
        disk.limits = format::tightest(disk.limits, limits_of_filters(node, groups));
      } else if (node.contains(prefix + "file.driver")) {
        prefix += "file.";
      } else {
        break;
      }
    }
    disk.path = get(node, prefix + "filename");
    disk.aio = get(node, prefix + "aio", "threads");
    disk.cache =
        cache_mode(true, is_on(node, prefix + "cache.direct"), is_on(node, prefix + "cache.no-flush"));
    const std::string driver = get(node, prefix + "driver");
    if (disk.format == driver && (driver == "file" || driver == "host_device")) disk.format = "raw";
    return disk;
  }

  std::map<std::string, OptionValues> nodes_;
};

struct Parts {
  CommandLine result;
  std::vector<OptionValues> drives;
  ThrottleGroups throttle_groups;
  BlockGraph blocks;
  std::map<std::string, OptionValues> memory;  ///< -object memory-backend-file by id
  std::vector<std::string> ring_memory;        ///< memdev of each ivshmem-plain
  std::map<std::string, OptionValues> chardevs;
  std::vector<OptionValues> monitors;
  std::string agent_chardev;  ///< behind the guest agent's port
};

void take_qmp(const std::string& text, Parts& parts) {
  if (auto path = unix_socket_of(text)) {
    parts.result.qmp_sockets.push_back(std::move(*path));
  } else if (text.starts_with("chardev:")) {
    parts.monitors.push_back({{"chardev", text.substr(8)}, {"mode", "control"}});
  } else {
    parts.result.unknown.push_back("the QMP monitor is no UNIX socket: " + text);
  }
}

void take_drive(const OptionValues& drive, Parts& parts) {
  const Disk disk = disk_of_drive(drive);
  const std::string interface = get(drive, "if");
  if (disk.path.empty() || interface == "pflash" || interface == "floppy" || get(drive, "media") == "cdrom")
    return;
  parts.drives.push_back(drive);
}

void take_object(OptionValues object, Parts& parts) {
  const std::string type = get(object, "qom-type");
  if (type == "throttle-group") parts.throttle_groups[get(object, "id")] = limits_of_group(object);
  if (type == "memory-backend-file") parts.memory[get(object, "id")] = std::move(object);
}

void take_device(const OptionValues& device, Parts& parts) {
  const std::string driver = get(device, "driver");
  if (driver == "ivshmem-plain") parts.ring_memory.push_back(get(device, "memdev"));
  if (driver == "virtserialport" && get(device, "name") == "org.qemu.guest_agent.0") {
    parts.result.has_agent_port = true;
    parts.agent_chardev = get(device, "chardev");
  }
}

void take_machine(const std::string& text, Parts& parts) {
  const OptionValues machine = parse_option(text, "type");
  if (const std::string accel = get(machine, "accel"); !accel.empty())
    parts.result.accel = accel.substr(0, accel.find(':'));
}

void take(const Option& option, Parts& parts) {
  CommandLine& result = parts.result;
  if (option.name == "name") {
    result.name = get(parse_option(option.text, "guest"), "guest");
  } else if (option.name == "uuid") {
    result.uuid = option.text;
  } else if (option.name == "smp") {
    const OptionValues smp = parse_option(option.text, "cpus");
    if (const auto cpus = parse_u64(get(smp, "cpus")); cpus && *cpus <= 8192)
      result.cpus = static_cast<std::uint32_t>(*cpus);
  } else if (option.name == "accel") {
    // Several -accel are tried in turn; which one it became, the monitor or the vCPU threads' names tell.
    const std::string accel = get(parse_option(option.text, "accel"), "accel");
    result.accel = result.accel.empty() || result.accel == accel ? accel : "";
  } else if (option.name == "enable-kvm") {
    result.accel = "kvm";
  } else if (option.name == "machine" || option.name == "M") {
    take_machine(option.text, parts);
  } else if (option.name == "drive") {
    take_drive(parse_option(option.text, "file"), parts);
  } else if (option.name == "hda" || option.name == "hdb" || option.name == "hdc" || option.name == "hdd") {
    take_drive({{"file", option.text}, {"id", option.name}}, parts);
  } else if (option.name == "blockdev") {
    parts.blocks.add_node(parse_any(option.text, "driver"));
  } else if (option.name == "device") {
    take_device(parse_any(option.text, "driver"), parts);
  } else if (option.name == "object") {
    take_object(parse_any(option.text, "qom-type"), parts);
  } else if (option.name == "chardev") {
    OptionValues chardev = parse_option(option.text, "backend");
    parts.chardevs[get(chardev, "id")] = std::move(chardev);
  } else if (option.name == "mon") {
    parts.monitors.push_back(parse_option(option.text, "chardev"));
  } else if (option.name == "qmp" || option.name == "qmp-pretty") {
    take_qmp(option.text, parts);
  }
}

/// Drives of one throttling.group share its limits: those that the last of them says.
void tie_drives(Parts& parts) {
  ThrottleGroups shared;
  for (const OptionValues& drive : parts.drives) {
    const format::DiskLimits limits = limits_of_drive(drive);
    const std::string group = get(drive, "throttling.group");
    if (limits.any() && !group.empty()) shared[group] = limits;
  }
  for (const OptionValues& drive : parts.drives) {
    Disk disk = disk_of_drive(drive);
    disk.limits = limits_of_drive(drive);
    // Without a limit of its own it is no member.
    if (const auto group = shared.find(get(drive, "throttling.group"));
        group != shared.end() && disk.limits.any())
      disk.limits = group->second;
    disk.limits = format::tightest(disk.limits, limits_of_filters(drive, parts.throttle_groups));
    parts.result.disks.push_back(std::move(disk));
  }
}

void tie_rings(Parts& parts) {
  for (const std::string& id : parts.ring_memory) {
    const auto memory = parts.memory.find(id);
    if (memory == parts.memory.end()) {
      parts.result.unknown.push_back("the memory of ivshmem-plain is no file: " + id);
      continue;
    }
    if (!is_on(memory->second, "share")) {
      parts.result.unknown.push_back("the memory of ivshmem-plain is not shared (share=on): " + id);
      continue;
    }
    RingBacking ring;
    ring.path = get(memory->second, "mem-path");
    if (const auto bytes = parse_size(get(memory->second, "size"))) ring.bytes = *bytes;
    parts.result.rings.push_back(ring);
  }
}

/// Path of the UNIX socket on which QEMU listens for that chardev, or "".
std::string socket_path(const OptionValues& chardev) {
  const bool listens = get(chardev, "backend") == "socket" && get(chardev, "server", "off") != "off";
  return listens ? get(chardev, "path") : std::string();
}

void tie_monitors(Parts& parts) {
  for (const OptionValues& monitor : parts.monitors) {
    if (get(monitor, "mode", "readline") != "control") continue;
    const auto chardev = parts.chardevs.find(get(monitor, "chardev"));
    if (chardev == parts.chardevs.end()) continue;
    const std::string path = socket_path(chardev->second);
    if (!path.empty()) {
      parts.result.qmp_sockets.push_back(path);
    } else {
      parts.result.monitor_is_held = true;
    }
  }
}

}  // namespace

OptionValues parse_option(std::string_view text, const std::string& implied_key) {
  OptionValues values;
  bool first = true;
  std::size_t at = 0;
  while (at < text.size() && values.size() < kMaxKeys) {
    std::string part;
    for (; at < text.size(); ++at) {
      if (text[at] != ',') {
        part += text[at];
      } else if (at + 1 < text.size() && text[at + 1] == ',') {
        part += ',';
        ++at;
      } else {
        break;
      }
    }
    ++at;  // the comma
    const std::size_t equals = part.find('=');
    if (equals != std::string::npos) {
      values[part.substr(0, equals)] = part.substr(equals + 1);
    } else if (first && !implied_key.empty()) {
      values[implied_key] = part;
    } else if (part.starts_with("no") && part.size() > 2) {
      values[part] = "on";
      values[part.substr(2)] = "off";
    } else if (!part.empty()) {
      values[part] = "on";
    }
    first = false;
  }
  return values;
}

std::string cache_mode(bool writeback, bool direct, bool no_flush) {
  if (no_flush) return "unsafe";
  if (direct) return writeback ? "none" : "directsync";
  return writeback ? "writeback" : "writethrough";
}

bool is_block_filter(std::string_view driver) {
  return driver == "throttle" || driver == "copy-on-read" || driver == "compress" || driver == "preallocate";
}

CommandLine parse_command_line(const std::vector<std::string>& arguments) {
  Parts parts;
  for (const Option& option : options_of(arguments)) take(option, parts);
  tie_drives(parts);
  for (Disk& disk : parts.blocks.disks(parts.throttle_groups)) parts.result.disks.push_back(std::move(disk));
  tie_rings(parts);
  tie_monitors(parts);
  if (const auto chardev = parts.chardevs.find(parts.agent_chardev); chardev != parts.chardevs.end())
    parts.result.agent_socket = socket_path(chardev->second);
  return std::move(parts.result);
}

}  // namespace ivtrace::hypervisor
