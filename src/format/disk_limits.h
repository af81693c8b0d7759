// How much a guest's disk may do: limits that QEMU or the host's control groups set, as the inventory finds
// them and the run keeps them.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace ivtrace::format {

/// At most so much in a second. 0: no limit is known. A limit of reads and writes together stands beside
/// those of either: each holds by itself.
struct DiskLimits {
  std::uint64_t iops = 0;  ///< requests, reads and writes together
  std::uint64_t iops_read = 0;
  std::uint64_t iops_write = 0;
  std::uint64_t bps = 0;  ///< bytes, reads and writes together
  std::uint64_t bps_read = 0;
  std::uint64_t bps_write = 0;
  std::string by;  ///< who sets them: "qemu", "cgroup", "qemu, cgroup"; "" when there is none

  bool any() const;

  friend bool operator==(const DiskLimits&, const DiskLimits&) = default;
};

/// All six, in their order.
inline constexpr std::array kLimitFields = {&DiskLimits::iops,       &DiskLimits::iops_read,
                                            &DiskLimits::iops_write, &DiskLimits::bps,
                                            &DiskLimits::bps_read,   &DiskLimits::bps_write};

/// More than QEMU takes, and than any device does; such a number is no limit.
inline constexpr std::uint64_t kNoSuchLimit = 1'000'000'000'000'000;

/// What holds where both hold: the smaller of each, set by whoever set that.
DiskLimits tightest(const DiskLimits& a, const DiskLimits& b);

/// "200 requests/s, 1.0 MiB/s of reads (qemu)"; "" when there is none.
std::string limits_text(const DiskLimits& limits);

}  // namespace ivtrace::format
