#include "timeline/category.h"

namespace ivtrace::timeline {
namespace {

constexpr const char* kStates[] = {"vcpu",    "qemu",      "host",    "idle",      "task",   "guest",
                                   "exit",    "userspace", "running", "preempted", "halted", "blocked",
                                   "read",    "write",     "flush",   "discard",   "other",  "irq",
                                   "softirq", "slice",     "instant", "value",     "unknown"};
constexpr std::uint32_t kMoreLabel = 1;  // stands for all labels that found no place

}  // namespace

const char* to_string(State state) { return kStates[static_cast<std::size_t>(state)]; }

State state_of(model::VcpuState state) {
  switch (state) {
    case model::VcpuState::kGuest:
      return State::kGuest;
    case model::VcpuState::kExit:
      return State::kExit;
    case model::VcpuState::kUserspace:
      return State::kUserspace;
    case model::VcpuState::kRunning:
      return State::kRunning;
    case model::VcpuState::kPreempted:
      return State::kPreempted;
    case model::VcpuState::kHalted:
      return State::kHalted;
    case model::VcpuState::kBlocked:
      return State::kBlocked;
  }
  return State::kUnknown;
}
State state_of(model::ThreadState state) {
  switch (state) {
    case model::ThreadState::kRunning:
      return State::kRunning;
    case model::ThreadState::kPreempted:
      return State::kPreempted;
    case model::ThreadState::kBlocked:
      return State::kBlocked;
    default:
      return State::kUnknown;
  }
}
State state_of(model::IoDirection direction) {
  switch (direction) {
    case model::IoDirection::kRead:
      return State::kRead;
    case model::IoDirection::kWrite:
      return State::kWrite;
    case model::IoDirection::kFlush:
      return State::kFlush;
    case model::IoDirection::kDiscard:
      return State::kDiscard;
    default:
      return State::kOther;
  }
}

Categories::Categories() : texts_{"", "…"}, recent_(kRecent) {}

std::uint32_t Categories::label(std::string_view text) {
  if (text.empty()) return 0;
  std::string cut(text.substr(0, kMaxText));
  if (const auto found = by_text_.find(cut); found != by_text_.end()) return found->second;
  if (texts_.size() >= kMaxLabels) return kMoreLabel;
  texts_.push_back(cut);
  const auto number = static_cast<std::uint32_t>(texts_.size() - 1);
  by_text_.emplace(std::move(cut), number);
  return number;
}

std::uint32_t Categories::add(const Mark& mark) {
  if (const auto found = by_mark_.find(mark); found != by_mark_.end()) return found->second;
  Mark wanted = mark;
  // What is left out then is bounded by states and machines, so that this ends.
  const bool is_plain = mark.label <= kMoreLabel && mark.tid == -1;
  if (marks_.size() >= kMaxMarks && !is_plain) {
    if (mark.tid != -1) {
      wanted.tid = -1;
    } else if (marks_.size() >= 2 * kMaxMarks) {
      wanted.label = kMoreLabel;
    }
    if (wanted != mark) return add(wanted);
  }
  marks_.push_back(mark);
  const auto number = static_cast<std::uint32_t>(marks_.size() - 1);
  by_mark_.emplace(mark, number);
  return number;
}

std::uint32_t Categories::add_task(Recent& recent, State state, std::int32_t machine,
                                   const model::Task& task) {
  recent = {state, machine, task, add(Mark{state, machine, label(task.name()), task.tid})};
  return recent.category;
}

}  // namespace ivtrace::timeline
