// Bringing the agent into a running guest through the QEMU guest agent, and out again.
//
// It goes into a directory of its own that only root can enter, on the first file system of a short list
// where root may write and run programs: /run first, which a restart of the guest empties. Nothing else in
// the guest is touched, and all of it goes with the directory.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "doctor/guest.h"

namespace ivtrace::attach {

struct DeployOptions {
  std::string agent;  ///< the program; empty: find_agent_program()
  std::function<void(std::uint64_t done, std::uint64_t all)> progress;  ///< bytes copied; may be empty
  std::chrono::milliseconds alive_wait{20'000};                         ///< for its first signs of life
};

struct Deployed {
  bool was_there = false;    ///< an agent served the ring already: nothing was done
  std::string directory;     ///< in the guest
  std::uint64_t bytes = 0;   ///< copied
  std::int64_t process = 0;  ///< in the guest
};

/// Copies the agent into the guest, starts it and waits until it serves the ring at `ring_path`, which the
/// guest must have by now. What a failure leaves in the guest is removed again.
/// Errors: those of hypervisor::GuestAgent::open(); kExhausted, kPermission: no place in the guest; kGone:
/// the agent ended, with what it said; kTimeout: it gives no sign of life.
Result<Deployed> deploy(const hypervisor::Guest& guest, const std::string& ring_path,
                        const DeployOptions& options = {});

struct Undeployed {
  bool was_there = false;
  std::string directory;  ///< in the guest, that was removed
};

/// Ends the agent that deploy() started, and removes it. Agents that came otherwise are left alone.
Result<Undeployed> undeploy(const hypervisor::Guest& guest);

}  // namespace ivtrace::attach
