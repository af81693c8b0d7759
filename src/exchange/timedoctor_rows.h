// What TimeDoctor is shown of a run, as rows of SQL in the order in which the file has it.
#pragma once

#include <string>
#include <string_view>

#include "exchange/tables.h"
#include "query/database.h"

namespace ivtrace::exchange {

/// The parts of a machine, in their order.
enum class TimedoctorPart : std::int64_t { kCpu, kVcpu, kDisks, kMarks };
/// What a line of a block is about.
enum class TimedoctorTopic : std::int64_t {
  kTask,
  kInterrupt,
  kSoftirq,
  kVcpuState,
  kDisk,
  kMarkSlice,    ///< the number is tgid << 32 | tid, and the name the slice's
  kMarkInstant,  ///< the same number, the text is the instant's
  kMarkCounter   ///< the number is the tgid
};
/// What a sample does, in the order of those of one time.
enum class TimedoctorEdge : std::int64_t { kStop, kBoth, kStart };

/// The columns that both queries begin with: together they name a block, which is all rows that have the
/// same.
struct TimedoctorBlock {
  enum Column : std::size_t { kGuest, kMachine, kPart, kCpu, kThread, kColumns };
};
/// Rows of lines: the block's columns, and these. Those of a block and topic that lasted longest come first.
struct TimedoctorLines {
  enum Column : std::size_t { kTopic = TimedoctorBlock::kColumns, kNumber, kName, kComm, kOwner };
};
/// Rows of samples: the block's columns, and these.
struct TimedoctorSamples {
  enum Column : std::size_t {
    kTopic = TimedoctorBlock::kColumns,
    kNumber,
    kName,
    kTime,
    kEdge,
    kValue,  ///< of a counter
    kText    ///< of an instant
  };
};
/// Rows of notes.
struct TimedoctorNotes {
  enum Column : std::size_t { kTime, kIsLoss, kVictim, kText };
};

/// A statement's rows with one look ahead. One thread.
class TimedoctorRows {
 public:
  explicit TimedoctorRows(query::Statement statement) : statement_(std::move(statement)) {}
  Status next() {
    IVT_ASSIGN_OR_RETURN(there_, statement_.step());
    return {};
  }
  bool there() const { return there_; }
  std::int64_t number(std::size_t column) const {
    const query::Cell cell = statement_.cell(column);
    const auto* const number = std::get_if<std::int64_t>(&cell);
    return number != nullptr ? *number : 0;
  }
  /// "" for NULL; holds until next().
  std::string_view text(std::size_t column) const {
    const query::Cell cell = statement_.cell(column);
    const auto* const text = std::get_if<std::string_view>(&cell);
    return text != nullptr ? *text : std::string_view();
  }

 private:
  query::Statement statement_;
  bool there_ = false;
};

/// The queries have the parameters of Tables::condition(), and :begin and :end: times lie between them.
std::string timedoctor_lines_sql(Tables& tables);
std::string timedoctor_samples_sql(Tables& tables);
std::string timedoctor_notes_sql(Tables& tables);

}  // namespace ivtrace::exchange
