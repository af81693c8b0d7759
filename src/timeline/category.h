// What slices are told apart by, as numbers: a run may have millions of slices and few kinds of them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/io_request.h"
#include "model/sched_events.h"
#include "model/thread_states.h"
#include "model/vcpu_states.h"

namespace ivtrace::timeline {

/// All states that a slice of any track may have.
enum class State : std::uint8_t {
  kVcpu,
  kQemu,
  kHost,
  kIdle,
  kTask,
  kGuest,
  kExit,
  kUserspace,
  kRunning,
  kPreempted,
  kHalted,
  kBlocked,
  kRead,
  kWrite,
  kFlush,
  kDiscard,
  kOther,
  kIrq,
  kSoftirq,
  kSlice,
  kInstant,
  kValue,
  kUnknown,
};
const char* to_string(State state);
State state_of(model::VcpuState state);
State state_of(model::ThreadState state);
State state_of(model::IoDirection direction);

/// A category by its numbers (tile.h has it for people).
struct Mark {
  State state = State::kUnknown;
  std::int32_t machine = -1;
  std::uint32_t label = 0;  ///< of Categories::text()
  std::int32_t tid = -1;

  friend bool operator==(const Mark&, const Mark&) = default;
};
struct MarkHash {
  std::size_t operator()(const Mark& mark) const {
    const std::uint64_t high = static_cast<std::uint64_t>(mark.state) << 32 ^ mark.label;
    const std::uint64_t low = static_cast<std::uint64_t>(static_cast<std::uint32_t>(mark.machine)) << 32 ^
                              static_cast<std::uint32_t>(mark.tid);
    return (high * 0x9e3779b97f4a7c15u) ^ ((low + 0x7f4a7c15u) * 0xc2b2ae3d27d4eb4fu);
  }
};

/// The categories of a timeline. They only grow, and not without end: a guest may have as many names as it
/// likes. Of the kMaxMarks-th and further ones the thread is left out, and of further ones still the name,
/// which is then "…". One thread, or any while nothing is added.
class Categories {
 public:
  Categories();

  std::uint32_t label(std::string_view text);
  std::uint32_t add(const Mark& mark);
  /// The same, labelled by the task's name.
  std::uint32_t add(State state, std::int32_t machine, const model::Task& task) {
    Recent& recent = recent_[slot_of(state, machine, task)];
    if (recent.state == state && recent.machine == machine && recent.task.tid == task.tid &&
        recent.task.comm == task.comm)
      return recent.category;
    return add_task(recent, state, machine, task);
  }

  const Mark& operator[](std::uint32_t category) const { return marks_[category]; }
  const std::string& text(std::uint32_t label) const { return texts_[label]; }
  std::size_t size() const { return marks_.size(); }

  static constexpr std::size_t kMaxMarks = 1u << 18;
  static constexpr std::size_t kMaxLabels = 1u << 18;
  static constexpr std::size_t kMaxText = 64;  ///< bytes of a label

 private:
  struct Recent {
    State state = State::kUnknown;
    std::int32_t machine = -2;
    model::Task task;
    std::uint32_t category = 0;
  };
  static constexpr std::size_t kRecent = 4096;
  static std::size_t slot_of(State state, std::int32_t machine, const model::Task& task) {
    const auto tid = static_cast<std::uint32_t>(task.tid) * 0x9e3779b1u;
    return (tid ^ static_cast<std::uint32_t>(machine) << 3 ^ static_cast<std::uint32_t>(state)) % kRecent;
  }
  std::uint32_t add_task(Recent& recent, State state, std::int32_t machine, const model::Task& task);

  std::vector<Mark> marks_;
  std::unordered_map<Mark, std::uint32_t, MarkHash> by_mark_;
  std::vector<std::string> texts_;
  std::unordered_map<std::string, std::uint32_t> by_text_;
  std::vector<Recent> recent_;
};

}  // namespace ivtrace::timeline
