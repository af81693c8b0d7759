#include "attach/attach.h"

#include <algorithm>
#include <memory>
#include <thread>

#include "ring/host_ring.h"
#include "ring/mailbox.h"

namespace ivtrace::attach {
namespace {

constexpr std::chrono::milliseconds kLookEvery(50);

/// The file was all zeroes: once it is formatted there is an agent.
bool wait_for_agent(const std::string& path, std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (true) {
    const Result<ring::RingInfo> ring = ring::peek_ring(path);
    if (ring && ring->formatted) return true;
    if (!ring || std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(kLookEvery);
  }
}

/// Locks the ring against recorders; null when its file is not there to be recorded from.
Result<std::unique_ptr<ring::HostRing>> hold(const doctor::GuestState& state, const std::string& path) {
  const auto& rings = state.guest.rings;
  const bool known =
      std::any_of(rings.begin(), rings.end(), [&](const auto& ring) { return ring.path == path; });
  if (!known) return std::unique_ptr<ring::HostRing>();
  auto ring = ring::HostRing::open(path);
  if (ring) return ring;
  if (ring.error().code != ErrorCode::kBusy) return std::unique_ptr<ring::HostRing>();
  Error busy = ring.error();
  busy.hint = "stop that recording first; nothing was changed";
  return busy;
}

/// "" when the agent let go, else why not.
std::string ask_agent(const doctor::GuestState& state, ring::HostRing* ring, Nanoseconds limit) {
  if (ring == nullptr || !state.ring || !state.ring->formatted) return "no agent had taken it";
  if (!state.agent_alive) return "the agent gave no sign of life and was not asked";
  format::Request request;
  request.op = format::Op::kDetach;
  const Result<format::Reply> reply = ring::MailboxClient(*ring).call(request, limit);
  if (!reply) return "the agent was asked and did not answer: " + reply.error().message;
  if (!reply->ok) return "the agent would not let go: " + reply->message;
  return {};
}

}  // namespace

Result<Attached> attach(const doctor::GuestState& state, std::uint64_t bytes, const Options& options) {
  Attached result;
  if (state.has_ring()) {
    const hypervisor::RingBacking& ring = state.guest.rings.front();
    result.path = ring.path;
    result.bytes = state.ring ? state.ring->file_bytes : ring.bytes;
    result.was_there = true;
    result.agent_alive = state.agent_alive;
    return result;
  }
  IVT_ASSIGN_OR_RETURN(const hypervisor::PluggedRing ring,
                       hypervisor::plug_ring(state.guest, bytes, options.plug));
  result.path = ring.path;
  result.bytes = ring.bytes;
  result.bus = ring.bus;
  result.agent_alive = wait_for_agent(ring.path, options.agent_wait);
  return result;
}

Result<Detached> detach(const doctor::GuestState& state, const Options& options) {
  const hypervisor::Guest& guest = state.guest;
  IVT_ASSIGN_OR_RETURN(const hypervisor::PlugState plug, hypervisor::look_at_plug(guest, options.plug));
  Detached result;
  if (!plug.device && !plug.memory) {
    if (!state.has_ring()) return result;
    return Error(ErrorCode::kInvalid,
                 guest.name + " was given its ring " + guest.rings.front().path + " by somebody else",
                 "ivtrace removes what ivtrace attach made; nothing was changed");
  }
  if (plug.device && !guest.status.empty() && guest.status != "running") {
    return Error(ErrorCode::kInvalid, guest.name + " is " + guest.status + ": it cannot let go of a device",
                 "let it run first; nothing was changed");
  }
  IVT_ASSIGN_OR_RETURN(const auto ring,
                       hold(state, hypervisor::ring_file_path(guest, options.plug.directory)));
  result.had_ring = true;
  result.note = ask_agent(state, ring.get(), options.agent_limit);
  result.agent_let_go = result.note.empty();
  if (Status unplugged = hypervisor::unplug_ring(guest, options.plug); !unplugged) {
    Error error = unplugged.error();
    error.message = guest.name + ": " + error.message;
    // It waits for another device now, and this one may stay.
    if (result.agent_let_go) error.message += "; the agent has let go of it";
    return error;
  }
  return result;
}

}  // namespace ivtrace::attach
