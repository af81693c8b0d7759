// The scheduler's events of one machine: who gets a CPU, who leaves it, who becomes ready to run.
//
// Source: include/trace/events/sched.h. Field names are stable; places differ between kernels, so they are
// looked up in the recorded formats.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/units.h"
#include "decode/field.h"
#include "decode/format_file.h"
#include "decode/integer_reader.h"

namespace ivtrace::model {

/// A thread as the scheduler's events name it. A plain value.
struct Task {
  std::int32_t tid = -1;        ///< 0: the CPU is idle, -1: not known
  std::array<char, 16> comm{};  ///< as recorded: any bytes, padded by NUL

  std::string_view name() const { return {comm.data(), strnlen(comm.data(), comm.size())}; }
};

/// Recognises sched_switch, sched_wakeup, sched_wakeup_new, sched_waking and sched_migrate_task. Constant
/// after construction; borrows the formats. Any thread.
class SchedEvents {
 public:
  /// `formats` may be nullptr or lack events: those are then never seen.
  explicit SchedEvents(const decode::FormatTable* formats);

  enum class Step {
    kOther,
    kSwitch,   ///< `previous` leaves the CPU, `next` gets it
    kReady,    ///< `next` becomes ready to run on `cpu`
    kMigrate,  ///< `next`, ready to run or running, moves to `cpu`
  };
  struct Seen {
    Step step = Step::kOther;
    std::int32_t previous = -1;
    bool runnable = false;  ///< `previous` would have gone on
    bool dead = false;      ///< `previous` has ended
    bool created = false;   ///< `next` is new and never ran
    Task next;
    CpuId cpu;
  };
  /// `cpu` is the event's own.
  Seen look(std::uint16_t id, decode::RecordBytes record, CpuId cpu) const {
    if (id == switch_.id && switch_.known) return look_at_switch(record, cpu);
    for (const Moved& moved : moved_) {
      if (id == moved.id && moved.known) return look_at_moved(moved, record);
    }
    return {};
  }
  bool has_switches() const { return switch_.known; }

 private:
  /// Where a task's name is.
  class Name {
   public:
    Name() = default;
    explicit Name(const decode::Field* field);
    void read(decode::RecordBytes record, Task& task) const {
      if (fixed_end_ != 0 && fixed_end_ <= record.size()) {
        std::memcpy(task.comm.data(), record.data() + fixed_end_ - task.comm.size(), task.comm.size());
      } else if (field_ != nullptr) {
        read_elsewhere(record, task);
      }
    }

   private:
    void read_elsewhere(decode::RecordBytes record, Task& task) const;
    const decode::Field* field_ = nullptr;
    std::uint64_t fixed_end_ = 0;  ///< of 16 bytes at a fixed place; 0: they are not
  };
  struct Switch {
    bool known = false;
    std::uint16_t id = 0;
    decode::IntegerReader previous, state, next;
    Name comm;
  };
  struct Moved {
    bool known = false;
    std::uint16_t id = 0;
    Step step = Step::kOther;
    bool created = false;
    decode::IntegerReader tid, cpu;
    Name comm;
  };
  Seen look_at_switch(decode::RecordBytes record, CpuId cpu) const;
  static Seen look_at_moved(const Moved& moved, decode::RecordBytes record);

  Switch switch_;
  std::array<Moved, 4> moved_;
};

}  // namespace ivtrace::model
