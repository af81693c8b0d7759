#include "query/slice_tables.h"

#include "query/row_table.h"

namespace ivtrace::query {
namespace {

struct VcpuSliceSource {
  static constexpr RowKind kKind = RowKind::kVcpuSlice;
  static constexpr double kEstimate = 1e6;
  static const auto& rows(const ModelRows& rows) { return rows.vcpu_slices(); }
  static const TableInfo& info() {
    static const TableInfo kInfo = {
        "vcpu_slice",
        "What each vCPU's thread did; what no slice covers is not known",
        {{"machine", kText, "", "the guest"},
         {"vcpu", kInteger, "", "QEMU's index of the vCPU; NULL: the thread runs several in turns (TCG)"},
         {"thread", kInteger, "", "the host's thread that runs it"},
         {"state", kText, "", "guest, exit, userspace, running, preempted, halted or blocked"},
         {"from_ns", kInteger, "ns", "begin, since the run's start", kRange},
         {"until_ns", kInteger, "ns", "end", kRange},
         {"reason", kText, "",
          "why the guest was left last; NULL while it runs, and where exits are not seen"},
         {"by_tid", kInteger, "",
          "preempted: the thread that has the CPU, 0 when it is idle; NULL: not known"},
         {"by_comm", kText, "", "preempted: that thread's name"},
         {"by_machine", kText, "", "preempted: the guest that it works for, or host"},
         {"open", kInteger, "", "1: the run ended before the state did"}}};
    return kInfo;
  }
  static Cell cell(const ModelRows& rows, const VcpuSliceRow& row, std::uint64_t, int column, std::string&) {
    const model::VcpuLane& lane = rows.lanes()[row.lane];
    const bool preempted = row.state == model::VcpuState::kPreempted;
    switch (column) {
      case 0:
        return machine_name(rows, lane.vcpus.front().machine);
      case 1:
        return lane.vcpus.size() == 1 ? Cell(std::int64_t{lane.vcpus.front().index}) : kNull;
      case 2:
        return std::int64_t{lane.vcpus.front().thread.value};
      case 3:
        return std::string_view(to_string(row.state));
      case 4:
        return row.from_ns;
      case 5:
        return row.until_ns;
      case 6: {
        const bool left = row.state != model::VcpuState::kGuest && row.state != model::VcpuState::kRunning;
        return lane.exits && left ? text_or_null(rows.exit_reason(row.reason)) : kNull;
      }
      case 7:
        return preempted && row.by.tid >= 0 ? Cell(std::int64_t{row.by.tid}) : kNull;
      case 8:
        return preempted && row.by.tid > 0 ? text_or_null(row.by.name()) : kNull;
      case 9:
        return row.by_machine >= 0 ? machine_name(rows, static_cast<std::size_t>(row.by_machine)) : kNull;
      default:
        return std::int64_t{row.open};
    }
  }
};

struct QemuSliceSource {
  static constexpr RowKind kKind = RowKind::kQemuSlice;
  static constexpr double kEstimate = 1e6;
  static const auto& rows(const ModelRows& rows) { return rows.qemu_slices(); }
  static const TableInfo& info() {
    static const TableInfo kInfo = {
        "qemu_slice",
        "What each host thread of a QEMU that runs no vCPU did; what no slice covers is not known",
        {{"machine", kText, "", "the guest"},
         {"thread", kInteger, "", "the host's thread"},
         {"comm", kText, "", "its name then; NULL: not recorded"},
         {"state", kText, "", "running, preempted or blocked"},
         {"from_ns", kInteger, "ns", "begin, since the run's start", kRange},
         {"until_ns", kInteger, "ns", "end", kRange},
         {"by_tid", kInteger, "",
          "preempted: the thread that has the CPU, 0 when it is idle; NULL: not known"},
         {"by_comm", kText, "", "preempted: that thread's name"},
         {"by_machine", kText, "", "preempted: the guest that it works for, or host"},
         {"open", kInteger, "", "1: the run ended before the state did"}}};
    return kInfo;
  }
  static Cell cell(const ModelRows& rows, const QemuSliceRow& row, std::uint64_t, int column, std::string&) {
    switch (column) {
      case 0:
        return machine_name(rows, row.machine);
      case 1:
        return std::int64_t{row.thread.tid};
      case 2:
        return text_or_null(row.thread.name());
      case 3:
        return std::string_view(to_string(row.state));
      case 4:
        return row.from_ns;
      case 5:
        return row.until_ns;
      case 6:
        return row.by.tid >= 0 ? Cell(std::int64_t{row.by.tid}) : kNull;
      case 7:
        return row.by.tid > 0 ? text_or_null(row.by.name()) : kNull;
      case 8:
        return row.by_machine >= 0 ? machine_name(rows, static_cast<std::size_t>(row.by_machine)) : kNull;
      default:
        return std::int64_t{row.open};
    }
  }
};

struct SchedSliceSource {
  static constexpr RowKind kKind = RowKind::kSchedSlice;
  static constexpr double kEstimate = 1e6;
  static const auto& rows(const ModelRows& rows) { return rows.sched_slices(); }
  static const TableInfo& info() {
    static const TableInfo kInfo = {
        "sched_slice",
        "Who had each CPU, of the host and of the guests, from switch to switch",
        {{"machine", kText, "", "whose CPU"},
         {"cpu", kInteger, "", "its number there"},
         {"tid", kInteger, "", "the thread; 0: the CPU was idle"},
         {"comm", kText, "", "the thread's name then; NULL: not recorded"},
         {"from_ns", kInteger, "ns", "it got the CPU, since the run's start", kRange},
         {"until_ns", kInteger, "ns", "it left the CPU", kRange},
         {"end_state", kText, "", "how it left: runnable, asleep, dead; open: that was not seen"},
         {"owner", kText, "",
          "of the host's: the guest whose QEMU the thread belongs to, or host; NULL: idle, or a guest's"}}};
    return kInfo;
  }
  static Cell cell(const ModelRows& rows, const SchedSliceRow& row, std::uint64_t, int column, std::string&) {
    switch (column) {
      case 0:
        return machine_name(rows, row.machine);
      case 1:
        return integer(row.cpu);
      case 2:
        return std::int64_t{row.task.tid};
      case 3:
        return text_or_null(row.task.name());
      case 4:
        return row.from_ns;
      case 5:
        return row.until_ns;
      case 6:
        return std::string_view(to_string(row.end));
      default:
        return row.owner >= 0 ? machine_name(rows, static_cast<std::size_t>(row.owner)) : kNull;
    }
  }
};

}  // namespace

std::vector<std::unique_ptr<Table>> slice_tables(ModelRows& rows) {
  std::vector<std::unique_ptr<Table>> tables;
  tables.push_back(std::make_unique<RowTable<VcpuSliceSource>>(rows));
  tables.push_back(std::make_unique<RowTable<QemuSliceSource>>(rows));
  tables.push_back(std::make_unique<RowTable<SchedSliceSource>>(rows));
  return tables;
}

}  // namespace ivtrace::query
