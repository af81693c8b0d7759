#include "model/sched_events.h"

#include <algorithm>

namespace ivtrace::model {
namespace {

// prev_state's bits (TASK_REPORT in include/linux/sched.h). What lies above says "preempted".
constexpr std::int64_t kSleepBits = 0xff;
constexpr std::int64_t kDeadBits = 0x10 | 0x20;

}  // namespace

SchedEvents::SchedEvents(const decode::FormatTable* formats) {
  if (formats == nullptr) return;
  if (const decode::EventFormat* format = formats->find("sched", "sched_switch"); format != nullptr) {
    switch_.id = format->id;
    switch_.previous = decode::IntegerReader(format->find("prev_pid"));
    switch_.state = decode::IntegerReader(format->find("prev_state"));
    switch_.next = decode::IntegerReader(format->find("next_pid"));
    switch_.comm = Name(format->find("next_comm"));
    switch_.known = switch_.previous.known() && switch_.state.known() && switch_.next.known();
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
    moved.tid = decode::IntegerReader(format->find("pid"));
    moved.comm = Name(format->find("comm"));
    moved.cpu = decode::IntegerReader(format->find(kMoves[i].cpu));
    moved.known = moved.tid.known() && moved.cpu.known();
  }
}

SchedEvents::Name::Name(const decode::Field* field) : field_(field) {
  const bool fixed = field != nullptr && field->kind == decode::FieldKind::kCharArray &&
                     field->size == std::tuple_size_v<decltype(Task::comm)>;
  if (fixed) fixed_end_ = std::uint64_t{field->offset} + field->size;
}

// Newer kernels keep some names behind the fields, and a locator stands in their place.
void SchedEvents::Name::read_elsewhere(decode::RecordBytes record, Task& task) const {
  const auto bytes = decode::read_array(record, *field_);
  if (bytes) std::memcpy(task.comm.data(), bytes->data(), std::min(bytes->size(), task.comm.size()));
}

SchedEvents::Seen SchedEvents::look_at_switch(decode::RecordBytes record, CpuId cpu) const {
  Seen seen;
  seen.step = Step::kSwitch;
  seen.previous = static_cast<std::int32_t>(switch_.previous.read(record, -1));
  const std::int64_t state = switch_.state.read(record, 0);
  seen.runnable = (state & kSleepBits) == 0;
  seen.dead = (state & kDeadBits) != 0;
  seen.next.tid = static_cast<std::int32_t>(switch_.next.read(record, -1));
  switch_.comm.read(record, seen.next);
  seen.cpu = cpu;
  return seen;
}

SchedEvents::Seen SchedEvents::look_at_moved(const Moved& moved, decode::RecordBytes record) {
  Seen seen;
  seen.step = moved.step;
  seen.created = moved.created;
  seen.next.tid = static_cast<std::int32_t>(moved.tid.read(record, -1));
  moved.comm.read(record, seen.next);
  seen.cpu = CpuId(static_cast<std::uint32_t>(moved.cpu.read(record, 0)));
  return seen;
}

}  // namespace ivtrace::model
