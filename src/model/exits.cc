#include "model/exits.h"

#include <algorithm>
#include <utility>

#include "model/exit_names.h"

namespace ivtrace::model {
namespace {

constexpr std::size_t kMaxTasks = 4096;  // per reason: thread numbers come from the guest
constexpr std::size_t kMaxReasons = 1024;

/// Follows one vCPU.
class Follower {
 public:
  explicit Follower(const Vcpu& vcpu) { result_.vcpu = vcpu; }

  void enter(HostTsc at) {
    if (reason_ != nullptr) {
      const std::uint64_t took = at.value - since_.value;
      if (took > reason_->times.max() || reason_->times.count() == 0) reason_->longest_at = since_;
      reason_->times.add(took);
      reason_->total += took;
      result_.on_host += took;
    }
    reason_ = nullptr;
    in_guest_ = true;
    since_ = at;
  }
  /// The reason's entry, nameless when it is new; nullptr when there are too many.
  ExitReason* leave(HostTsc at, std::uint32_t number) {
    forget();
    if (in_guest_) result_.in_guest += at.value - since_.value;
    in_guest_ = false;
    since_ = at;
    if (result_.reasons.size() >= kMaxReasons && !result_.reasons.contains(number)) return nullptr;
    reason_ = &result_.reasons[number];
    if (task_ && (reason_->tasks.size() < kMaxTasks || reason_->tasks.contains(*task_)))
      ++reason_->tasks[*task_];
    return reason_;
  }
  /// Host events were lost, or the run ends: what is open stays open.
  void forget() {
    if (reason_ != nullptr) ++reason_->unfinished;
    reason_ = nullptr;
  }
  void lose() {
    forget();
    in_guest_ = false;
  }
  void guest_runs(std::int32_t task) { task_ = task; }
  VcpuExits finish() {
    forget();
    return std::move(result_);
  }

 private:
  VcpuExits result_;
  ExitReason* reason_ = nullptr;  // of the exit that has no entry yet
  bool in_guest_ = false;
  HostTsc since_;
  std::optional<std::int32_t> task_;
};

/// The thread that runs on a guest's CPU behind one of its events.
class GuestTasks {
 public:
  GuestTasks(const run::RunReader& run, const merge::RunEvents& events) {
    for (std::size_t i = 0; i < run.machines().size(); ++i) {
      const decode::FormatTable* formats = events.formats(i);
      const decode::EventFormat* format =
          formats != nullptr ? formats->find("sched", "sched_switch") : nullptr;
      switches_.push_back({format, format != nullptr ? format->find("next_pid") : nullptr});
    }
  }
  std::int32_t behind(const merge::MergedEvent& event) const {
    const auto& [format, next] = switches_[event.stream->machine];
    if (next != nullptr && event.id == format->id) {
      if (const auto pid = decode::read_signed(event.record, *next)) return static_cast<std::int32_t>(*pid);
    }
    return decode::event_pid(event.record);
  }

 private:
  std::vector<std::pair<const decode::EventFormat*, const decode::Field*>> switches_;
};

}  // namespace

Result<Exits> measure_exits(const run::RunReader& run) {
  Exits exits;
  if (kvm_vcpus(run).empty()) return exits;
  IVT_ASSIGN_OR_RETURN(merge::RunEvents events, merge::RunEvents::open(run, {}));
  const VcpuEvents vcpu_events(run, events);
  if (!vcpu_events.recorded()) return exits;
  const GuestTasks tasks(run, events);
  ExitNames names(vcpu_events.exit_format());
  std::vector<Follower> followers(vcpu_events.vcpus().begin(), vcpu_events.vcpus().end());
  exits.walk = walk(run, events, [&](const merge::MergedEvent& event) {
    if (event.loss != nullptr) {
      if (event.stream->machine != vcpu_events.host()) return;
      for (Follower& follower : followers) follower.lose();
    } else if (const auto vcpu = vcpu_events.vcpu_of(event)) {
      followers[*vcpu].guest_runs(tasks.behind(event));
    } else if (const auto seen = vcpu_events.look(event); seen.step == VcpuEvents::Step::kEntry) {
      followers[seen.vcpu].enter(event.time);
    } else if (seen.step == VcpuEvents::Step::kExit) {
      ExitReason* reason = followers[seen.vcpu].leave(event.time, seen.reason);
      if (reason != nullptr && reason->name.empty()) reason->name = names.learn(seen.reason, event.record);
    }
  });
  for (Follower& follower : followers) exits.vcpus.push_back(follower.finish());
  return exits;
}

}  // namespace ivtrace::model
