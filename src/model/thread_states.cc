#include "model/thread_states.h"

#include <algorithm>
#include <utility>

namespace ivtrace::model {
namespace {

constexpr std::size_t kMaxCpus = 65536;  // numbers come from events

}  // namespace

const char* to_string(ThreadState state) {
  switch (state) {
    case ThreadState::kUnknown:
      return "unknown";
    case ThreadState::kRunning:
      return "running";
    case ThreadState::kPreempted:
      return "preempted";
    case ThreadState::kBlocked:
      return "blocked";
    case ThreadState::kEnded:
      return "ended";
  }
  return "?";
}

void ThreadStates::follow(std::int32_t tid, std::size_t index) {
  std::unique_ptr<Thread>* const thread = threads_.make(tid);
  if (thread == nullptr) return;
  if (*thread == nullptr) *thread = std::make_unique<Thread>();
  (*thread)->index = index;
}

void ThreadStates::look(const SchedEvents::Seen& seen, HostTsc at) {
  if (seen.step == SchedEvents::Step::kOther) return;
  if (seen.step == SchedEvents::Step::kSwitch) return switch_cpu(seen, at);
  if (Thread* const thread = find(seen.next.tid)) ready(*thread, seen, at);
}

void ThreadStates::switch_cpu(const SchedEvents::Seen& seen, HostTsc at) {
  Cpu* const on = cpu(seen.cpu);
  if (on != nullptr) on->running = seen.next;
  if (Thread* const thread = find(seen.previous)) {
    if (seen.dead) {
      become(*thread, {ThreadState::kEnded, at, {}, {}});
      threads_.find(seen.previous)->reset();
    } else if (seen.runnable) {
      wait(*thread, seen.cpu, at);
    } else {
      become(*thread, {ThreadState::kBlocked, at, {}, {}});
    }
  }
  if (Thread* const thread = find(seen.next.tid)) become(*thread, {ThreadState::kRunning, at, {}, {}});
  if (on == nullptr) return;
  // Those that wait on stay where they are in the list.
  for (Thread* const waiting : on->waiting) wait(*waiting, seen.cpu, at);
}

// Also raised for a thread that runs, which stays as it is.
void ThreadStates::ready(Thread& thread, const SchedEvents::Seen& seen, HostTsc at) {
  const ThreadState state = thread.now.state;
  const bool off_cpu = state == ThreadState::kBlocked || state == ThreadState::kPreempted;
  if (off_cpu || (seen.created && state == ThreadState::kUnknown)) wait(thread, seen.cpu, at);
}

void ThreadStates::wait(Thread& thread, CpuId id, HostTsc at) {
  const Cpu* const on = cpu(id);
  const Task by = on == nullptr ? Task{} : on->running;
  const ThreadStretch& now = thread.now;
  if (now.state == ThreadState::kPreempted && now.cpu == id && now.by.tid == by.tid) return;
  become(thread, {ThreadState::kPreempted, at, id, by});
}

void ThreadStates::become(Thread& thread, ThreadStretch now) {
  if (thread.now.state == now.state && now.state != ThreadState::kPreempted) return;
  const ThreadStretch before = std::exchange(thread.now, now);
  const bool waited = before.state == ThreadState::kPreempted;
  const bool waits = now.state == ThreadState::kPreempted;
  if (waited && (!waits || before.cpu != now.cpu)) {
    if (Cpu* const on = cpu(before.cpu)) std::erase(on->waiting, &thread);
  }
  if (waits && (!waited || before.cpu != now.cpu)) {
    if (Cpu* const on = cpu(now.cpu)) on->waiting.push_back(&thread);
  }
  // It moved to the queue of another CPU, which the same thread (or an idle one) has.
  if (waited && waits && before.by.tid == now.by.tid) {
    thread.now.since = before.since;
    return;
  }
  sink_(thread.index, before, thread.now);
}

void ThreadStates::runs(std::int32_t tid, HostTsc at) {
  if (Thread* const thread = find(tid)) become(*thread, {ThreadState::kRunning, at, {}, {}});
}

void ThreadStates::lose(HostTsc from) { forget(from, true); }

void ThreadStates::clear() {
  threads_.clear();
  cpus_.clear();
}

void ThreadStates::finish(HostTsc at) { forget(at, false); }

void ThreadStates::forget(HostTsc from, bool lost) {
  threads_.for_each([&](const std::unique_ptr<Thread>& thread) {
    if (thread == nullptr) return;
    become(*thread, {ThreadState::kUnknown, std::max(from, thread->now.since), {}, {}, lost});
  });
  cpus_.clear();
}

std::optional<std::size_t> ThreadStates::index_of(std::int32_t tid) const {
  const std::unique_ptr<Thread>* const thread = threads_.find(tid);
  return thread == nullptr || *thread == nullptr ? std::nullopt : std::optional((*thread)->index);
}

ThreadStates::Thread* ThreadStates::find(std::int32_t tid) {
  const std::unique_ptr<Thread>* const thread = threads_.find(tid);
  return thread == nullptr ? nullptr : thread->get();
}

ThreadStates::Cpu* ThreadStates::cpu(CpuId id) {
  if (id.value >= kMaxCpus) return nullptr;
  if (id.value >= cpus_.size()) cpus_.resize(id.value + 1u);
  return &cpus_[id.value];
}

}  // namespace ivtrace::model
