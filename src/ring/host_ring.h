// A recorder's hold on a guest's ring file: lock, guarded mapping, nonce and heartbeat. What lies in it is
// read by CopyRing (consumer.h), asked by MailboxClient (mailbox.h) and timed by the clock's handshake.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/mapping.h"
#include "base/result.h"
#include "ring/shared_memory.h"

namespace ivtrace::ring {

/// Owns one ring file as its only recorder, from open() to destruction. The file need not be formatted yet.
/// The lock is a flock(2) on the file: the kernel drops it with the process, so a killed recorder leaves none
/// behind. Thread-safe: everything here is constant or atomic.
class HostRing {
 public:
  /// Opens, locks and maps the file.
  ///   kBusy       another recorder holds it; the message names its pid where /proc/locks tells it
  ///   kExhausted  smaller than any ring
  ///   kInvalid    not a regular file, or larger than any ring
  /// `session`: nonce of a dead recorder to go on as, so that its agent, which may still be recording for it,
  /// obeys; 0: a new one.
  static Result<std::unique_ptr<HostRing>> open(const std::string& path, std::uint64_t session = 0);
  /// Takes memory that is already mapped, without a lock: rings between threads or forked processes.
  static std::unique_ptr<HostRing> of_mapping(Mapping mapping, std::string name);
  /// Tells the agent that this recorder left in good order.
  ~HostRing();
  HostRing(const HostRing&) = delete;
  HostRing& operator=(const HostRing&) = delete;

  const SharedMemory& memory() const { return memory_; }
  /// How messages call it: "ring file /dev/shm/x".
  const std::string& name() const { return name_; }
  /// This recorder's nonce; never 0.
  std::uint64_t session() const { return session_; }
  /// Tells the agent that a recorder is there; at least once a second. CopyRing::poll does it as well. Memory
  /// that no agent has formatted may be somebody else's: nothing is stored into it, here and at the end.
  void beat();
  /// The file shrank or went away below the mapping: nothing more will come.
  bool lost() const { return mapping_.lost(); }

 private:
  bool is_ivring() const;
  HostRing(UniqueFd lock, Mapping mapping, std::string name, std::uint64_t session);

  UniqueFd lock_;
  Mapping mapping_;
  SharedMemory memory_;
  std::string name_;
  std::uint64_t session_;
};

/// A ring file seen from outside, without lock or any store. From a guest: for people, not for decisions on
/// bounds.
struct RingInfo {
  std::uint64_t file_bytes = 0;
  bool formatted = false;
  std::string problem;  ///< why it is not usable (to_string of the error), empty when it is
  std::uint32_t cpu_count = 0;
  std::uint64_t ring_bytes = 0;  ///< per CPU
  std::uint64_t generation = 0;
  std::uint64_t agent_state = 0;             ///< format::AgentState, or anything
  std::uint64_t agent_heartbeat = 0;         ///< guest TSC
  std::optional<std::int32_t> recorder_pid;  ///< who has it locked, as far as /proc/locks shows it
};

/// Looks at a ring file. An error only when the file itself cannot be opened or read; an unusable content is
/// told in `problem`.
Result<RingInfo> peek_ring(const std::string& path);

/// True when the agent gave a sign of life between the two looks, which must be more than a second apart.
bool agent_beat(const RingInfo& before, const RingInfo& after);

/// Pid of the process that holds a flock on the file with this device and inode, from /proc/locks; 0 when
/// there is none or it is not visible from here.
std::int32_t flock_holder(std::uint64_t device, std::uint64_t inode, std::string_view proc_locks);

}  // namespace ivtrace::ring
