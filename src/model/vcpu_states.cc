#include "model/vcpu_states.h"

#include <algorithm>

#include "format/run_layout.h"

namespace ivtrace::model {
namespace {

constexpr std::size_t kMaxGuestCpus = 4096;  // numbers come from file names

/// One for each thread, by machine and index.
std::vector<VcpuLane> lanes_of(const run::RunReader& run, bool exits_recorded) {
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

}  // namespace

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
      lanes_(lanes_of(run, vcpu_events_.recorded())),
      followers_(lanes_.size()),
      names_(vcpu_events_.exit_format()),
      sched_(events.formats(vcpu_events_.host())),
      idle_(run.machines().size()) {
  for (std::size_t i = 0; i < run.machines().size(); ++i) guest_sched_.emplace_back(events.formats(i));
  if (const auto* formats = events.formats(vcpu_events_.host()); formats != nullptr)
    userspace_exit_ = formats->find("kvm", "kvm_userspace_exit");
  for (std::size_t i = 0; i < lanes_.size(); ++i) by_thread_.emplace(lanes_[i].vcpus.front().thread.value, i);
}

void VcpuStates::look(const merge::MergedEvent& event) {
  now_ = event.time;
  if (event.loss != nullptr) {
    if (event.stream->machine == vcpu_events_.host()) lose(*event.loss);
  } else if (event.stream->machine != vcpu_events_.host()) {
    look_at_guest(event);
  } else {
    look_at_kvm(event);
    look_at_scheduler(event);
  }
}

// Which CPU's events are gone hardly matters: a thread may have been on any.
void VcpuStates::lose(const merge::LossMarker& loss) {
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    close(i, std::max(followers_[i].since, loss.from), false);
    followers_[i] = Follower{};
  }
  running_.clear();
}

void VcpuStates::look_at_guest(const merge::MergedEvent& event) {
  const auto seen = guest_sched_[event.stream->machine].look(event.id, event.record, event.stream->cpu);
  if (seen.step != SchedEvents::Step::kSwitch || seen.cpu.value >= kMaxGuestCpus) return;
  std::vector<bool>& idle = idle_[event.stream->machine];
  if (idle.size() <= seen.cpu.value) idle.resize(seen.cpu.value + 1);
  idle[seen.cpu.value] = seen.next.tid == 0;
}

void VcpuStates::look_at_kvm(const merge::MergedEvent& event) {
  if (userspace_exit_ != nullptr && event.id == userspace_exit_->id) {
    const auto lane = lane_of(decode::event_pid(event.record));
    if (lane && lanes_[*lane].exits) become(*lane, VcpuState::kUserspace);
    return;
  }
  const VcpuEvents::Seen seen = vcpu_events_.look(event);
  if (seen.step == VcpuEvents::Step::kOther) return;
  const auto lane = lane_of(decode::event_pid(event.record));
  if (!lane) return;
  if (seen.step == VcpuEvents::Step::kEntry) return become(*lane, VcpuState::kGuest);
  names_.learn(seen.reason, event.record);
  become(*lane, std::nullopt);  // what was before has the reason of its own exit
  followers_[*lane].reason = seen.reason;
  become(*lane, VcpuState::kExit);
}

void VcpuStates::look_at_scheduler(const merge::MergedEvent& event) {
  const SchedEvents::Seen seen = sched_.look(event.id, event.record, event.stream->cpu);
  if (seen.step == SchedEvents::Step::kOther) return;
  if (seen.step != SchedEvents::Step::kSwitch) {
    if (const auto lane = lane_of(seen.next.tid)) ready(*lane, seen.cpu);
    return;
  }
  running_on(seen.cpu) = seen.next;
  if (const auto lane = lane_of(seen.previous)) switch_out(*lane, seen);
  if (const auto lane = lane_of(seen.next.tid)) switch_in(*lane);
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    const Follower& waiting = followers_[i];
    if (waiting.state == VcpuState::kPreempted && waiting.cpu == seen.cpu) wait_behind(i, seen.cpu);
  }
}

void VcpuStates::switch_out(std::size_t lane, const SchedEvents::Seen& seen) {
  Follower& follower = followers_[lane];
  if (seen.dead) return become(lane, std::nullopt);
  // Whoever sees the thread for the first time does not know whether it was in KVM or in QEMU.
  follower.awake_in = lanes_[lane].exits ? follower.state : VcpuState::kRunning;
  if (seen.runnable) return wait_behind(lane, seen.cpu);
  if (lanes_[lane].exits && !follower.state) return;
  become(lane, sleeps_idle(lane) ? VcpuState::kHalted : VcpuState::kBlocked);
}

void VcpuStates::switch_in(std::size_t lane) {
  Follower& follower = followers_[lane];
  if (!lanes_[lane].exits) return become(lane, VcpuState::kRunning);
  become(lane, std::exchange(follower.awake_in, std::nullopt));
}

// Also raised for a thread that runs, which stays as it is.
void VcpuStates::ready(std::size_t lane, CpuId cpu) {
  const auto state = followers_[lane].state;
  const bool off_cpu =
      state == VcpuState::kHalted || state == VcpuState::kBlocked || state == VcpuState::kPreempted;
  if (off_cpu) wait_behind(lane, cpu);
}

void VcpuStates::wait_behind(std::size_t lane, CpuId cpu) {
  Follower& follower = followers_[lane];
  const auto running = running_.find(cpu.value);
  const Task by = running == running_.end() ? Task{} : running->second;
  follower.cpu = cpu;
  if (follower.state == VcpuState::kPreempted && follower.by.tid == by.tid) return;
  become(lane, std::nullopt);
  follower.by = by;
  become(lane, VcpuState::kPreempted);
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
  const auto found = by_thread_.find(thread);
  return found == by_thread_.end() ? std::nullopt : std::optional(found->second);
}

Task& VcpuStates::running_on(CpuId cpu) { return running_[cpu.value]; }

void VcpuStates::finish() {
  for (std::size_t i = 0; i < lanes_.size(); ++i) close(i, now_, true);
  followers_.assign(lanes_.size(), Follower{});
}

}  // namespace ivtrace::model
