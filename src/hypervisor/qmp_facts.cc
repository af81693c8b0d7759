#include "hypervisor/qmp_facts.h"

#include <algorithm>
#include <climits>
#include <nlohmann/json.hpp>

#include "hypervisor/command_line.h"

namespace ivtrace::hypervisor {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxVcpus = 8192;
constexpr std::size_t kMaxDisks = 1024;
constexpr std::size_t kMaxChildren = 256;
constexpr std::size_t kMaxText = 4096;

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

std::vector<Disk> disks_of(const json& query_block) {
  std::vector<Disk> disks;
  if (!query_block.is_array()) return disks;
  for (const json& block : query_block) {
    const json* inserted = member(block, "inserted");
    if (inserted == nullptr || disks.size() >= kMaxDisks) continue;
    Disk disk;
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
    if (!disk.path.empty() && !flash && !flag_of(block, "removable", false)) disks.push_back(std::move(disk));
  }
  return disks;
}

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
