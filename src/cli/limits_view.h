// A guest's limits as JSON and for people, the same wherever a command tells them.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "format/disk_limits.h"

namespace ivtrace::cli {

/// {"iops":200,"iops_read":null,…,"by":"qemu"}, or null when there is none.
nlohmann::ordered_json limits_json(const format::DiskLimits& limits);

/// A number of CPUs, or null when there is no limit; `us` is CPU time in each second.
nlohmann::ordered_json cpu_limit_json(std::uint64_t us);
/// "its vCPUs may have 1.50 CPUs together (cgroup)".
std::string cpu_limit_text(std::uint64_t us);

}  // namespace ivtrace::cli
