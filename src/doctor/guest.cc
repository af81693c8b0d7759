#include "doctor/guest.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/text.h"
#include "ring/mailbox.h"

namespace ivtrace::doctor {
namespace {

using format::Check;

/// Heartbeats come at least once a second.
constexpr std::chrono::milliseconds kBeatWatch(1200);
constexpr Nanoseconds kHelloLimit(3'000'000'000);
constexpr Nanoseconds kDoctorLimit(15'000'000'000);

constexpr const char* kRingHint =
    "start QEMU with -object memory-backend-file,id=ivring,share=on,size=16M,mem-path=/dev/shm/NAME "
    "-device ivshmem-plain,memdev=ivring, or plug one into the running guest: ivtrace attach";
constexpr const char* kAgentHint = "start ivtrace-agent as root in the guest";

std::vector<std::string> names_of(const std::vector<GuestState>& guests) {
  std::vector<std::string> names;
  for (const GuestState& state : guests) names.push_back(state.guest.name);
  return names;
}

std::string joined(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

Check monitor_check(const hypervisor::Monitor& monitor) {
  switch (monitor.state) {
    case hypervisor::QmpState::kOk:
      return {"monitor", "ok", monitor.describe(), ""};
    case hypervisor::QmpState::kNone:
      return {"monitor", "warning", "no QMP monitor to ask: vCPUs and disks are known from /proc alone",
              "start QEMU with -qmp unix:PATH,server=on,wait=off; for a domain of libvirt see --connect"};
    case hypervisor::QmpState::kBusy:
      return {"monitor", "warning", monitor.describe() + " is held by another program",
              "give ivtrace a second -qmp socket"};
    case hypervisor::QmpState::kFailed:
      break;
  }
  return {"monitor", "warning", monitor.describe() + ": " + monitor.detail,
          "see whether the guest still runs"};
}

Check version_check(const format::Reply& hello) {
  const std::string text = "ivtrace-agent " + hello.agent_version + " on " + hello.kernel_release;
  if (hello.protocol != format::kMailboxProtocol) {
    return {"agent", "missing",
            text + " speaks protocol " + std::to_string(hello.protocol) + ", this is " +
                std::to_string(format::kMailboxProtocol),
            std::string("put ivtrace-agent ") + IVTRACE_VERSION + " into the guest"};
  }
  if (hello.agent_version != IVTRACE_VERSION) {
    return {"agent", "warning", text + ", the host has " + IVTRACE_VERSION,
            "use the same version on both sides"};
  }
  return {"agent", "ok", text, ""};
}

Check failed_to_ask(const Error& error) {
  const bool busy = error.code == ErrorCode::kBusy;
  return {"agent", busy ? "warning" : "missing", error.message,
          !error.hint.empty() ? error.hint
          : busy              ? "ask again when the recording is over"
                              : kAgentHint};
}

std::vector<GuestState> look_at_rings(std::vector<hypervisor::Guest> found) {
  std::vector<GuestState> guests;
  bool watch = false;
  for (hypervisor::Guest& guest : found) {
    GuestState& state = guests.emplace_back();
    state.guest = std::move(guest);
    if (!state.has_ring()) continue;
    Result<ring::RingInfo> ring = ring::peek_ring(state.guest.rings.front().path);
    if (!ring) {
      state.ring_problem = ring.error().to_string();
      continue;
    }
    state.ring_problem = ring->problem;
    watch = watch || ring->formatted;
    state.ring = *std::move(ring);
  }
  if (!watch) return guests;
  std::this_thread::sleep_for(kBeatWatch);
  for (GuestState& state : guests) {
    if (!state.ring || !state.ring->formatted) continue;
    const Result<ring::RingInfo> later = ring::peek_ring(state.guest.rings.front().path);
    state.agent_alive = later && ring::agent_beat(*state.ring, *later);
  }
  return guests;
}

}  // namespace

Result<std::vector<GuestState>> look_at_guests(const hypervisor::InventoryOptions& options) {
  IVT_ASSIGN_OR_RETURN(std::vector<hypervisor::Guest> found, hypervisor::find_guests(options));
  return look_at_rings(std::move(found));
}

Result<std::size_t> pick_guest(const std::vector<GuestState>& guests, const std::string& wanted) {
  std::vector<std::size_t> matches;
  for (std::size_t i = 0; i < guests.size(); ++i) {
    const hypervisor::Guest& guest = guests[i].guest;
    if (std::to_string(guest.pid.value) == wanted) return i;
    if (guest.name == wanted || (!guest.uuid.empty() && guest.uuid == wanted)) matches.push_back(i);
  }
  if (matches.size() == 1) return matches.front();
  if (matches.size() > 1) {
    return Error(ErrorCode::kInvalid,
                 std::to_string(matches.size()) + " guests are called \"" + wanted + "\"",
                 "name it by its pid or UUID, see ivtrace guests");
  }
  if (guests.empty()) return Error(ErrorCode::kNotFound, "no QEMU guest runs on this host");
  const std::vector<std::string> names = names_of(guests);
  const std::vector<std::string> nearest = nearest_names(wanted, names);
  return Error(ErrorCode::kNotFound, "there is no guest \"" + wanted + "\"",
               nearest.empty() ? "guests: " + joined(names) : "did you mean " + joined(nearest) + "?");
}

Result<GuestState> find_guest(const std::string& wanted, const hypervisor::InventoryOptions& options) {
  // Its name stands on the command line: no monitor of another guest is asked, which may hang.
  hypervisor::InventoryOptions facts = options;
  facts.use_qmp = false;
  IVT_ASSIGN_OR_RETURN(const std::vector<hypervisor::Guest> found, hypervisor::find_guests(facts));
  std::vector<GuestState> named(found.size());
  for (std::size_t i = 0; i < found.size(); ++i) named[i].guest = found[i];
  const Result<std::size_t> index = pick_guest(named, wanted);
  if (!index) {
    if (auto unseen = hypervisor::unseen_domain(options, wanted, found)) return *std::move(unseen);
    return index.error();
  }
  IVT_ASSIGN_OR_RETURN(hypervisor::Guest guest, hypervisor::inspect_guest(found[*index].pid, options));
  if (!guest.same_process(found[*index]))
    return Error(ErrorCode::kNotFound, "the guest \"" + wanted + "\" has ended");
  std::vector<hypervisor::Guest> one;
  one.push_back(std::move(guest));
  return look_at_rings(std::move(one)).front();
}

std::vector<Check> judge_guest(const GuestState& state) {
  std::vector<Check> checks = {monitor_check(state.guest.qmp)};
  if (!state.has_ring()) {
    checks.push_back(
        {"ring", "missing", "the guest has no ivshmem memory: it can be seen from the host only", kRingHint});
    return checks;
  }
  const std::string& path = state.guest.rings.front().path;
  if (!state.ring) {
    checks.push_back({"ring", "missing", state.ring_problem, "see who may read " + path});
    return checks;
  }
  if (!state.ring->formatted || !state.ring_problem.empty()) {
    checks.push_back({"ring", "missing", path + ": " + state.ring_problem, kAgentHint});
    return checks;
  }
  checks.push_back({"ring", "ok",
                    path + ", " + std::to_string(state.ring->cpu_count) + " CPUs, " +
                        format_size(state.ring->ring_bytes) + " each",
                    ""});
  if (!state.agent_alive) {
    checks.push_back({"agent", "missing", "gives no sign of life", kAgentHint});
  }
  return checks;
}

std::vector<Check> ask_agent(const std::string& ring_path) {
  Result<std::unique_ptr<ring::HostRing>> host = ring::HostRing::open(ring_path);
  if (!host) return {failed_to_ask(host.error())};
  ring::MailboxClient client(**host);
  const Result<format::Reply> hello = client.call({}, kHelloLimit);
  if (!hello) return {failed_to_ask(hello.error())};
  std::vector<Check> checks = {version_check(*hello)};
  format::Request request;
  request.op = format::Op::kDoctor;
  const Result<format::Reply> answer = client.call(request, kDoctorLimit);
  if (!answer) {
    checks.push_back(failed_to_ask(answer.error()));
    return checks;
  }
  if (!answer->ok) checks.push_back({"agent's checks", "warning", answer->message, answer->hint});
  checks.insert(checks.end(), answer->checks.begin(), answer->checks.end());
  return checks;
}

}  // namespace ivtrace::doctor
