// What a recorder leaves outside of its run directory, written down so that somebody else can clean up after
// its death.
//
//   <state>/lock                 flock(2) held by the one recorder of this host; holds its pid as text
//   <state>/ivtrace-<pid>.json   one Entry, replaced by rename whenever it changes, removed at the end
//   <state>/top-level            see tracefs/top_level.h: only while somebody records in that buffer
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace ivtrace::record {

/// The machine's own registry.
inline constexpr const char* kStateDirectory = "/run/ivtrace";

/// All that one recorder created.
struct RegistryEntry {
  struct Instance {
    std::string name;    ///< of the tracing instance, or tracefs::kTopLevelName
    std::string buffer;  ///< of its page files in the run; "-" when its data is not kept
  };
  struct Ring {
    std::string machine;
    std::string path;
    std::uint64_t generation = 0;         ///< of the ring's layout
    std::uint64_t stream_generation = 0;  ///< of the run's segments and counters
    std::uint64_t session = 0;            ///< the recorder's nonce in the ring
  };
  std::int32_t pid = 0;
  std::uint64_t start_time = 0;  ///< /proc/PID/stat field 22
  std::string boot_id;
  std::string run;  ///< absolute path
  std::vector<Instance> instances;
  std::vector<Ring> rings;
};

/// Start time of a process in clock ticks since boot; 0 when there is none.
std::uint64_t process_start_time(std::int32_t pid);
std::string current_boot_id();
/// The file for tracefs::take_top_level().
std::string top_level_state(const std::string& state_directory);
/// Is the recorder of this entry still running?
bool alive(const RegistryEntry& entry);

std::string encode_entry(const RegistryEntry& entry);
/// Bounded; kCorrupt when it breaks its types. Instance names that are no recorder's are kCorrupt: nothing is
/// ever removed because a file says so.
Result<RegistryEntry> decode_entry(const std::string& text);
/// "ivtrace-<pid>", "ivtrace-<pid>-sys" and "ivtrace-<pid>-tsc", and doctor's "ivtrace-<pid>-check": the pid,
/// 0 for any other name.
std::int32_t recorder_of_instance(const std::string& name);

/// The right to record on this host; given back with the object. `holder` gets the pid that has it when it is
/// kBusy.
class HostLock {
 public:
  static Result<HostLock> take(const std::string& state_directory, std::int32_t* holder = nullptr);
  HostLock(HostLock&&) noexcept = default;
  HostLock& operator=(HostLock&&) = delete;
  ~HostLock();

 private:
  explicit HostLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

/// Entries in the directory, each with its file name; unreadable ones are told in `problems`.
std::vector<std::pair<std::string, RegistryEntry>> read_registry(const std::string& state_directory,
                                                                 std::vector<std::string>& problems);

/// This process' own entry. Thread-safe. The file goes with withdraw(), not with the object.
class Registration {
 public:
  Registration(std::string state_directory, std::string run);
  Status add_instance(const std::string& name, const std::string& buffer);
  /// Adds or replaces the machine's ring.
  Status set_ring(const RegistryEntry::Ring& ring);
  void withdraw();

 private:
  Status save();

  std::mutex mutex_;
  std::string path_;
  RegistryEntry entry_;
};

}  // namespace ivtrace::record
