#include "model/qemu_threads.h"

#include "model/vcpu_events.h"

namespace ivtrace::model {
namespace {

constexpr std::size_t kMaxThreads = 65536;  // at a time; what comes later is left out

}  // namespace

QemuThreads::QemuThreads(const run::RunReader& run, const merge::RunEvents& events,
                         const ThreadOwners& owners, std::function<void(const QemuSlice&)> sink)
    : run_(run),
      owners_(owners),
      sink_(std::move(sink)),
      host_(host_machine(run)),
      sched_(events.formats(host_)),
      states_([this](std::size_t index, const ThreadStretch& before, const ThreadStretch& now) {
        changed(index, before, now);
      }) {
  for (const Vcpu& vcpu : run_vcpus(run)) vcpus_.insert(vcpu.thread.value);
}

void QemuThreads::look(const merge::MergedEvent& event) {
  now_ = event.time;
  if (event.stream->machine != host_) return;
  if (event.loss != nullptr) return lose(event.loss->from);
  look(event, sched_.look(event.id, event.record, event.stream->cpu));
}

void QemuThreads::look(const merge::MergedEvent& event, const SchedEvents::Seen& seen) {
  now_ = event.time;
  if (seen.step == SchedEvents::Step::kOther) return;
  if (seen.step == SchedEvents::Step::kSwitch) meet({seen.previous, {}});
  meet(seen.next);
  states_.look(seen, event.time);
}

/// Learns a followed thread's name, and begins to follow one of QEMU's.
void QemuThreads::meet(const Task& task) {
  if (task.tid <= 0) return;
  if (const auto index = states_.index_of(task.tid)) {
    if (!task.name().empty()) threads_[*index].task.comm = task.comm;
    return;
  }
  const auto machine = owners_.owner(task);
  if (!machine || vcpus_.contains(task.tid) || threads_.size() - free_.size() >= kMaxThreads) return;
  std::size_t index = threads_.size();
  if (free_.empty()) {
    threads_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  threads_[index] = {*machine, task};
  states_.follow(task.tid, index);
}

void QemuThreads::changed(std::size_t index, const ThreadStretch& before, const ThreadStretch& now) {
  if (before.state != ThreadState::kUnknown && now.since > before.since) {
    QemuSlice slice{threads_[index].machine,
                    threads_[index].task,
                    before.state,
                    before.since,
                    now.since,
                    before.by,
                    false};
    slice.open = now.state == ThreadState::kUnknown && !now.lost;
    sink_(slice);
  }
  if (now.state == ThreadState::kEnded) free_.push_back(index);
}

// Which of them have ended meanwhile is not known: they are met again.
void QemuThreads::lose(HostTsc from) {
  states_.lose(from);
  states_.clear();
  threads_.clear();
  free_.clear();
}

}  // namespace ivtrace::model
