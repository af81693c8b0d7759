// A made run opened as a database, and its answers as text.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "model/model_test_support.h"
#include "query/database.h"

namespace ivtrace::query {

inline constexpr std::uint64_t kStart = 2'000'000;  ///< the made run's

using Lines = std::vector<std::string>;

inline std::string cell_text(const Cell& cell) {
  if (const auto* const number = std::get_if<std::int64_t>(&cell)) return std::to_string(*number);
  if (const auto* const real = std::get_if<double>(&cell)) return fmt::format("{}", *real);
  if (const auto* const text = std::get_if<std::string_view>(&cell)) return std::string(*text);
  return "NULL";
}

/// Host ticks are nanoseconds from kStart.
class OpenRun {
 public:
  /// `made`: a MadeRun or a MadeIo.
  template <class Made>
  requires requires(Made& made) { made.open(); }
  explicit OpenRun(Made& made, StopFlag stop = nullptr) : OpenRun(opened(made), CacheUse::kNone, stop) {}
  /// One that is there.
  explicit OpenRun(const std::string& path, CacheUse cache = CacheUse::kIfPossible)
      : OpenRun(*run::RunReader::open(path), cache, nullptr) {}

  const run::RunReader& run() const { return run_; }
  const clock::HostClock& clock() const { return clock_; }
  Database& database() { return *database_; }
  /// Rows as "1|text|NULL"; the error's line when there is one.
  Lines ask(const std::string& sql) {
    const std::uint64_t before = database_->rows_visited();
    Result<Statement> statement = database_->prepare(sql);
    if (!statement) return {statement.error().to_string()};
    Lines lines;
    while (true) {
      const Result<bool> more = statement->step();
      if (!more) return {more.error().to_string()};
      if (!*more) break;
      std::string line;
      for (std::size_t i = 0; i < statement->columns().size(); ++i)
        line += (i == 0 ? "" : "|") + cell_text(statement->cell(i));
      lines.push_back(line);
    }
    visited_ = database_->rows_visited() - before;
    return lines;
  }
  /// By the last question.
  std::uint64_t visited() const { return visited_; }

 private:
  OpenRun(run::RunReader run, CacheUse cache, StopFlag stop)
      : run_(std::move(run)),
        clock_(*clock::HostClock::create(run_.anchors(), run_.manifest().start_tsc)),
        database_(*Database::open(run_, clock_, stop, cache)) {}
  template <class Made>
  static run::RunReader opened(Made& made) {
    made.anchors = true;
    return made.open();
  }

  run::RunReader run_;
  clock::HostClock clock_;
  std::unique_ptr<Database> database_;
  std::uint64_t visited_ = 0;
};

}  // namespace ivtrace::query
