#include "exchange/tables.h"

#include <limits>
#include <set>
#include <vector>

#include "patterns/finding_table.h"
#include "patterns/library.h"

namespace ivtrace::exchange {
namespace {

constexpr merge::TimeRange kAllTime;
/// The one table whose stretches may have no end. Elsewhere the condition is simple, and leaves out whole
/// blocks of rows.
constexpr std::string_view kEndless = "loss";

/// nullptr when there is no such column.
const query::Column* column_of(const query::TableInfo& table, std::string_view name) {
  const int at = table.find(name);
  return at < 0 ? nullptr : &table.columns[static_cast<std::size_t>(at)];
}

/// The run is walked as a whole, whatever the filter is.
merge::TimeRange whole_span(Job job) {
  job.filter = {};
  return span_of(job);
}

}  // namespace

Tables::Watch::Watch(const Job& job) : job_(job), span_(whole_span(job)) {}

void Tables::Watch::walked_to(std::int64_t ns) {
  job_.progress.at("reading the run", share_of(span_, job_.clock.to_tsc(Nanoseconds(ns))));
}

Tables::Tables(const Job& job)
    : job_(job), watch_(job), rows_(job.run, job.clock, job.progress.stop(), notices_, job.cache) {
  rows_.tell(&watch_);
  const merge::TimeRange& range = job.filter.range;
  using Limits = std::numeric_limits<std::int64_t>;
  parameters_["from"] = range.from == kAllTime.from ? Limits::min() : job.clock.to_ns(range.from).value;
  parameters_["until"] = range.until == kAllTime.until ? Limits::max() : job.clock.to_ns(range.until).value;
  for (const std::string& machine : job.filter.machines) {
    const std::string name = "m" + std::to_string(parameters_.size());
    parameters_[name] = machine;
    machines_ += (machines_.empty() ? ":" : ", :") + name;
  }
}

Result<std::unique_ptr<Tables>> Tables::open(const Job& job) {
  std::unique_ptr<Tables> tables(new Tables(job));
  std::vector<std::unique_ptr<query::Table>> more;
  more.push_back(
      patterns::finding_table(job.run, job.clock, job.progress.stop(), job.cache,
                              patterns::load_library(patterns::pattern_directories(), {}).patterns));
  IVT_ASSIGN_OR_RETURN(tables->database_,
                       query::Database::open(tables->rows_, job.clock, job.progress.stop(), std::move(more)));
  return tables;
}

bool Tables::is_all() const {
  const merge::TimeRange& range = job_.filter.range;
  return machines_.empty() && range.from == kAllTime.from && range.until == kAllTime.until;
}

std::string Tables::condition(const query::TableInfo& table) const {
  std::vector<std::string> parts;
  const merge::TimeRange& range = job_.filter.range;
  const bool is_stretch = column_of(table, "from_ns") != nullptr && column_of(table, "until_ns") != nullptr;
  const bool is_moment = column_of(table, "time_ns") != nullptr;
  if (range.until != kAllTime.until && (is_stretch || is_moment))
    parts.push_back(std::string(is_stretch ? "from_ns" : "time_ns") + " <= :until");
  if (range.from != kAllTime.from && is_moment) parts.emplace_back("time_ns >= :from");
  if (range.from != kAllTime.from && is_stretch)
    parts.emplace_back(table.name == kEndless ? "(until_ns >= :from OR until_ns IS NULL)"
                                              : "until_ns >= :from");
  if (!machines_.empty() && column_of(table, "machine") != nullptr)
    parts.push_back("machine IN (" + machines_ + ")");
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? " WHERE " : " AND ") + part;
  return text;
}

Status Tables::want(std::span<const char* const> names) {
  for (const char* const name : names)
    IVT_RETURN_IF_ERROR(database_->prepare(std::string("SELECT 1 FROM ") + name));
  return {};
}

/// Of a whole run the walk knows; of a part, the losses that touch it.
Result<bool> Tables::misses_events() {
  if (is_all()) return notices_.incomplete || database_->incomplete();
  IVT_ASSIGN_OR_RETURN(
      query::Statement losses,
      database_->prepare("SELECT 1 FROM loss" + condition(*database_->find("loss")) + " LIMIT 1",
                         parameters_));
  return losses.step();
}

Status Tables::tell(Summary& summary) {
  IVT_ASSIGN_OR_RETURN(const bool misses, misses_events());
  std::set<std::string> lines = notices_.lines;
  lines.insert(database_->notices().begin(), database_->notices().end());
  summary.notices.insert(summary.notices.end(), lines.begin(), lines.end());
  summary.incomplete = summary.incomplete || misses;
  return {};
}

}  // namespace ivtrace::exchange
