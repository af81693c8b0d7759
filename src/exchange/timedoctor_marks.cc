#include "exchange/timedoctor_marks.h"

#include <fmt/format.h>

#include <algorithm>

#include "exchange/timedoctor_writer.h"

namespace ivtrace::exchange {
namespace {

/// Exact whatever the two are.
std::uint64_t distance(std::int64_t from, std::int64_t to) {
  return static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from);
}

}  // namespace

std::string timedoctor_thread(std::int32_t tgid, std::int32_t tid) {
  return tgid == tid || tgid == 0 ? std::to_string(tid) : fmt::format("{}/{}", tgid, tid);
}

TimedoctorGauge::TimedoctorGauge(std::int64_t lowest, std::int64_t highest)
    : base_(std::min<std::int64_t>(lowest, 0)) {
  while (distance(base_, highest) >> shift_ > TimedoctorWriter::kMostInQueue) ++shift_;
}

std::uint32_t TimedoctorGauge::level(std::int64_t value) const {
  return static_cast<std::uint32_t>(distance(base_, value) >> shift_);
}

std::string TimedoctorGauge::name(std::int32_t tgid, std::string_view counter) const {
  std::string name = tgid == 0 ? std::string(counter) : fmt::format("{}:{}", tgid, counter);
  if (base_ != 0) name += fmt::format(" from {}", base_);
  if (shift_ != 0) name += fmt::format(" /{}", std::uint64_t{1} << shift_);
  return name;
}

Result<TimedoctorGauges> TimedoctorGauges::load(Tables& tables) {
  query::Database& database = tables.database();
  IVT_ASSIGN_OR_RETURN(
      query::Statement row,
      database.prepare("SELECT machine, tgid, coalesce(name, ''), min(value), max(value) FROM mark_counter" +
                           tables.condition(*database.find("mark_counter")) + " GROUP BY 1, 2, 3",
                       tables.parameters()));
  TimedoctorGauges loaded;
  for (;;) {
    IVT_ASSIGN_OR_RETURN(const bool there, row.step());
    if (!there) return loaded;
    const auto number = [&row](std::size_t column) { return std::get<std::int64_t>(row.cell(column)); };
    const auto text = [&row](std::size_t column) {
      return std::string(std::get<std::string_view>(row.cell(column)));
    };
    loaded.gauges_.try_emplace({text(0), static_cast<std::int32_t>(number(1)), text(2)}, number(3),
                               number(4));
  }
}

}  // namespace ivtrace::exchange
