#include "query/slow_io_tables.h"

#include <algorithm>
#include <numeric>

#include "query/model_tables.h"
#include "query/row_table.h"

namespace ivtrace::query {
namespace {

constexpr auto kReal = Type::kReal;

struct IoSlowSource {
  static constexpr RowKind kKind = RowKind::kIoSlow;
  static constexpr double kEstimate = 10;
  static constexpr const char* kKey = "id";
  static std::int64_t key(const IoSlowRow&, std::uint64_t at) { return static_cast<std::int64_t>(at + 1); }
  static const auto& rows(const ModelRows& rows) { return rows.io_slows(); }
  static const TableInfo& info() {
    static const TableInfo kInfo = {
        "io_slow",
        "Stretches in which a guest's disk was slow, and in which part of its requests' way",
        {{"id", kInteger, "", "number in this run, from 1", kKeyed},
         {"machine", kText, "", "the guest"},
         {"device", kText, "", "major:minor in the guest"},
         {"disk", kText, "", "QEMU's name of the disk (disk.device); NULL: not known"},
         {"direction", kText, "", "read, write, flush, discard or other"},
         {"from_ns", kInteger, "ns", "its first slow request began, since the run's start", kRange},
         {"until_ns", kInteger, "ns", "its last one ended", kRange},
         {"requests", kInteger, "", "that completed in it"},
         {"bytes", kInteger, "bytes", "of these"},
         {"depth", kReal, "", "how many of these were open at a time, on average"},
         {"mean_ns", kReal, "ns", "of these, from queued to completed in the guest"},
         {"expected_ns", kReal, "ns", "the same by the baseline"},
         {"baseline", kText, "",
          "alone: requests of this disk with nobody else at the device; service: there are too few of them"},
         {"added_ns", kReal, "ns", "to the baseline, by all parts of all these requests together"},
         {"added_guest_ns", kReal, "ns", "of this, in the guest's queue"},
         {"added_handover_ns", kReal, "ns", "from the guest's driver to the host's queue"},
         {"added_host_ns", kReal, "ns", "in the host's queue and device"},
         {"added_back_ns", kReal, "ns", "from the device's end to the guest's"},
         {"added_unattributed_ns", kReal, "ns", "nobody knows where"},
         {"host_device", kText, "", "major:minor on the host; NULL: no request is tied"},
         {"device_cost", kReal, "",
          "how many times what it needs at its best the device needed for what it finished; NULL: not known"},
         {"device_request_ns", kReal, "ns",
          "what the device needed for a request, whoever's; NULL: not tied"},
         {"device_bps", kReal, "bytes/s", "what it carried meanwhile, whoever's; NULL: not tied"},
         {"slowest", kInteger, "", "io_request.id of the slowest request"}}};
    return kInfo;
  }
  static Cell cell(const ModelRows& rows, const IoSlowRow& row, std::uint64_t at, int column,
                   std::string& text) {
    const bool tied = row.host_device != 0;
    const auto count = static_cast<double>(row.requests);
    const double length = static_cast<double>(std::max<std::int64_t>(row.until_ns - row.from_ns, 1));
    switch (column) {
      case 0:
        return integer(at + 1);
      case 1:
        return machine_name(rows, row.machine);
      case 2:
        text = device_text(row.device);
        return std::string_view(text);
      case 3:
        return disk_name(rows, row.machine, row.disk);
      case 4:
        return std::string_view(to_string(row.direction));
      case 5:
        return row.from_ns;
      case 6:
        return row.until_ns;
      case 7:
        return integer(row.requests);
      case 8:
        return integer(row.bytes);
      case 9:
        return row.total_ns / length;
      case 10:
        return row.total_ns / count;
      case 11:
        return row.expected_ns / count;
      case 12:
        return std::string_view(to_string(row.baseline));
      case 13:
        return std::accumulate(row.added_ns.begin(), row.added_ns.end(), 0.0);
      case 19:
        if (!tied) return kNull;
        text = device_text(row.host_device);
        return std::string_view(text);
      case 20:
        return row.device_cost > 0 ? Cell(row.device_cost) : kNull;
      case 21:
        return tied && row.served > 0 ? Cell(row.stay_ns / row.served) : kNull;
      case 22:
        return tied && row.stay_ns > 0 ? Cell(row.served_bytes / row.stay_ns * 1e9) : kNull;
      case 23:
        return integer(row.slowest);
      default:  // 14 to 18: the parts, in their order
        return row.added_ns[static_cast<std::size_t>(column) - 14];
    }
  }
};

struct IoSlowLoadSource {
  static constexpr RowKind kKind = RowKind::kIoSlowLoad;
  static constexpr double kEstimate = 30;
  static constexpr const char* kKey = "slow";
  static std::int64_t key(const IoSlowLoadRow& row, std::uint64_t) {
    return static_cast<std::int64_t>(row.slow);
  }
  static const auto& rows(const ModelRows& rows) { return rows.io_slow_loads(); }
  static const TableInfo& info() {
    static const TableInfo kInfo = {
        "io_slow_load",
        "Whose requests the host's device had while those of an io_slow were with it",
        {{"slow", kInteger, "", "io_slow.id", kKeyed},
         {"machine", kText, "", "a guest, the slow one too, or host"},
         {"task", kText, "", "the host's own task; NULL: a guest's"},
         {"direction", kText, "", "read, write, flush, discard or other"},
         {"byte_ns", kReal, "bytes ns", "bytes in flight, by their time"},
         {"request_ns", kReal, "ns", "requests in flight, by their time"},
         {"bytes_share", kReal, "", "of byte_ns of all, from 0 to 1"},
         {"requests_share", kReal, "", "of request_ns of all, from 0 to 1"},
         {"others_share", kReal, "",
          "the mean of both shares, among all but the slow guest; NULL: it is that guest's"}}};
    return kInfo;
  }
  static Cell cell(const ModelRows& rows, const IoSlowLoadRow& row, std::uint64_t, int column, std::string&) {
    switch (column) {
      case 0:
        return integer(row.slow);
      case 1:
        return machine_name(rows, row.machine);
      case 2:
        return text_or_null(row.task.name());
      case 3:
        return std::string_view(to_string(row.direction));
      case 4:
        return row.byte_ns;
      case 5:
        return row.request_ns;
      case 6:
        return row.bytes_share;
      case 7:
        return row.requests_share;
      default:
        return row.others_share >= 0 ? Cell(row.others_share) : kNull;
    }
  }
};

}  // namespace

std::vector<std::unique_ptr<Table>> slow_io_tables(ModelRows& rows) {
  std::vector<std::unique_ptr<Table>> tables;
  tables.push_back(std::make_unique<RowTable<IoSlowSource>>(rows));
  tables.push_back(std::make_unique<RowTable<IoSlowLoadSource>>(rows));
  return tables;
}

}  // namespace ivtrace::query
