// What lies under a block device: partitions are resolved to their disk, devices that hand their requests on
// are looked through, to tell whether the way of a request can be followed down.
//
// It can be where the kernel tells each step (block_bio_remap): device-mapper's simple targets, md without
// parity. It cannot where one request becomes others that have nothing to do with its address (parity, copies
// made by workers of the kernel's own), or where the driver tells nothing.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace ivtrace::hypervisor {

/// A whole block device, where in it a part begins, and what it is made of.
struct BlockPlace {
  std::uint32_t device = 0;  ///< kernel's dev_t: major << 20 | minor
  std::uint64_t start = 0;   ///< bytes
  /// What hands the requests on, from the top down: "device-mapper crypt", "md raid1"; empty for a plain
  /// disk.
  std::vector<std::string> layers;
};

struct BlockStackOptions {
  std::string sys = "/sys";
  /// The targets of a device-mapper device's table.
  std::function<Result<std::vector<std::string>>(dev_t)> dm_targets;  ///< empty: ask the kernel
  std::string release;                             ///< of the kernel; empty: the running one's
  static constexpr std::size_t kMaxDevices = 256;  ///< of one stack
};

/// kUnsupported when the number is no block device's, or the way down is not told by the kernel.
Result<BlockPlace> block_place_of(dev_t number, const BlockStackOptions& options = {});

/// From /dev/mapper/control: "linear", "crypt", …, each once.
Result<std::vector<std::string>> dm_targets_of(dev_t number);

}  // namespace ivtrace::hypervisor
