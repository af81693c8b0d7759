// The state of this host's guests: their rings and agents looked at from outside, and what a guest lacks for
// tracing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "format/mailbox_message.h"
#include "hypervisor/inventory.h"
#include "ring/host_ring.h"

namespace ivtrace::doctor {

/// A guest, and its first ring as seen without touching it. Owns everything.
struct GuestState {
  hypervisor::Guest guest;
  std::optional<ring::RingInfo> ring;  ///< empty: the guest has no ring, or its file cannot be read
  std::string ring_problem;            ///< why the file cannot be read, or is no ring yet
  bool agent_alive = false;            ///< gave a sign of life while we looked

  bool has_ring() const { return !guest.rings.empty(); }
};

/// Every guest of this host. Watches formatted rings for a little more than a second, all at once.
Result<std::vector<GuestState>> look_at_guests(const hypervisor::InventoryOptions& options = {});

/// The one guest among `guests` that `wanted` names: its name, UUID or pid. kNotFound with the nearest names;
/// kInvalid when several have that name. The index into `guests`.
Result<std::size_t> pick_guest(const std::vector<GuestState>& guests, const std::string& wanted);

/// Both in one: the guest that `wanted` names, as it is now. No other guest's monitor is asked.
Result<GuestState> find_guest(const std::string& wanted, const hypervisor::InventoryOptions& options);

/// What can be told from outside, in the order in which a person would fix it.
std::vector<format::Check> judge_guest(const GuestState& state);

/// Asks the guest's agent for its own checks; the outcome of asking is a check as well. Takes the ring's lock
/// for as long.
std::vector<format::Check> ask_agent(const std::string& ring_path);

}  // namespace ivtrace::doctor
