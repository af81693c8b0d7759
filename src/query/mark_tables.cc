#include "query/mark_tables.h"

#include "query/row_table.h"

namespace ivtrace::query {
namespace {

struct MarkSliceSource {
  static constexpr RowKind kKind = RowKind::kMarkSlice;
  static constexpr double kEstimate = 1e5;
  static const auto& rows(const ModelRows& rows) { return rows.mark_slices(); }
  static const TableInfo& info() {
    static const TableInfo kInfo = {
        "mark_slice",
        "What programs said that they did, from a mark to another; slices of a thread nest",
        {{"machine", kText, "", "where the program ran"},
         {"tgid", kInteger, "",
          "its process, as it says itself: in a container, the number there; 0: not known"},
         {"tid", kInteger, "", "the machine's thread, or the one that the mark names"},
         {"name", kText, "", "of the slice; NULL: none"},
         {"depth", kInteger, "", "how many slices of the thread lie around it"},
         {"from_ns", kInteger, "ns", "begin, since the run's start", kRange},
         {"until_ns", kInteger, "ns", "end", kRange},
         {"open", kInteger, "", "1: no mark ended it; it ends with the run here"},
         {"doubtful", kInteger, "",
          "1: events of the machine were lost within it, so that its end may be another's"}}};
    return kInfo;
  }
  static Cell cell(const ModelRows& rows, const MarkSliceRow& row, std::uint64_t, int column, std::string&) {
    switch (column) {
      case 0:
        return machine_name(rows, row.machine);
      case 1:
        return std::int64_t{row.tgid};
      case 2:
        return std::int64_t{row.tid};
      case 3:
        return text_or_null(rows.mark_names()[row.name]);
      case 4:
        return integer(row.depth);
      case 5:
        return row.from_ns;
      case 6:
        return row.until_ns;
      case 7:
        return std::int64_t{row.open};
      default:
        return std::int64_t{row.doubtful};
    }
  }
};

struct MarkInstantSource {
  static constexpr RowKind kKind = RowKind::kMarkInstant;
  static constexpr double kEstimate = 1e5;
  static constexpr const char* kTime = "time_ns";
  static const auto& rows(const ModelRows& rows) { return rows.mark_instants(); }
  static const TableInfo& info() {
    static const TableInfo kInfo = {
        "mark_instant",
        "Moments that programs marked",
        {{"machine", kText, "", "where the program ran"},
         {"cpu", kInteger, "", "on which of the machine's CPUs"},
         {"tgid", kInteger, "",
          "its process, as it says itself: in a container, the number there; 0: not known"},
         {"tid", kInteger, "", "the machine's thread, or the one that the mark names"},
         {"name", kText, "", "what it said; NULL: nothing"},
         {"time_ns", kInteger, "ns", "since the run's start", kRange}}};
    return kInfo;
  }
  static Cell cell(const ModelRows& rows, const MarkInstantRow& row, std::uint64_t, int column,
                   std::string&) {
    switch (column) {
      case 0:
        return machine_name(rows, row.machine);
      case 1:
        return integer(row.cpu);
      case 2:
        return std::int64_t{row.tgid};
      case 3:
        return std::int64_t{row.tid};
      case 4:
        return text_or_null(rows.mark_names()[row.name]);
      default:
        return row.from_ns;
    }
  }
};

struct MarkCounterSource {
  static constexpr RowKind kKind = RowKind::kMarkCounter;
  static constexpr double kEstimate = 1e5;
  static const auto& rows(const ModelRows& rows) { return rows.mark_counters(); }
  static const TableInfo& info() {
    static const TableInfo kInfo = {
        "mark_counter",
        "Values of programs' counters, each as long as it held",
        {{"machine", kText, "", "where the program ran"},
         {"tgid", kInteger, "",
          "its process, as it says itself: in a container, the number there; 0: not known"},
         {"name", kText, "", "of the counter, within the process; NULL: none"},
         {"value", kInteger, "", "what the program said"},
         {"from_ns", kInteger, "ns", "it was said, since the run's start", kRange},
         {"until_ns", kInteger, "ns", "the next value was said", kRange},
         {"open", kInteger, "", "1: there was no next value; it ends with the run here"}}};
    return kInfo;
  }
  static Cell cell(const ModelRows& rows, const MarkCounterRow& row, std::uint64_t, int column,
                   std::string&) {
    switch (column) {
      case 0:
        return machine_name(rows, row.machine);
      case 1:
        return std::int64_t{row.tgid};
      case 2:
        return text_or_null(rows.mark_names()[row.name]);
      case 3:
        return row.value;
      case 4:
        return row.from_ns;
      case 5:
        return row.until_ns;
      default:
        return std::int64_t{row.open};
    }
  }
};

}  // namespace

std::vector<std::unique_ptr<Table>> mark_tables(ModelRows& rows) {
  std::vector<std::unique_ptr<Table>> tables;
  tables.push_back(std::make_unique<RowTable<MarkSliceSource>>(rows));
  tables.push_back(std::make_unique<RowTable<MarkInstantSource>>(rows));
  tables.push_back(std::make_unique<RowTable<MarkCounterSource>>(rows));
  return tables;
}

}  // namespace ivtrace::query
