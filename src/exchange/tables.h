// A run's tables, for the exports that are made of them.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "exchange/job.h"
#include "query/database.h"
#include "query/model_rows.h"
#include "query/row_watch.h"

namespace ivtrace::exchange {

/// The tables that `ivtrace query` has, `finding` too, and what of them a job's filter leaves. Shows how far
/// the run has been read when rows are first asked for. Borrows the job. One thread.
class Tables {
 public:
  static Result<std::unique_ptr<Tables>> open(const Job& job);
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;

  query::Database& database() { return *database_; }
  /// " WHERE …" for a table's rows that are of the machines that are wanted and touch the range that is; ""
  /// when that is all of them. A table with from_ns and until_ns has stretches, one with time_ns moments;
  /// others know no time, and those without a column `machine` no machine.
  std::string condition(const query::TableInfo& table) const;
  /// Is the whole run wanted?
  bool is_all() const;
  /// The values that condition() speaks of: from, until, and the machines. Nanoseconds since the run's start;
  /// the ends of the type where nothing bounds the range.
  const query::Parameters& parameters() const { return parameters_; }
  /// Lets one walk over the run make the rows of all these, whichever is read first.
  Status want(std::span<const char* const> names);
  /// Adds what is to be said beside the rows that were read; call it last.
  Status tell(Summary& summary);

 private:
  /// Shows how far the walk over the run has come.
  class Watch : public query::RowWatch {
   public:
    explicit Watch(const Job& job);
    void walked_to(std::int64_t ns) override;

   private:
    const Job& job_;
    merge::TimeRange span_;
  };

  explicit Tables(const Job& job);
  Result<bool> misses_events();

  const Job& job_;
  query::Parameters parameters_;
  std::string machines_;  ///< ":m0, :m1", "" when all are wanted
  Watch watch_;
  query::Notices notices_;
  query::ModelRows rows_;
  std::unique_ptr<query::Database> database_;
};

}  // namespace ivtrace::exchange
