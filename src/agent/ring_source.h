// Where the agent's shared memory comes from: an ivshmem device's BAR 2 through sysfs, or a plain file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/mapping.h"
#include "base/result.h"

namespace ivtrace::agent {

/// Tells one plugged device (or one file) from another, also from a later one in the same slot: kernfs gives
/// each node a number that is not used again until the next boot (fs/kernfs/dir.c, kernfs_new_node).
struct MemoryId {
  std::uint64_t device = 0;  ///< st_dev
  std::uint64_t inode = 0;   ///< st_ino
  bool operator==(const MemoryId&) const = default;
};

/// Shared memory that this agent alone may format. Owns mapping and lock; movable.
struct RingMemory {
  UniqueFd lock;  ///< holds the agent's lock; flock(2) of the same file is the recorder's, these do not meet
  Mapping mapping;  ///< guarded: a file that shrinks reads as zeroes
  MemoryId id;
  std::string name;  ///< "ivshmem device 0000:00:04.0 (resource2_wc)": for people
};

/// Maps a plain file, as recorder and agent on one machine use it.
Result<RingMemory> open_ring_file(const std::string& path, const std::optional<MemoryId>& let_go = {});

/// Finds an ivshmem device (PCI 1af4:1110), enables it and maps its BAR 2, write-combining where the kernel
/// offers it. `address` chooses one ("0000:00:04.0"); empty takes the first that is free and is ours to take.
/// `let_go` is one that the host asked for and that may still be plugged in: it is not taken again.
///   kNotFound    there is no such device (it may be plugged in later), or the kernel found no room for its
///                memory
///   kBusy        another agent has it
///   kPermission  lockdown forbids mapping it; the hint says what to do
///   kInvalid     its memory holds something that is not an IVRing
Result<RingMemory> open_ivshmem(const std::string& address, const std::optional<MemoryId>& let_go = {},
                                const std::string& sysfs = "/sys/bus/pci/devices");

/// Whether shared memory may be formatted: it is untouched, or it was an IVRing before. Anything else may
/// belong to another program that uses ivshmem.
bool may_format(std::span<const std::byte> memory);

}  // namespace ivtrace::agent
