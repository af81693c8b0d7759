#include "view/request_json.h"

#include <algorithm>
#include <limits>
#include <map>

#include "view/events_json.h"

namespace ivtrace::view {
namespace {

constexpr const char* kRequest = R"(
    SELECT id, machine, device, disk, direction, sector, bytes, tid, comm, from_ns AS "from", until_ns AS "until",
           tie, host_thread FROM io_request WHERE id = :id)";
constexpr const char* kPhases =
    R"(SELECT phase AS name, from_ns AS "from", until_ns AS "until" FROM io_phase WHERE request = :id)";
constexpr const char* kHost = R"(
    SELECT id AS "row", from_ns AS "from", issued_ns AS issued, until_ns AS "until", bytes, device, ifnull(comm, '') AS comm,
           ifnull(tid, -1) AS tid, sector
    FROM block_request
    WHERE machine = 'host' AND request = :id AND from_ns <= :until AND until_ns >= :from ORDER BY from_ns)";
// What the device had (issued to until) while one of ours was queued or with it (from to until).
constexpr const char* kBehind = R"(
    SELECT id AS "row", ifnull(owner, 'host') AS machine, ifnull(comm, '') AS comm, direction, bytes, from_ns AS "from",
           issued_ns AS issued, until_ns AS "until",
           min(until_ns, :until) - max(issued_ns, :from) AS overlap_ns
    FROM block_request
    WHERE machine = 'host' AND device = :device AND from_ns < :until AND issued_ns < :until AND until_ns > :from
      AND ifnull(request, 0) <> :id
    ORDER BY overlap_ns DESC, id LIMIT 20)";
constexpr const char* kCalls = R"(
    SELECT thread, name, from_ns AS "from", until_ns AS "until" FROM qemu_call
    WHERE machine = :machine AND thread = :thread AND from_ns < :until AND until_ns > :from ORDER BY from_ns)";
constexpr const char* kBlock = R"(
    SELECT id AS "row", from_ns AS "from", issued_ns AS issued, until_ns AS "until", bytes, device, ifnull(comm, '') AS comm,
           ifnull(tid, -1) AS tid, machine AS on_machine, ifnull(owner, machine) AS machine, direction, sector,
           ifnull(request, 0) AS request
    FROM block_request WHERE id = :row)";
/// A request that the host cut into pieces has some hundreds at most.
constexpr Bounds kMostPieces = {.rows = 200};

std::string text_at(const Json& json, const char* key) {
  const Json& value = json[key];
  return value.is_string() ? value.get<std::string>() : std::string();
}
std::int64_t number_at(const Json& json, const char* key) {
  const Json& value = json[key];
  return value.is_number_integer() ? value.get<std::int64_t>() : 0;
}

/// What was with the host's devices while these were.
Result<Json> waited_behind(query::Database& database, const Tracks& tracks, const Json& host,
                           std::int64_t id) {
  struct Stretch {
    std::int64_t from = std::numeric_limits<std::int64_t>::max();
    std::int64_t until = 0;
  };
  std::map<std::string, Stretch> by_device;
  for (const Json& request : host) {
    Stretch& stretch = by_device[text_at(request, "device")];
    stretch.from = std::min(stretch.from, number_at(request, "from"));
    stretch.until = std::max(stretch.until, number_at(request, "until"));
  }
  std::vector<Json> all;
  for (const auto& [device, stretch] : by_device) {
    IVT_ASSIGN_OR_RETURN(
        const Answer answer,
        ask(database, kBehind,
            {{"device", device}, {"from", stretch.from}, {"until", stretch.until}, {"id", id}}));
    for (std::size_t i = 0; i < answer.rows.size(); ++i) {
      Json one = answer.object(i);
      one["machine"] = tracks.machine(text_at(one, "machine"));
      one["track"] = tracks.disk(0, device);
      all.push_back(std::move(one));
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const Json& a, const Json& b) {
    return number_at(a, "overlap_ns") > number_at(b, "overlap_ns");
  });
  constexpr std::size_t kMost = 20;
  if (all.size() > kMost) all.resize(kMost);
  return Json(std::move(all));
}

/// Everything of it that the tables tell: all but its raw events.
Result<Json> request_rows(query::Database& database, const Tracks& tracks, std::int64_t id) {
  IVT_ASSIGN_OR_RETURN(const Answer found, ask(database, kRequest, {{"id", id}}));
  if (found.rows.empty())
    return Error(ErrorCode::kNotFound, "there is no request " + std::to_string(id) + " of a guest");
  Json request = found.object(0);
  const std::string name = text_at(request, "machine");
  const std::int64_t machine = tracks.machine(name);
  const query::Parameters where = {{"id", id},
                                   {"from", number_at(request, "from")},
                                   {"until", number_at(request, "until")},
                                   {"machine", name},
                                   {"thread", number_at(request, "host_thread")}};
  request["machine"] = machine;
  request["track"] = tracks.disk(machine, text_at(request, "device"));
  IVT_ASSIGN_OR_RETURN(const Answer phases, ask(database, kPhases, where, kMostPieces));
  request["phases"] = phases.objects();
  IVT_ASSIGN_OR_RETURN(const Answer host, ask(database, kHost, where, kMostPieces));
  request["host"] = host.objects();
  for (Json& one : request["host"]) one["track"] = tracks.disk(0, text_at(one, "device"));
  IVT_ASSIGN_OR_RETURN(request["waited_behind"], waited_behind(database, tracks, request["host"], id));
  request["calls"] = Json::array();
  if (number_at(request, "host_thread") == 0) return request;
  IVT_ASSIGN_OR_RETURN(const Answer calls, ask(database, kCalls, where, kMostPieces));
  request["calls"] = calls.objects();
  for (Json& call : request["calls"]) call["track"] = tracks.thread(machine, number_at(call, "thread"));
  return request;
}

BlockPlace place_of(const std::string& machine, const Json& request) {
  return {machine, text_at(request, "device"), number_at(request, "sector"), number_at(request, "bytes")};
}

}  // namespace

Result<Json> request_json(Session& session, StopSource& stop, std::int64_t id) {
  const Tracks tracks = session.tracks();
  IVT_ASSIGN_OR_RETURN(Json request, session.rows().use(stop, [&](query::Database& database) {
    return request_rows(database, tracks, id);
  }));
  const std::string& guest = tracks.machine_name(static_cast<std::uint32_t>(number_at(request, "machine")));
  std::vector<BlockPlace> places = {place_of(guest, request)};
  for (const Json& one : request["host"]) places.push_back(place_of("host", one));
  IVT_ASSIGN_OR_RETURN(RequestEvents events, events_of_request(session, stop, number_at(request, "from"),
                                                               number_at(request, "until"), places,
                                                               {guest, number_at(request, "host_thread")}));
  request["events"] = std::move(events.events);
  request["more_events"] = events.more;
  return request;
}

Result<Json> block_json(Session& session, StopSource& stop, std::int64_t row) {
  const Tracks tracks = session.tracks();
  return session.rows().use(stop, [&](query::Database& database) -> Result<Json> {
    IVT_ASSIGN_OR_RETURN(const Answer found, ask(database, kBlock, {{"row", row}}));
    if (found.rows.empty())
      return Error(ErrorCode::kNotFound, "there is no request " + std::to_string(row) + " of a block device");
    Json request = found.object(0);
    request["track"] =
        tracks.disk(tracks.machine(text_at(request, "on_machine")), text_at(request, "device"));
    request["machine"] = tracks.machine(text_at(request, "machine"));
    request.erase("on_machine");
    return request;
  });
}

}  // namespace ivtrace::view
