#include "model/sched_events.h"

#include <algorithm>

namespace ivtrace::model {
namespace {

// prev_state's bits (TASK_REPORT in include/linux/sched.h). What lies above says "preempted".
constexpr std::int64_t kSleepBits = 0xff;
constexpr std::int64_t kDeadBits = 0x10 | 0x20;

std::int32_t read_tid(decode::RecordBytes record, const decode::Field& field) {
  return static_cast<std::int32_t>(decode::read_signed(record, field).value_or(-1));
}

Task read_task(decode::RecordBytes record, const decode::Field& tid, const decode::Field* comm) {
  Task task;
  task.tid = read_tid(record, tid);
  if (comm == nullptr) return task;
  // Newer kernels keep some names behind the fields, and a locator stands in their place.
  const auto bytes = decode::read_array(record, *comm);
  if (bytes) std::memcpy(task.comm.data(), bytes->data(), std::min(bytes->size(), task.comm.size()));
  return task;
}

}  // namespace

SchedEvents::SchedEvents(const decode::FormatTable* formats) {
  if (formats == nullptr) return;
  if (const decode::EventFormat* format = formats->find("sched", "sched_switch"); format != nullptr) {
    switch_.id = format->id;
    switch_.previous = format->find("prev_pid");
    switch_.state = format->find("prev_state");
    switch_.next = format->find("next_pid");
    switch_.comm = format->find("next_comm");
    switch_.known = switch_.previous != nullptr && switch_.state != nullptr && switch_.next != nullptr;
  }
  const struct {
    const char* name;
    Step step;
    const char* cpu;
    bool created;
  } kMoves[] = {{"sched_waking", Step::kReady, "target_cpu", false},
                {"sched_wakeup", Step::kReady, "target_cpu", false},
                {"sched_wakeup_new", Step::kReady, "target_cpu", true},
                {"sched_migrate_task", Step::kMigrate, "dest_cpu", false}};
  for (std::size_t i = 0; i < moved_.size(); ++i) {
    const decode::EventFormat* format = formats->find("sched", kMoves[i].name);
    if (format == nullptr) continue;
    Moved& moved = moved_[i];
    moved.id = format->id;
    moved.step = kMoves[i].step;
    moved.created = kMoves[i].created;
    moved.tid = format->find("pid");
    moved.comm = format->find("comm");
    moved.cpu = format->find(kMoves[i].cpu);
    moved.known = moved.tid != nullptr && moved.cpu != nullptr;
  }
}

SchedEvents::Seen SchedEvents::look_at_switch(decode::RecordBytes record, CpuId cpu) const {
  Seen seen;
  seen.step = Step::kSwitch;
  seen.previous = read_tid(record, *switch_.previous);
  const std::int64_t state = decode::read_signed(record, *switch_.state).value_or(0);
  seen.runnable = (state & kSleepBits) == 0;
  seen.dead = (state & kDeadBits) != 0;
  seen.next = read_task(record, *switch_.next, switch_.comm);
  seen.cpu = cpu;
  return seen;
}

SchedEvents::Seen SchedEvents::look_at_moved(const Moved& moved, decode::RecordBytes record) {
  Seen seen;
  seen.step = moved.step;
  seen.created = moved.created;
  seen.next = read_task(record, *moved.tid, moved.comm);
  seen.cpu = CpuId(static_cast<std::uint32_t>(decode::read_unsigned(record, *moved.cpu).value_or(0)));
  return seen;
}

}  // namespace ivtrace::model
