// From QMP's replies to facts about a guest. The replies come from a process that its guest may have taken
// over: nothing is believed about types, lengths or counts, and a list that is too long is cut and said to
// be.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "hypervisor/inventory.h"

namespace ivtrace::hypervisor {

/// A vCPU as query-cpus-fast lists it; `qom_path` is where its APIC ID can be asked.
struct QmpVcpu {
  Vcpu vcpu;
  std::string qom_path;
};
std::vector<QmpVcpu> vcpus_of(const nlohmann::json& query_cpus_fast);

/// A disk of query-block; its limits are those of its drive. What the throttle filters on the way to its
/// image let through, the objects of these names tell.
struct QmpDisk {
  Disk disk;
  std::vector<std::string> throttle_groups;
};
/// The disks of query-block that have a medium. AIO is not told by QMP.
std::vector<QmpDisk> disks_of(const nlohmann::json& query_block);

/// From the property "limits" of a throttle-group.
format::DiskLimits group_limits_of(const nlohmann::json& limits);

/// Paths of the children of one type in a qom-list reply.
std::vector<std::string> children_of(const nlohmann::json& qom_list, const std::string& parent,
                                     const std::string& type);

/// A string member of an object, or "": bounded, without NUL bytes.
std::string text_of(const nlohmann::json& value, const std::string& key);
/// A string value, or "".
std::string text_of(const nlohmann::json& value);

/// Merges the monitor's disks into those of the command line: the monitor knows what was plugged and
/// replaced, the command line knows the AIO mode.
std::vector<Disk> merge_disks(const std::vector<Disk>& command_line, std::vector<Disk> monitor);

}  // namespace ivtrace::hypervisor
