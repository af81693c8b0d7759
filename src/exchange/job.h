// What every writer of another tool's format is given, and what it gives back.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "clock/clock_map.h"
#include "merge/run_events.h"
#include "query/model_rows.h"
#include "run/run_reader.h"

namespace ivtrace::exchange {

/// How far a long work has come, and whether it shall end. Whoever shows it derives from it. One thread.
class Progress {
 public:
  explicit Progress(query::StopFlag stop = nullptr) : stop_(stop) {}
  virtual ~Progress() = default;

  /// `done` of 0 to 1 of what `what` names. Asked often; shows seldom.
  virtual void at(const char* what, double done) = 0;
  query::StopFlag stop() const { return stop_; }
  /// kTimeout when it shall end.
  Status check() const {
    if (query::stopped(stop_))
      return Error(ErrorCode::kTimeout, "ended before it was whole: nothing was written");
    return {};
  }

 private:
  query::StopFlag stop_;
};

/// Shows nothing.
class NoProgress : public Progress {
 public:
  using Progress::Progress;
  void at(const char*, double) override {}
};

/// What came of an export.
struct Summary {
  std::vector<std::string> notices;  ///< one line each, for people: what is left out or not as it should be
  bool incomplete = false;           ///< events of the run are missing in what was written
  std::uint64_t events = 0;          ///< written, or rows of tables
};

/// One export. Borrows everything. One thread.
struct Job {
  const run::RunReader& run;
  const clock::HostClock& clock;
  merge::Filter filter;  ///< machines and range that were asked for
  query::CacheUse cache = query::CacheUse::kIfPossible;
  /// An empty file, or an empty folder, for Exporter::is_folder. Files are written by base/file_writer.h.
  std::string place;
  Progress& progress;
  Summary& summary;
};

/// From the first to the last moment of the run that the filter leaves, in host time.
merge::TimeRange span_of(const Job& job);
/// Where in the span a time lies, 0 to 1.
double share_of(const merge::TimeRange& span, HostTsc time);

}  // namespace ivtrace::exchange
