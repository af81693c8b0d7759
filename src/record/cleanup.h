// After a recorder's death: its data is saved, its leftovers are removed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "record/registry.h"

namespace ivtrace::record {

struct CleanupReport {
  struct Salvaged {
    std::string run;  ///< the dead recorder's run directory
    std::int32_t pid = 0;
    std::uint64_t bytes = 0;  ///< saved now
  };
  std::vector<Salvaged> salvaged;
  std::vector<std::string> removed_instances;
  std::vector<std::string> removed_probes;  ///< "kprobe:vfs_read of 1234"
  std::vector<std::string> removed_rings;   ///< files of attached rings whose guest has ended
  std::vector<std::string> problems;        ///< one line each: what could not be saved or removed, and why
  std::int32_t running_pid = 0;             ///< a recorder that is alive and was left alone

  bool nothing() const {
    return salvaged.empty() && removed_instances.empty() && removed_probes.empty() && removed_rings.empty() &&
           problems.empty();
  }
};

/// For each dead recorder in the registry: what its tracing instances and its guests' rings still hold goes
/// into its run, which is ended as "salvaged", and the instances are removed. With the machine's own registry
/// it then removes instances that carry a recorder's name of a dead process without an entry, and dynamic
/// probes of dead recorders. Never touches any other instance, nor anything of a living recorder.
Result<CleanupReport> cleanup(const std::string& state_directory = kStateDirectory);
/// The same for a recorder that holds the host already.
Result<CleanupReport> cleanup_held(const HostLock& lock, const std::string& state_directory);

}  // namespace ivtrace::record
