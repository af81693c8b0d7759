// QEMU's own limits of a disk. Its options, its monitor and its objects name the same six numbers in two
// ways.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "format/disk_limits.h"

namespace ivtrace::hypervisor {

/// In the order of format::kLimitFields.
using ThrottleNames = std::array<const char*, format::kLimitFields.size()>;

/// `-drive throttling.…`, `-object throttle-group,…`, and that object's property "limits".
inline constexpr ThrottleNames kThrottleNames = {"iops-total", "iops-read", "iops-write",
                                                 "bps-total",  "bps-read",  "bps-write"};
/// query-block, and `-drive` of old.
inline constexpr ThrottleNames kShortThrottleNames = {"iops", "iops_rd", "iops_wr",
                                                      "bps",  "bps_rd",  "bps_wr"};

/// `number` gives the value of a name, 0 where there is none.
template <class Number>
format::DiskLimits throttle_limits(const ThrottleNames& names, Number number) {
  format::DiskLimits limits;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::uint64_t value = number(std::string(names[i]));
    if (value < format::kNoSuchLimit) limits.*format::kLimitFields[i] = value;
  }
  if (limits.any()) limits.by = "qemu";
  return limits;
}

}  // namespace ivtrace::hypervisor
