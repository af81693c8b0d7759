#include "view/events_json.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/text.h"

namespace ivtrace::view {
namespace {

constexpr const char* kColumns =
    R"(time_ns AS "time", machine, cpu, ifnull(system, '') AS system, ifnull(name, '') AS name, tid,
       ifnull(comm, '') AS comm, ifnull(text, '') AS "text")";
constexpr std::size_t kMachine = 1;  // its place among them

Json with_machine_numbers(Answer answer, const Tracks& tracks) {
  for (auto& row : answer.rows) row[kMachine] = tracks.machine(row[kMachine].get<std::string>());
  return answer.objects();
}

std::int64_t leading_number(std::string_view text) {
  std::int64_t number = -1;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

Result<Json> events_json(Session& session, StopSource& stop, const EventsAsked& asked) {
  const Tracks tracks = session.tracks();
  if (!asked.machine.empty() && tracks.machine(asked.machine) == Tracks::kNone)
    return Error(ErrorCode::kNotFound, "there is no machine " + asked.machine);
  std::string sql = std::string("SELECT ") + kColumns + " FROM event WHERE time_ns BETWEEN :from AND :until";
  query::Parameters parameters = {{"from", asked.from_ns}, {"until", asked.until_ns}};
  if (!asked.machine.empty()) {
    sql += " AND machine = :machine";
    parameters["machine"] = asked.machine;
  }
  if (asked.cpu) {
    sql += " AND cpu = :cpu";
    parameters["cpu"] = *asked.cpu;
  }
  sql += " ORDER BY time_ns";
  return session.events().use(stop, [&](query::Database& database) -> Result<Json> {
    IVT_ASSIGN_OR_RETURN(Answer answer, ask(database, sql, parameters, {.rows = asked.limit}));
    const bool more = answer.more;
    return Json{{"events", with_machine_numbers(std::move(answer), tracks)}, {"more", more}};
  });
}

bool touches(std::string_view text, const BlockPlace& place) {
  const std::size_t plus = text.find(" + ");
  if (plus == std::string_view::npos) return false;
  const std::string_view before = text.substr(0, plus);
  const std::int64_t sector = leading_number(before.substr(before.rfind(' ') + 1));  // npos + 1 is 0
  const std::int64_t sectors = std::max<std::int64_t>(leading_number(text.substr(plus + 3)), 1);
  std::string device = place.device;
  std::replace(device.begin(), device.end(), ':', ',');
  if (sector < 0 || !text.starts_with(device + " ")) return false;
  constexpr std::int64_t kSector = 512;
  const std::int64_t end = place.sector + std::max<std::int64_t>(place.bytes / kSector, 1);
  return sector < end && sector + sectors > place.sector;
}

Result<RequestEvents> events_of_request(Session& session, StopSource& stop, std::int64_t from_ns,
                                        std::int64_t until_ns, const std::vector<BlockPlace>& places,
                                        const HostThread& thread) {
  const Tracks tracks = session.tracks();
  const std::string sql = std::string("SELECT ") + kColumns + R"( FROM event
      WHERE time_ns BETWEEN :from AND :until AND machine IN ('host', :guest) AND system IN ('block', 'syscalls', 'raw_syscalls')
        AND (system = 'block' OR (machine = 'host' AND tid = :thread)) ORDER BY time_ns)";
  return session.events().use(stop, [&](query::Database& database) -> Result<RequestEvents> {
    RequestEvents found;
    IVT_ASSIGN_OR_RETURN(
        query::Statement statement,
        database.prepare(
            sql, {{"from", from_ns}, {"until", until_ns}, {"guest", thread.guest}, {"thread", thread.tid}}));
    constexpr std::size_t kSystem = 3;
    constexpr std::size_t kText = 7;
    const auto text_of = [&](std::size_t column) {
      const query::Cell cell = statement.cell(column);
      const auto* const text = std::get_if<std::string_view>(&cell);
      return text != nullptr ? std::string(*text) : std::string();
    };
    for (;;) {
      IVT_ASSIGN_OR_RETURN(const bool is_there, statement.step());
      if (!is_there) return found;
      const std::string machine = text_of(kMachine);
      const bool is_block = text_of(kSystem) == "block";
      const std::string text = text_of(kText);
      const bool is_wanted =
          !is_block || std::any_of(places.begin(), places.end(), [&](const BlockPlace& place) {
            return place.machine == machine && touches(text, place);
          });
      if (!is_wanted) continue;
      found.more = found.events.size() == kEventsOfRequest;
      if (found.more) return found;
      Json event = Json::object();
      for (std::size_t i = 0; i < statement.columns().size(); ++i)
        event[statement.columns()[i]] = cell_json(statement.cell(i));
      event["machine"] = tracks.machine(machine);
      found.events.push_back(std::move(event));
    }
  });
}

}  // namespace ivtrace::view
