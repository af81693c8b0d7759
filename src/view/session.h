// One run, opened to be looked at: its timeline, its tables, and what the failure patterns find in it.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "clock/clock_map.h"
#include "patterns/finding.h"
#include "patterns/library.h"
#include "query/database.h"
#include "run/run_reader.h"
#include "timeline/timeline.h"
#include "view/name_list.h"
#include "view/shared_database.h"
#include "view/stop_source.h"
#include "view/tracks.h"

namespace ivtrace::view {

/// Owns everything of it. Tiles come from the timeline at any time; questions to the tables wait for each
/// other, and those to rows of the model for the end of the reading. When that has ended the patterns are
/// tried, by a thread of the session's. Any thread.
class Session {
 public:
  static Result<std::unique_ptr<Session>> open(run::RunReader run, clock::HostClock clock,
                                               patterns::Library library, query::CacheUse cache);
  ~Session();  ///< ends the reading and the diagnosis first
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const run::RunReader& run() const { return run_; }
  const clock::HostClock& clock() const { return clock_; }
  const timeline::Timeline& timeline() const { return *timeline_; }
  const patterns::Library& library() const { return library_; }
  Tracks tracks() const { return Tracks(run_, timeline_->tracks()); }

  /// All tables. kBusy while the run is still being read.
  SharedDatabase& rows() { return rows_; }
  /// What is beneath them, for whoever has the turn there: within rows().use() only.
  const query::ModelRows& model_rows() { return timeline_->rows(); }
  /// The same, for `event` and what else needs no rows of the model: it is there from the start, and does not
  /// wait for anybody's question to the rows.
  SharedDatabase& events() { return events_; }

  /// nullptr until the patterns have been tried; one without anything when that failed (see notices()).
  std::shared_ptr<const patterns::Diagnosis> diagnosis() const;
  /// What can be searched for; made by the first who asks. kBusy while the run is still being read.
  Result<std::shared_ptr<const std::vector<Name>>> names(StopSource& stop);
  /// One line each, for people: what is left out, or not as it should be.
  std::vector<std::string> notices() const;
  /// Takes over what a database says beside its rows.
  void take_notices(const query::Database& database);
  /// Events are missing in the run, or a part of it is damaged.
  bool is_incomplete() const;

 private:
  Session(run::RunReader run, clock::HostClock clock, patterns::Library library, query::CacheUse cache);
  std::vector<std::unique_ptr<query::Table>> more_tables() const;
  void diagnose_when_read();
  void diagnose();

  run::RunReader run_;
  clock::HostClock clock_;
  patterns::Library library_;
  query::CacheUse cache_;
  std::unique_ptr<timeline::Timeline> timeline_;
  SharedDatabase events_;
  SharedDatabase rows_;
  mutable std::mutex mutex_;  ///< of the next four
  std::shared_ptr<const patterns::Diagnosis> diagnosis_;
  std::shared_ptr<const std::vector<Name>> names_;
  std::set<std::string> notices_;
  bool incomplete_ = false;
  StopSource end_;
  std::thread thread_;
};

}  // namespace ivtrace::view
