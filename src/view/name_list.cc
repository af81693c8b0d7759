#include "view/name_list.h"

#include <algorithm>

namespace ivtrace::view {
namespace {

using query::OwnedCell;
using timeline::TrackKind;

std::int64_t number_of(const OwnedCell& cell) {
  const auto* const number = std::get_if<std::int64_t>(&cell);
  return number != nullptr ? *number : -1;
}
std::string text_of(const OwnedCell& cell) {
  const auto* const text = std::get_if<std::string>(&cell);
  return text != nullptr ? *text : std::string();
}

/// Each query gives: machine, place (a number or a device), label, tid, count, first, last.
constexpr const char* kTasks = R"(
    SELECT machine, cpu, comm, tid, count(*), min(from_ns), max(until_ns) FROM sched_slice
    WHERE tid > 0 AND comm IS NOT NULL GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC)";
constexpr const char* kInterrupts = R"(
    SELECT machine, cpu, name, NULL, count(*), min(from_ns), max(until_ns) FROM irq_slice
    WHERE name IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 5 DESC)";
constexpr const char* kExits = R"(
    SELECT machine, vcpu, reason, NULL, count(*), min(from_ns), max(until_ns) FROM vcpu_slice
    WHERE state = 'exit' AND reason IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 5 DESC)";
constexpr const char* kRequesters = R"(
    SELECT machine, device, comm, tid, count(*), min(from_ns), max(until_ns) FROM block_request
    WHERE comm IS NOT NULL GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC)";
constexpr const char* kDisks = R"(
    SELECT machine, device, '', NULL, count(*), min(from_ns), max(until_ns) FROM block_request GROUP BY 1, 2 ORDER BY 5 DESC)";

enum class Place { kCpu, kIrq, kVcpu, kDisk };
struct Source {
  const char* what;
  Place place;
  const char* sql;
};
constexpr Source kSources[] = {{"task", Place::kCpu, kTasks},
                               {"task", Place::kDisk, kRequesters},
                               {"interrupt", Place::kIrq, kInterrupts},
                               {"exit", Place::kVcpu, kExits},
                               {"disk", Place::kDisk, kDisks}};

std::int64_t track_of(const Tracks& tracks, Place kind, std::int64_t machine, const OwnedCell& place) {
  switch (kind) {
    case Place::kCpu:
      return tracks.find(machine, machine == 0 ? TrackKind::kCpu : TrackKind::kTask, number_of(place));
    case Place::kIrq:
      return tracks.find(machine, TrackKind::kIrq, number_of(place));
    case Place::kVcpu:
      return tracks.find(machine, TrackKind::kVcpu, number_of(place));
    case Place::kDisk:
      break;
  }
  return tracks.disk(machine, text_of(place));
}

Status add(query::Database& database, const Tracks& tracks, const Source& source, std::vector<Name>& names) {
  IVT_ASSIGN_OR_RETURN(query::Statement statement, database.prepare(source.sql));
  for (std::size_t rows = 0; rows < kMostNames; ++rows) {
    IVT_ASSIGN_OR_RETURN(const bool is_there, statement.step());
    if (!is_there) return {};
    Name name;
    name.what = source.what;
    name.machine = tracks.machine(text_of(statement.owned_cell(0)));
    name.track = track_of(tracks, source.place, name.machine, statement.owned_cell(1));
    name.label = text_of(statement.owned_cell(2));
    name.tid = number_of(statement.owned_cell(3));
    name.count = number_of(statement.owned_cell(4));
    name.first_ns = number_of(statement.owned_cell(5));
    name.last_ns = number_of(statement.owned_cell(6));
    const bool has_track = name.track != Tracks::kNone;
    name.text = name.tid >= 0 ? name.label + " " + std::to_string(name.tid) : name.label;
    if (name.text.empty() && has_track)
      name.text = tracks.by_id(static_cast<std::uint32_t>(name.track))->name;
    name.folded = fold(name.text);
    if (has_track) names.push_back(std::move(name));
  }
  return {};
}

}  // namespace

std::string fold(std::string_view text) {
  std::string folded(text);
  for (char& c : folded) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return folded;
}

Result<std::vector<Name>> names_of(query::Database& database, const Tracks& tracks) {
  std::vector<Name> names;
  for (const Source& source : kSources) IVT_RETURN_IF_ERROR(add(database, tracks, source, names));
  std::stable_sort(names.begin(), names.end(),
                   [](const Name& a, const Name& b) { return a.count > b.count; });
  return names;
}

}  // namespace ivtrace::view
