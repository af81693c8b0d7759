#include "query/model_tables.h"

#include <fmt/format.h>

#include <algorithm>

namespace ivtrace::query {
namespace {

/// Walks the rows of a RowFile: those blocks that may have what the conditions on the times leave, and within
/// the bounds of the key where there is one. `Source` tells the row's type, its columns, and where it lies.
template <class Source>
class RowCursor : public Cursor {
 public:
  explicit RowCursor(ModelRows& rows) : rows_(rows) {}

  Status start(std::span<const Constraint> constraints, std::uint32_t) override {
    IVT_RETURN_IF_ERROR(rows_.make(Source::kKind));
    const TableInfo& info = Source::info();
    from_ = range_of(constraints, info.find("from_ns"));
    until_ = range_of(constraints, info.find("until_ns"));
    begin_ = 0;
    end_ = file().size();
    if constexpr (requires { Source::kKey; }) {
      const Range key = range_of(constraints, info.find(Source::kKey));
      begin_ = first_not_below(key.low);
      if (key.high < std::numeric_limits<std::int64_t>::max()) end_ = first_not_below(key.high + 1);
    }
    go_to(begin_);
    return {};
  }
  Status next() override {
    go_to(at_ + 1);
    return {};
  }
  bool at_end() const override { return at_ >= end_; }
  Cell cell(int column) override { return Source::cell(rows_, Source::rows(rows_)[at_], at_, column, text_); }
  std::int64_t row_id() const override { return static_cast<std::int64_t>(at_ + 1); }

 private:
  const RowFile& file() const { return Source::rows(rows_).file(); }
  void go_to(std::uint64_t row) {
    // Blocks are looked at when one begins; within one SQLite's own check is as quick.
    at_ = row % RowFile::kBlock == 0 || row == begin_ ? file().skip(row, from_, until_) : row;
  }
  /// Keys rise with the rows.
  std::uint64_t first_not_below(std::int64_t key) const {
    std::uint64_t low = 0;
    std::uint64_t high = file().size();
    while (low < high) {
      const std::uint64_t middle = low + (high - low) / 2;
      if (Source::key(Source::rows(rows_)[middle], middle) < key) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  ModelRows& rows_;
  Range from_;
  Range until_;
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
  std::uint64_t at_ = 0;
  std::string text_;  // of a cell whose text is made for it
};

template <class Source>
class RowTable : public Table {
 public:
  explicit RowTable(ModelRows& rows) : rows_(rows) {}
  const TableInfo& info() const override { return Source::info(); }
  double row_estimate() const override { return Source::kEstimate; }
  void want() override { rows_.want(Source::kKind); }
  std::unique_ptr<Cursor> open() override { return std::make_unique<RowCursor<Source>>(rows_); }

 private:
  ModelRows& rows_;
};

constexpr Cell kNull{};
Cell integer(std::uint64_t number) { return static_cast<std::int64_t>(number); }
Cell integer_if(bool known, std::uint64_t number) { return known ? integer(number) : kNull; }
Cell text_or_null(std::string_view text) { return text.empty() ? kNull : Cell(text); }
Cell machine_name(const ModelRows& rows, std::size_t machine) {
  return std::string_view(rows.run().machines()[machine].info.name);
}
Cell device_cell(std::uint32_t device, std::string& text) {
  text = device_text(device);
  return std::string_view(text);
}
constexpr auto kInteger = Type::kInteger;
constexpr auto kText = Type::kText;
constexpr auto kRange = Search::kRange;
constexpr auto kKeyed = Search::kKey;

struct LossSource {
  static constexpr RowKind kKind = RowKind::kLoss;
  static constexpr double kEstimate = 1e3;
  static const auto& rows(const ModelRows& rows) { return rows.losses(); }
  static const TableInfo& info() {
    static const TableInfo kInfo = {
        "loss",
        "Holes: events that happened and are not in the run",
        {{"machine", kText, "", "whose events"},
         {"cpu", kInteger, "", "its CPU; NULL: any of the machine's"},
         {"from_ns", kInteger, "ns", "the last event before the hole, or the run's start", kRange},
         {"until_ns", kInteger, "ns", "the first sign of life behind it; NULL: there is none", kRange},
         {"events", kInteger, "", "how many are missing; NULL: nobody knows"},
         {"bytes", kInteger, "bytes", "of the file or the ring that are missing; NULL: not known"},
         {"reason", kText, "",
          "\"missed-events\", \"missing-pages\", \"damaged-page\", or the recorder's word"}}};
    return kInfo;
  }
  static Cell cell(const ModelRows& rows, const LossRow& row, std::uint64_t, int column, std::string&) {
    switch (column) {
      case 0:
        return machine_name(rows, row.machine);
      case 1:
        return integer_if(row.has_cpu, row.cpu);
      case 2:
        return row.from_ns;
      case 3:
        return row.has_until ? Cell(row.until_ns) : kNull;
      case 4:
        return integer_if(row.has_events, row.events);
      case 5:
        return integer_if(row.has_bytes, row.bytes);
      default:
        return std::string_view(rows.reasons()[row.reason]);
    }
  }
};

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
         {"end_state", kText, "", "how it left: runnable, asleep, dead; open: that was not seen"}}};
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
      default:
        return std::string_view(to_string(row.end));
    }
  }
};

struct IoRequestSource {
  static constexpr RowKind kKind = RowKind::kIoRequest;
  static constexpr double kEstimate = 1e6;
  static constexpr const char* kKey = "id";
  static std::int64_t key(const IoRequestRow&, std::uint64_t at) { return static_cast<std::int64_t>(at + 1); }
  static const auto& rows(const ModelRows& rows) { return rows.io_requests(); }
  static const TableInfo& info() {
    static const TableInfo kInfo = {
        "io_request",
        "Disk requests of the guests that completed, and what became of them on the host",
        {{"id", kInteger, "", "number in this run, from 1, by completion", kKeyed},
         {"machine", kText, "", "the guest"},
         {"device", kText, "", "major:minor in the guest"},
         {"disk", kText, "", "QEMU's name of the disk (disk.device); NULL: not known"},
         {"direction", kText, "", "read, write, flush, discard or other"},
         {"sector", kInteger, "512 bytes", "the first, on the guest's device"},
         {"bytes", kInteger, "bytes", "its size"},
         {"tid", kInteger, "", "the guest's thread that wanted it; NULL: not known"},
         {"comm", kText, "", "that thread's name; NULL: not recorded"},
         {"from_ns", kInteger, "ns", "queued in the guest, since the run's start", kRange},
         {"until_ns", kInteger, "ns", "completed in the guest", kRange},
         {"tie", kText, "", "how it is tied to the host's: address, order, no-host-io, lost or untied"},
         {"host_device", kText, "", "major:minor on the host; NULL: not tied"},
         {"host_requests", kInteger, "", "how many of the host served it; NULL: not tied"},
         {"host_bytes", kInteger, "bytes", "their size; NULL: not tied"},
         {"host_thread", kInteger, "", "the host's thread that queued them; NULL: not tied"}}};
    return kInfo;
  }
  static Cell cell(const ModelRows& rows, const IoRequestRow& row, std::uint64_t at, int column,
                   std::string& text) {
    const bool tied = row.host_requests > 0;
    switch (column) {
      case 0:
        return integer(at + 1);
      case 1:
        return machine_name(rows, row.machine);
      case 2:
        return device_cell(row.device, text);
      case 3:
        if (row.disk < 0) return kNull;
        return std::string_view(
            rows.run().machines()[row.machine].disks[static_cast<std::size_t>(row.disk)].device);
      case 4:
        return std::string_view(to_string(row.direction));
      case 5:
        return integer(row.sector);
      case 6:
        return integer(row.bytes);
      case 7:
        return row.task.tid >= 0 ? Cell(std::int64_t{row.task.tid}) : kNull;
      case 8:
        return text_or_null(row.task.name());
      case 9:
        return row.from_ns;
      case 10:
        return row.until_ns;
      case 11:
        return std::string_view(to_string(row.tie));
      case 12:
        return tied ? device_cell(row.host_device, text) : kNull;
      case 13:
        return integer_if(tied, row.host_requests);
      case 14:
        return integer_if(tied, row.host_bytes);
      default:
        return tied ? Cell(std::int64_t{row.host_thread}) : kNull;
    }
  }
};

struct IoPhaseSource {
  static constexpr RowKind kKind = RowKind::kIoPhase;
  static constexpr double kEstimate = 5e6;
  static constexpr const char* kKey = "request";
  static std::int64_t key(const IoPhaseRow& row, std::uint64_t) {
    return static_cast<std::int64_t>(row.request);
  }
  static const auto& rows(const ModelRows& rows) { return rows.io_phases(); }
  static const TableInfo& info() {
    static const TableInfo kInfo = {
        "io_phase",
        "The stretches of each request's life, without a gap (docs/commands/io.md names them)",
        {{"request", kInteger, "", "io_request.id", kKeyed},
         {"phase", kText, "", "guest_queue, to_qemu, …, unattributed"},
         {"from_ns", kInteger, "ns", "begin, since the run's start", kRange},
         {"until_ns", kInteger, "ns", "end", kRange}}};
    return kInfo;
  }
  static Cell cell(const ModelRows&, const IoPhaseRow& row, std::uint64_t, int column, std::string&) {
    switch (column) {
      case 0:
        return integer(row.request);
      case 1:
        return std::string_view(to_string(row.kind));
      case 2:
        return row.from_ns;
      default:
        return row.until_ns;
    }
  }
};

}  // namespace

std::string device_text(std::uint32_t device) { return fmt::format("{}:{}", device >> 20, device & 0xfffff); }

std::vector<std::unique_ptr<Table>> model_tables(ModelRows& rows) {
  std::vector<std::unique_ptr<Table>> tables;
  tables.push_back(std::make_unique<RowTable<LossSource>>(rows));
  tables.push_back(std::make_unique<RowTable<VcpuSliceSource>>(rows));
  tables.push_back(std::make_unique<RowTable<SchedSliceSource>>(rows));
  tables.push_back(std::make_unique<RowTable<IoRequestSource>>(rows));
  tables.push_back(std::make_unique<RowTable<IoPhaseSource>>(rows));
  return tables;
}

}  // namespace ivtrace::query
