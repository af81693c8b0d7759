// Giving a running guest a ring, and taking it away again, with the guest's agent and recorders considered.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/units.h"
#include "doctor/guest.h"
#include "hypervisor/ring_plug.h"

namespace ivtrace::attach {

struct Options {
  hypervisor::PlugOptions plug;
  std::chrono::milliseconds agent_wait{6000};  ///< an agent looks for rings every two seconds
  Nanoseconds agent_limit{5'000'000'000};      ///< for its answer when it is asked to let go
};

struct Attached {
  std::string path;
  std::uint64_t bytes = 0;
  std::string bus;           ///< "" when the ring was there before
  bool was_there = false;    ///< nothing was changed
  bool agent_alive = false;  ///< an agent serves it
};

/// Plugs a ring of `bytes` into the guest unless it has one, and waits a little for the agent to take it.
/// Errors are those of hypervisor::plug_ring.
Result<Attached> attach(const doctor::GuestState& state, std::uint64_t bytes, const Options& options = {});

struct Detached {
  bool had_ring = false;      ///< else there was nothing to do
  bool agent_let_go = false;  ///< it said that it stores nothing any more
  std::string note;           ///< why it did not, for people
};

/// Asks the agent to let go of the ring that attach() made, then plugs it out and removes its file. The
/// ring's lock is held meanwhile, so that no recording begins.
///
/// An agent that gives no answer does not stop this: the guest's kernel takes the mapping from it, which the
/// agent survives; only what a dead recorder left in the ring is lost, and the note says so.
///
///   kBusy     it is being recorded: nothing was changed
///   kInvalid  the ring is not of attach(), or the guest is not running and could not let go of it
///   others    as hypervisor::unplug_ring
Result<Detached> detach(const doctor::GuestState& state, const Options& options = {});

}  // namespace ivtrace::attach
