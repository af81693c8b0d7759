#include "query/model_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "query/kernel_tables.h"
#include "query/mark_tables.h"
#include "query/row_table.h"
#include "query/slice_tables.h"
#include "query/slow_io_tables.h"

namespace ivtrace::query {
namespace {

Cell time_or_null(std::int64_t ns) { return ns == IoRequestRow::kNoTime ? kNull : Cell(ns); }

Cell device_cell(std::uint32_t device, std::string& text) {
  text = device_text(device);
  return std::string_view(text);
}

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
         {"tie", kText, "", "how it is tied to the host's: address, order, qemu, no-host-io, lost or untied"},
         {"host_device", kText, "", "major:minor on the host; NULL: not tied"},
         {"host_requests", kInteger, "", "how many of the host served it; NULL: not tied"},
         {"host_bytes", kInteger, "bytes", "their size; NULL: not tied"},
         {"host_thread", kInteger, "", "the host's thread that queued them; NULL: not tied"},
         {"entered_ns", kInteger, "ns",
          "QEMU's block layer got it; NULL: not known, as without --probe host:qemu"},
         {"pushed_ns", kInteger, "ns", "QEMU pushed it into the virtqueue; NULL: not known"},
         {"notified_ns", kInteger, "ns",
          "QEMU notified the guest then; NULL: not known, or the guest had it before"}}};
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
        return disk_name(rows, row.machine, row.disk);
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
      case 15:
        return tied ? Cell(std::int64_t{row.host_thread}) : kNull;
      case 16:
        return time_or_null(row.entered_ns);
      case 17:
        return time_or_null(row.pushed_ns);
      default:
        return time_or_null(row.notified_ns);
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
  std::ranges::move(slice_tables(rows), std::back_inserter(tables));
  std::ranges::move(kernel_tables(rows), std::back_inserter(tables));
  std::ranges::move(mark_tables(rows), std::back_inserter(tables));
  tables.push_back(std::make_unique<RowTable<IoRequestSource>>(rows));
  tables.push_back(std::make_unique<RowTable<IoPhaseSource>>(rows));
  std::ranges::move(slow_io_tables(rows), std::back_inserter(tables));
  return tables;
}

}  // namespace ivtrace::query
