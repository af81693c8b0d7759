#include "view/name_list.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "view/row_walk.h"

namespace ivtrace::view {
namespace {

using query::ModelRows;
using timeline::TrackKind;

/// How often something was, and when.
struct Seen {
  std::int64_t count = 0;
  std::int64_t first_ns = 0;
  std::int64_t last_ns = 0;
};
template <class Key>
class Counter {
 public:
  void add(const Key& key, const query::Span& row) {
    auto found = seen_.find(key);
    if (found == seen_.end()) {
      if (seen_.size() == kMostNames) return;
      found = seen_.emplace(key, Seen{0, row.from_ns, row.until_ns}).first;
    }
    Seen& seen = found->second;
    ++seen.count;
    seen.first_ns = std::min(seen.first_ns, row.from_ns);
    seen.last_ns = std::max(seen.last_ns, row.until_ns);
  }
  const std::map<Key, Seen>& seen() const { return seen_; }

 private:
  std::map<Key, Seen> seen_;
};

/// A thread on something of a machine's: a CPU, or a disk.
struct TaskPlace {
  std::uint32_t machine = 0;
  std::uint32_t place = 0;
  model::Task task;

  bool operator<(const TaskPlace& other) const {
    return std::tie(machine, place, task.tid, task.comm) <
           std::tie(other.machine, other.place, other.task.tid, other.task.comm);
  }
};

class NameMaker {
 public:
  NameMaker(const ModelRows& rows, const Tracks& tracks, query::StopFlag stop)
      : rows_(rows), tracks_(tracks), stop_(stop) {}

  Result<std::vector<Name>> make() {
    IVT_RETURN_IF_ERROR(add_tasks());
    IVT_RETURN_IF_ERROR(add_disks());
    IVT_RETURN_IF_ERROR(add_interrupts());
    IVT_RETURN_IF_ERROR(add_exits());
    IVT_RETURN_IF_ERROR(add_marks());
    std::stable_sort(names_.begin(), names_.end(),
                     [](const Name& a, const Name& b) { return a.count > b.count; });
    return std::move(names_);
  }

 private:
  void put(const char* what, std::int64_t machine, std::int64_t track, std::string label, std::int64_t tid,
           const Seen& seen) {
    if (track == Tracks::kNone) return;
    Name name;
    name.what = what;
    name.machine = machine;
    name.track = track;
    name.text = tid >= 0 ? label + " " + std::to_string(tid) : label;
    if (label.empty()) name.text = tracks_.by_id(static_cast<std::uint32_t>(track))->name;
    name.folded = fold(name.text);
    name.label = std::move(label);
    name.tid = tid;
    name.count = seen.count;
    name.first_ns = seen.first_ns;
    name.last_ns = seen.last_ns;
    names_.push_back(std::move(name));
  }

  Status add_tasks() {
    Counter<TaskPlace> tasks;
    IVT_RETURN_IF_ERROR(
        for_each_within(rows_.sched_slices(), kAlways, stop_, [&](const query::SchedSliceRow& row) {
          if (row.task.tid > 0) tasks.add({row.machine, row.cpu, row.task}, row);
        }));
    for (const auto& [key, seen] : tasks.seen()) {
      const auto kind = key.machine == 0 ? TrackKind::kCpu : TrackKind::kTask;
      if (key.task.name().empty()) continue;
      put("task", key.machine, tracks_.find(key.machine, kind, key.place), std::string(key.task.name()),
          key.task.tid, seen);
    }
    return {};
  }

  /// Disks, and who wanted their requests.
  Status add_disks() {
    Counter<TaskPlace> tasks;
    Counter<std::pair<std::uint32_t, std::uint32_t>> disks;
    IVT_RETURN_IF_ERROR(
        for_each_within(rows_.block_requests(), kAlways, stop_, [&](const query::BlockRequestRow& row) {
          disks.add({row.machine, row.device}, row);
          tasks.add({row.machine, row.device, row.task}, row);
        }));
    for (const auto& [key, seen] : tasks.seen()) {
      if (key.task.name().empty()) continue;
      put("task", key.machine, tracks_.find(key.machine, TrackKind::kDisk, key.place),
          std::string(key.task.name()), key.task.tid, seen);
    }
    for (const auto& [key, seen] : disks.seen())
      put("disk", key.first, tracks_.find(key.first, TrackKind::kDisk, key.second), "", -1, seen);
    return {};
  }

  Status add_interrupts() {
    Counter<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>> interrupts;  // machine, CPU, name
    IVT_RETURN_IF_ERROR(
        for_each_within(rows_.irq_slices(), kAlways, stop_, [&](const query::IrqSliceRow& row) {
          interrupts.add({row.machine, row.cpu, row.name}, row);
        }));
    for (const auto& [key, seen] : interrupts.seen()) {
      const auto& [machine, cpu, name] = key;
      if (rows_.irq_names()[name].empty()) continue;
      put("interrupt", machine, tracks_.find(machine, TrackKind::kIrq, cpu), rows_.irq_names()[name], -1,
          seen);
    }
    return {};
  }

  Status add_marks() {
    Counter<std::tuple<std::uint32_t, std::int32_t, std::uint32_t>> marks;  // machine, thread, name
    const auto add = [&](const auto& row) { marks.add({row.machine, row.tid, row.name}, row); };
    IVT_RETURN_IF_ERROR(for_each_within(rows_.mark_slices(), kAlways, stop_, add));
    IVT_RETURN_IF_ERROR(for_each_within(rows_.mark_instants(), kAlways, stop_, add));
    for (const auto& [key, seen] : marks.seen()) {
      const auto& [machine, thread, name] = key;
      if (!rows_.mark_names()[name].empty())
        put("mark", machine, tracks_.find(machine, TrackKind::kMarks, thread), rows_.mark_names()[name], -1,
            seen);
    }
    return {};
  }

  Status add_exits() {
    Counter<std::pair<std::uint32_t, std::uint32_t>> exits;  // lane, reason
    IVT_RETURN_IF_ERROR(
        for_each_within(rows_.vcpu_slices(), kAlways, stop_, [&](const query::VcpuSliceRow& row) {
          if (row.state == model::VcpuState::kExit) exits.add({row.lane, row.reason}, row);
        }));
    for (const auto& [key, seen] : exits.seen()) {
      const model::VcpuLane& lane = rows_.lanes()[key.first];
      const auto machine = static_cast<std::int64_t>(lane.vcpus.front().machine);
      const std::int64_t number = lane.vcpus.size() == 1 ? lane.vcpus.front().index : -1;
      const std::string& reason = rows_.exit_reason(key.second);
      if (!reason.empty())
        put("exit", machine, tracks_.find(machine, TrackKind::kVcpu, number), reason, -1, seen);
    }
    return {};
  }

  const ModelRows& rows_;
  const Tracks& tracks_;
  query::StopFlag stop_;
  std::vector<Name> names_;
};

}  // namespace

std::string fold(std::string_view text) {
  std::string folded(text);
  for (char& c : folded) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return folded;
}

Result<std::vector<Name>> names_of(const ModelRows& rows, const Tracks& tracks, query::StopFlag stop) {
  return NameMaker(rows, tracks, stop).make();
}

}  // namespace ivtrace::view
