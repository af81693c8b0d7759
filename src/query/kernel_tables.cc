#include "query/kernel_tables.h"

#include "query/model_tables.h"
#include "query/row_table.h"

namespace ivtrace::query {
namespace {

struct IrqSliceSource {
  static constexpr RowKind kKind = RowKind::kIrqSlice;
  static constexpr double kEstimate = 1e6;
  static const auto& rows(const ModelRows& rows) { return rows.irq_slices(); }
  static const TableInfo& info() {
    static const TableInfo kInfo = {
        "irq_slice",
        "Interrupts that each CPU handled, of the host and of the guests, and their deferred work",
        {{"machine", kText, "", "whose CPU"},
         {"cpu", kInteger, "", "its number there"},
         {"kind", kText, "", "irq: a driver's handler; softirq: deferred work"},
         {"irq", kInteger, "", "the interrupt's number there, or the deferred work's vector"},
         {"name", kText, "", "as the driver registered it, or NET_RX, TIMER, …; NULL: not recorded"},
         {"from_ns", kInteger, "ns", "begin, since the run's start", kRange},
         {"until_ns", kInteger, "ns", "end", kRange}}};
    return kInfo;
  }
  static Cell cell(const ModelRows& rows, const IrqSliceRow& row, std::uint64_t, int column, std::string&) {
    switch (column) {
      case 0:
        return machine_name(rows, row.machine);
      case 1:
        return integer(row.cpu);
      case 2:
        return std::string_view(row.soft ? "softirq" : "irq");
      case 3:
        return std::int64_t{row.number};
      case 4:
        return text_or_null(rows.irq_names()[row.name]);
      case 5:
        return row.from_ns;
      default:
        return row.until_ns;
    }
  }
};

struct BlockRequestSource {
  static constexpr RowKind kKind = RowKind::kBlockRequest;
  static constexpr double kEstimate = 1e6;
  static constexpr const char* kKey = "id";
  static std::int64_t key(const BlockRequestRow&, std::uint64_t at) {
    return static_cast<std::int64_t>(at + 1);
  }
  static const auto& rows(const ModelRows& rows) { return rows.block_requests(); }
  static const TableInfo& info() {
    static const TableInfo kInfo = {
        "block_request",
        "Requests to the block devices of all machines that completed",
        {{"id", kInteger, "", "number in this run, from 1", kKeyed},
         {"machine", kText, "", "whose device"},
         {"device", kText, "", "major:minor there"},
         {"direction", kText, "", "read, write, flush, discard or other"},
         {"sector", kInteger, "512 bytes", "the first, on the device"},
         {"bytes", kInteger, "bytes", "its size"},
         {"tid", kInteger, "", "the machine's thread that wanted it; NULL: not known"},
         {"comm", kText, "", "that thread's name; NULL: not recorded"},
         {"from_ns", kInteger, "ns", "queued, since the run's start; issued where that was not seen", kRange},
         {"issued_ns", kInteger, "ns", "given to the driver"},
         {"until_ns", kInteger, "ns", "completed", kRange},
         {"owner", kText, "", "of the host's: the guest for whose disk it was, or host; NULL: a guest's own"},
         {"owner_task", kText, "", "of the host's for itself: the name of the thread; NULL otherwise"},
         {"request", kInteger, "",
          "io_request.id: a guest's own, or that it served on the host, of several the first; NULL: none"}}};
    return kInfo;
  }
  static Cell cell(const ModelRows& rows, const BlockRequestRow& row, std::uint64_t at, int column,
                   std::string& text) {
    switch (column) {
      case 0:
        return integer(at + 1);
      case 1:
        return machine_name(rows, row.machine);
      case 2:
        text = device_text(row.device);
        return std::string_view(text);
      case 3:
        return std::string_view(to_string(row.direction));
      case 4:
        return integer(row.sector);
      case 5:
        return integer(row.bytes);
      case 6:
        return row.task.tid >= 0 ? Cell(std::int64_t{row.task.tid}) : kNull;
      case 7:
        return text_or_null(row.task.name());
      case 8:
        return row.from_ns;
      case 9:
        return row.issued_ns;
      case 10:
        return row.until_ns;
      case 11:
        return row.owner >= 0 ? machine_name(rows, static_cast<std::size_t>(row.owner)) : kNull;
      case 12:
        return text_or_null(row.owner_task.name());
      default:
        return integer_if(row.request > 0, row.request);
    }
  }
};

struct QemuCallSource {
  static constexpr RowKind kKind = RowKind::kQemuCall;
  static constexpr double kEstimate = 1e6;
  static const auto& rows(const ModelRows& rows) { return rows.qemu_calls(); }
  static const TableInfo& info() {
    static const TableInfo kInfo = {
        "qemu_call",
        "I/O system calls of QEMU's threads",
        {{"machine", kText, "", "the guest"},
         {"thread", kInteger, "", "the host's thread"},
         {"name", kText, "", "pread64, io_submit, …"},
         {"from_ns", kInteger, "ns", "begin, since the run's start", kRange},
         {"until_ns", kInteger, "ns", "end", kRange},
         {"result", kInteger, "", "what it gave back; below 0: the error's number (errno)"}}};
    return kInfo;
  }
  static Cell cell(const ModelRows& rows, const QemuCallRow& row, std::uint64_t, int column, std::string&) {
    switch (column) {
      case 0:
        return machine_name(rows, row.machine);
      case 1:
        return std::int64_t{row.thread};
      case 2:
        return std::string_view(model::call_name(row.call));
      case 3:
        return row.from_ns;
      case 4:
        return row.until_ns;
      default:
        return row.result;
    }
  }
};

}  // namespace

std::vector<std::unique_ptr<Table>> kernel_tables(ModelRows& rows) {
  std::vector<std::unique_ptr<Table>> tables;
  tables.push_back(std::make_unique<RowTable<IrqSliceSource>>(rows));
  tables.push_back(std::make_unique<RowTable<BlockRequestSource>>(rows));
  tables.push_back(std::make_unique<RowTable<QemuCallSource>>(rows));
  return tables;
}

}  // namespace ivtrace::query
