// What TimeDoctor is shown of a run, as rows of SQL in the order in which the file has it.
#pragma once

#include <string>

#include "exchange/tables.h"
#include "query/database.h"

namespace ivtrace::exchange {

/// The parts of a machine, in their order.
enum class TimedoctorPart : std::int64_t { kCpu, kVcpu, kDisks };
/// What a line of a block is about.
enum class TimedoctorTopic : std::int64_t { kTask, kInterrupt, kSoftirq, kVcpuState, kDisk };
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
  enum Column : std::size_t { kTopic = TimedoctorBlock::kColumns, kNumber, kName, kTime, kEdge };
};
/// Rows of notes.
struct TimedoctorNotes {
  enum Column : std::size_t { kTime, kIsLoss, kVictim, kText };
};

/// The queries have the parameters of Tables::condition(), and :begin and :end: times lie between them.
std::string timedoctor_lines_sql(Tables& tables);
std::string timedoctor_samples_sql(Tables& tables);
std::string timedoctor_notes_sql(Tables& tables);

}  // namespace ivtrace::exchange
