// What the host's control groups let a QEMU have: requests and bytes of a disk, and CPU time.
//
// CPU time (cpu.max; cpu.cfs_quota_us of v1) and v2's io.max hold for a group and all groups below it: of a
// process's group and its ancestors the smallest limit counts. v1's blkio throttling is flat: a group's
// limits hold for the processes in the group itself, whatever its ancestors say.
//
// libvirt puts each vCPU's thread into a group of its own, so CPU time is asked by thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "format/disk_limits.h"

namespace ivtrace::hypervisor {

/// Where the hierarchies with the controllers cpu and blkio (v2: io) are mounted. Only files of the kernel's
/// own are read, so nothing here waits for storage. One thread.
class ControlGroups {
 public:
  /// From `proc`/self/mountinfo. A machine without control groups is no error: then nothing has limits.
  static Result<ControlGroups> find(const std::string& proc);

  /// `devices`: "major:minor" of those on which the process's requests arrive, whole disks only. kUnsupported
  /// when its group cannot be seen from here.
  Result<format::DiskLimits> disk_limits(Pid pid, std::span<const std::string> devices) const;

  /// What the threads may have together, µs of CPU time in each second; 0: as much as they like. kUnsupported
  /// as above. Threads that have ended do not count; without threads the process's first one does.
  Result<std::uint64_t> cpu_limit_us(Pid pid, std::span<const Tid> threads) const;

 private:
  /// A hierarchy as it is seen here.
  struct Mount {
    std::string controller;  ///< "cpu", "blkio"; "" for v2, which has all
    std::string root;        ///< the group that is mounted
    std::string directory;   ///< where
  };
  /// A task's group in one hierarchy.
  struct Group {
    const Mount* mount = nullptr;
    std::string path;  ///< "" for the one that is mounted, "/a/b" for one below
  };

  Result<std::vector<Group>> groups_of(const std::string& task, const std::string& controller) const;
  std::uint64_t cpu_limit_at(const Group& group) const;
  std::uint64_t cpu_limit_below(const std::string* ancestor, const Group& group) const;

  std::string proc_;
  std::vector<Mount> mounts_;
};

/// "major:minor" of the block device itself, or of the whole disk when it is a partition, and of those below
/// it as long as there is one only (a volume on one disk): each may have a limit. `device` is as stat() gives
/// it. Empty when it is none of a block device, as of file systems that have no device of their own.
std::vector<std::string> limited_devices(std::uint64_t device, const std::string& sys);

}  // namespace ivtrace::hypervisor
