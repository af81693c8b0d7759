#include "model/vcpu_states.h"

#include <algorithm>

#include "format/run_layout.h"

namespace ivtrace::model {
namespace {

constexpr std::size_t kMaxGuestCpus = 4096;  // numbers come from file names

}  // namespace

std::vector<VcpuLane> vcpu_lanes(const run::RunReader& run, bool exits_recorded) {
  std::vector<VcpuLane> lanes;
  for (const Vcpu& vcpu : run_vcpus(run)) {
    const bool exits = exits_recorded && run.machines()[vcpu.machine].info.accel != "tcg";
    const auto shared = std::find_if(lanes.begin(), lanes.end(), [&](const VcpuLane& lane) {
      return lane.vcpus.front().machine == vcpu.machine && lane.vcpus.front().thread == vcpu.thread;
    });
    if (shared == lanes.end()) {
      lanes.push_back({{vcpu}, exits});
    } else {
      shared->vcpus.push_back(vcpu);
    }
  }
  return lanes;
}

const char* to_string(VcpuState state) {
  switch (state) {
    case VcpuState::kGuest:
      return "guest";
    case VcpuState::kExit:
      return "exit";
    case VcpuState::kUserspace:
      return "userspace";
    case VcpuState::kRunning:
      return "running";
    case VcpuState::kPreempted:
      return "preempted";
    case VcpuState::kHalted:
      return "halted";
    case VcpuState::kBlocked:
      return "blocked";
  }
  return "?";
}

VcpuStates::VcpuStates(const run::RunReader& run, const merge::RunEvents& events,
                       std::function<void(const VcpuSlice&)> sink)
    : sink_(std::move(sink)),
      vcpu_events_(run, events),
      lanes_(vcpu_lanes(run, vcpu_events_.recorded())),
      followers_(lanes_.size()),
      names_(vcpu_events_.exit_format()),
      sched_(events.formats(vcpu_events_.host())),
      threads_([this](std::size_t lane, const ThreadStretch& before, const ThreadStretch& now) {
        scheduled(lane, before, now);
      }),
      idle_(run.machines().size()) {
  for (std::size_t i = 0; i < run.machines().size(); ++i) guest_sched_.emplace_back(events.formats(i));
  if (const auto* formats = events.formats(vcpu_events_.host()); formats != nullptr)
    userspace_exit_ = formats->find("kvm", "kvm_userspace_exit");
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    const std::int32_t thread = lanes_[i].vcpus.front().thread.value;
    if (auto* const lane = by_thread_.make(thread)) *lane = static_cast<std::uint32_t>(i);
    threads_.follow(thread, i);
  }
}

void VcpuStates::look(const merge::MergedEvent& event) {
  now_ = event.time;
  if (event.loss != nullptr) {
    if (event.stream->machine == vcpu_events_.host()) lose(*event.loss);
  } else if (event.stream->machine != vcpu_events_.host()) {
    look(event, guest_sched_[event.stream->machine].look(event.id, event.record, event.stream->cpu));
  } else {
    look_at_kvm(event);
    look(event, sched_.look(event.id, event.record, event.stream->cpu));
  }
}

void VcpuStates::look(const merge::MergedEvent& event, const SchedEvents::Seen& seen) {
  now_ = event.time;
  if (event.stream->machine == vcpu_events_.host()) return threads_.look(seen, event.time);
  look_at_guest(event.stream->machine, seen);
}

void VcpuStates::lose(const merge::LossMarker& loss) {
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    close(i, std::max(followers_[i].since, loss.from), false);
    followers_[i] = Follower{};
  }
  threads_.lose(loss.from);
}

void VcpuStates::look_at_guest(std::size_t machine, const SchedEvents::Seen& seen) {
  if (seen.step != SchedEvents::Step::kSwitch || seen.cpu.value >= kMaxGuestCpus) return;
  std::vector<bool>& idle = idle_[machine];
  if (idle.size() <= seen.cpu.value) idle.resize(seen.cpu.value + 1);
  idle[seen.cpu.value] = seen.next.tid == 0;
}

void VcpuStates::look_at_kvm(const merge::MergedEvent& event) {
  if (userspace_exit_ != nullptr && event.id == userspace_exit_->id) {
    const auto lane = lane_of(decode::event_pid(event.record));
    if (!lane || !lanes_[*lane].exits) return;
    has_cpu(*lane);
    return become(*lane, VcpuState::kUserspace);
  }
  const VcpuEvents::Seen seen = vcpu_events_.look(event);
  if (seen.step == VcpuEvents::Step::kOther) return;
  const auto lane = lane_of(decode::event_pid(event.record));
  if (!lane) return;
  has_cpu(*lane);
  if (seen.step == VcpuEvents::Step::kEntry) return become(*lane, VcpuState::kGuest);
  names_.learn(seen.reason, event.record);
  become(*lane, std::nullopt);  // what was before has the reason of its own exit
  followers_[*lane].reason = seen.reason;
  become(*lane, VcpuState::kExit);
}

void VcpuStates::scheduled(std::size_t lane, const ThreadStretch& before, const ThreadStretch& now) {
  Follower& follower = followers_[lane];
  const bool exits = lanes_[lane].exits;
  const bool leaves = before.state == ThreadState::kRunning || before.state == ThreadState::kUnknown;
  // Whoever sees the thread for the first time does not know whether it was in KVM or in QEMU.
  if (leaves) follower.awake_in = exits ? follower.state : VcpuState::kRunning;
  switch (now.state) {
    case ThreadState::kRunning:
      return become(lane, std::exchange(follower.awake_in, std::nullopt));
    case ThreadState::kPreempted:
      become(lane, std::nullopt);
      follower.by = now.by;
      return become(lane, VcpuState::kPreempted);
    case ThreadState::kBlocked:
      if (exits && !follower.state) return;
      return become(lane, sleeps_idle(lane) ? VcpuState::kHalted : VcpuState::kBlocked);
    case ThreadState::kUnknown:
    case ThreadState::kEnded:
      return become(lane, std::nullopt);
  }
}

// Only a thread that has a CPU enters its guest and leaves it.
void VcpuStates::has_cpu(std::size_t lane) {
  const auto was = followers_[lane].state;
  const bool known = was == VcpuState::kGuest || was == VcpuState::kExit || was == VcpuState::kUserspace;
  if (!known) threads_.runs(lanes_[lane].vcpus.front().thread.value, now_);
}

void VcpuStates::become(std::size_t lane, std::optional<VcpuState> state) {
  Follower& follower = followers_[lane];
  if (follower.state == state) return;
  close(lane, now_, false);
  follower.state = state;
  follower.since = now_;
}

void VcpuStates::close(std::size_t lane, HostTsc until, bool open) {
  const Follower& follower = followers_[lane];
  if (!follower.state || until <= follower.since) return;
  VcpuSlice slice;
  slice.lane = lane;
  slice.state = *follower.state;
  slice.from = follower.since;
  slice.until = until;
  slice.reason = follower.reason;
  if (slice.state == VcpuState::kPreempted) slice.by = follower.by;
  slice.open = open;
  sink_(slice);
}

bool VcpuStates::sleeps_idle(std::size_t lane) const {
  if (lanes_[lane].exits) {
    return followers_[lane].state == VcpuState::kExit && names_.is_halt(followers_[lane].reason);
  }
  const std::vector<bool>& idle = idle_[lanes_[lane].vcpus.front().machine];
  return std::all_of(lanes_[lane].vcpus.begin(), lanes_[lane].vcpus.end(), [&](const Vcpu& vcpu) {
    return vcpu.cpu && vcpu.cpu->value < idle.size() && idle[vcpu.cpu->value];
  });
}

std::optional<std::size_t> VcpuStates::lane_of(std::int32_t thread) const {
  const auto* const lane = by_thread_.find(thread);
  return lane == nullptr || !*lane ? std::nullopt : std::optional<std::size_t>(**lane);
}

void VcpuStates::finish(HostTsc at) {
  for (std::size_t i = 0; i < lanes_.size(); ++i) close(i, at, true);
  followers_.assign(lanes_.size(), Follower{});
}

}  // namespace ivtrace::model
