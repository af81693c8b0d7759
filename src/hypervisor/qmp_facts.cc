#include "hypervisor/qmp_facts.h"

#include <algorithm>
#include <climits>
#include <nlohmann/json.hpp>

#include "hypervisor/command_line.h"
#include "hypervisor/throttle.h"

namespace ivtrace::hypervisor {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxVcpus = 8192;
constexpr std::size_t kMaxDisks = 1024;
constexpr std::size_t kMaxChildren = 256;
constexpr std::size_t kMaxText = 4096;
constexpr int kMaxDepth = 8;

const json* member(const json& value, const std::string& key) {
  if (!value.is_object()) return nullptr;
  const auto found = value.find(key);
  return found == value.end() ? nullptr : &*found;
}

std::int32_t number_of(const json& value, const std::string& key) {
  const json* number = member(value, key);
  if (number == nullptr || !number->is_number_unsigned()) return -1;
  const auto wide = number->get<std::uint64_t>();
  return wide <= INT_MAX ? static_cast<std::int32_t>(wide) : -1;
}

bool flag_of(const json& value, const std::string& key, bool otherwise) {
  const json* flag = member(value, key);
  return flag != nullptr && flag->is_boolean() ? flag->get<bool>() : otherwise;
}

format::DiskLimits limits_of(const json& value, const ThrottleNames& names) {
  return throttle_limits(names, [&](const std::string& name) {
    const json* number = member(value, name);
    return number != nullptr && number->is_number_unsigned() ? number->get<std::uint64_t>() : 0;
  });
}

/// QEMU names a node whose options no path can tell, a filter for one, as "json:{…}". Where what lies between
/// it and its file changes no address, the disk is told as that file's.
void look_below_filters(QmpDisk& found) {
  if (!found.disk.path.starts_with("json:")) return;
  const json top = json::parse(found.disk.path.substr(5), nullptr, false);
  std::string format;
  const json* node = &top;
  for (int depth = 0; depth < kMaxDepth && node != nullptr; ++depth) {
    const std::string driver = text_of(*node, "driver");
    if (driver == "throttle") found.throttle_groups.push_back(text_of(*node, "throttle-group"));
    // Of another backing file than the image itself names, whoever reads the image's header knows nothing.
    if (member(*node, "backing") != nullptr) return;
    if (driver == "raw" && (member(*node, "offset") != nullptr || member(*node, "size") != nullptr)) return;
    if (format.empty() && !is_block_filter(driver)) format = driver;
    if (driver == "file" || driver == "host_device") {
      const std::string path = text_of(*node, "filename");
      if (path.empty()) return;
      found.disk.path = path;
      found.disk.format = format == driver ? "raw" : format;
      return;
    }
    node = member(*node, "file");
  }
}

}  // namespace

std::string text_of(const json& value) {
  if (!value.is_string()) return {};
  const auto& text = value.get_ref<const std::string&>();
  if (text.size() > kMaxText || text.find('\0') != std::string::npos) return {};
  return text;
}

std::string text_of(const json& value, const std::string& key) {
  const json* text = member(value, key);
  return text == nullptr ? std::string() : text_of(*text);
}

std::vector<QmpVcpu> vcpus_of(const json& query_cpus_fast) {
  std::vector<QmpVcpu> vcpus;
  if (!query_cpus_fast.is_array()) return vcpus;
  for (const json& cpu : query_cpus_fast) {
    if (vcpus.size() >= kMaxVcpus) break;
    QmpVcpu found;
    found.vcpu.index = number_of(cpu, "cpu-index");
    found.vcpu.thread = Tid(number_of(cpu, "thread-id"));
    found.qom_path = text_of(cpu, "qom-path");
    if (found.vcpu.index >= 0 && found.vcpu.thread.value > 0) vcpus.push_back(std::move(found));
  }
  return vcpus;
}

std::vector<QmpDisk> disks_of(const json& query_block) {
  std::vector<QmpDisk> disks;
  if (!query_block.is_array()) return disks;
  for (const json& block : query_block) {
    const json* inserted = member(block, "inserted");
    if (inserted == nullptr || disks.size() >= kMaxDisks) continue;
    QmpDisk found;
    Disk& disk = found.disk;
    disk.limits = limits_of(*inserted, kShortThrottleNames);
    disk.path = text_of(*inserted, "file");
    disk.format = text_of(*inserted, "drv");
    disk.device = text_of(block, "device");
    if (disk.device.empty()) disk.device = text_of(*inserted, "node-name");
    if (disk.device.empty()) disk.device = text_of(block, "qdev");
    if (const json* cache = member(*inserted, "cache"); cache != nullptr && cache->is_object()) {
      disk.cache = cache_mode(flag_of(*cache, "writeback", true), flag_of(*cache, "direct", false),
                              flag_of(*cache, "no-flush", false));
    }
    // A firmware's flash and read-only media (CD, floppy) are no disks that a guest's load would wait for.
    const bool flash = disk.device.starts_with("pflash");
    if (disk.path.empty() || flash || flag_of(block, "removable", false)) continue;
    look_below_filters(found);
    disks.push_back(std::move(found));
  }
  return disks;
}

format::DiskLimits group_limits_of(const json& limits) { return limits_of(limits, kThrottleNames); }

std::vector<std::string> children_of(const json& qom_list, const std::string& parent,
                                     const std::string& type) {
  std::vector<std::string> children;
  if (!qom_list.is_array()) return children;
  for (const json& child : qom_list) {
    if (text_of(child, "type") != "child<" + type + ">" || children.size() >= kMaxChildren) continue;
    if (const std::string name = text_of(child, "name"); !name.empty())
      children.push_back(parent + "/" + name);
  }
  return children;
}

std::vector<Disk> merge_disks(const std::vector<Disk>& command_line, std::vector<Disk> monitor) {
  for (Disk& disk : monitor) {
    const auto known = std::find_if(command_line.begin(), command_line.end(), [&](const Disk& other) {
      return other.path == disk.path && (other.device.empty() || other.device == disk.device);
    });
    const auto same_path = std::find_if(command_line.begin(), command_line.end(),
                                        [&](const Disk& other) { return other.path == disk.path; });
    const auto best = known != command_line.end() ? known : same_path;
    if (best == command_line.end()) continue;
    disk.aio = best->aio;
    if (disk.cache.empty()) disk.cache = best->cache;
    if (disk.format.empty()) disk.format = best->format;
  }
  return monitor;
}

}  // namespace ivtrace::hypervisor
