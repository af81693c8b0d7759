// Disk requests. An arrow has the number of the host's request: that one's slice ends it, and the guest's
// request that it served begins it. Both sides must know of each other without remembering any request: the
// host's looks its guest's request up by its id; the guest's, which come by rising ids, meet the host's
// sorted by the id that they served.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "exchange/perfetto_tables.h"
#include "format/run_layout.h"

namespace ivtrace::exchange {
namespace {

std::string track_name(std::string_view device, std::string_view disk) {
  return disk.empty() ? std::string(device) : fmt::format("{} ({})", device, disk);
}

/// The arrows that begin at each guest's request. Requests are asked for by rising ids.
class Arrows {
 public:
  static Result<Arrows> open(const PerfettoTables& tables) {
    // The same conditions as for the host's slices, so that no arrow has one end only.
    const bool possible = tables.tracks.has(format::kHostMachine);
    IVT_ASSIGN_OR_RETURN(
        query::Statement links,
        tables.database.prepare(
            "SELECT request, id FROM block_request WHERE machine = 'host' AND request > 0 "
            "AND until_ns >= :from AND from_ns <= :until AND :possible ORDER BY request, id",
            {{"from", tables.from}, {"until", tables.until}, {"possible", std::int64_t{possible}}}));
    Arrows arrows(std::move(links));
    IVT_RETURN_IF_ERROR(arrows.next());
    return arrows;
  }

  /// Of a request; they hold until the next question.
  Status find(std::int64_t request) {
    found_.clear();
    while (!at_end_ && integer_of(links_.cell(0)) <= request) {
      if (integer_of(links_.cell(0)) == request)
        found_.push_back(static_cast<std::uint64_t>(integer_of(links_.cell(1))));
      IVT_RETURN_IF_ERROR(next());
    }
    return {};
  }
  const std::vector<std::uint64_t>& found() const { return found_; }

 private:
  explicit Arrows(query::Statement links) : links_(std::move(links)) {}
  Status next() {
    IVT_ASSIGN_OR_RETURN(const bool more, links_.step());
    at_end_ = !more;
    return {};
  }

  query::Statement links_;
  bool at_end_ = false;
  std::vector<std::uint64_t> found_;
};

/// Guests' requests, each with its phases as slices within its own.
class GuestRequests {
 public:
  GuestRequests(const PerfettoTables& tables, Arrows arrows) : tables_(tables), arrows_(std::move(arrows)) {}

  void take(const query::Statement& row) {
    if (const std::int64_t id = integer_of(row.cell(3)); id != id_) {
      end();
      begin(row, id);
    }
    if (lane_ != 0) put_phase(row);
  }
  void end() {
    if (lane_ != 0) tables_.writer.end(lane_, until_);
    lane_ = 0;
  }
  const Status& status() const { return status_; }

 private:
  void begin(const query::Statement& row, std::int64_t id) {
    id_ = id;
    if (const Status found = arrows_.find(id); !found && status_) status_ = found;
    from_ = tables_.clip(integer_of(row.cell(0)));
    until_ = tables_.clip(integer_of(row.cell(1)));
    phases_until_ = from_;
    const std::array<PerfettoNote, 7> notes = {{{"request", row.cell(3)},
                                                {"sector", row.cell(7)},
                                                {"bytes", row.cell(8)},
                                                {"task", row.cell(9)},
                                                {"tid", row.cell(10)},
                                                {"tie", row.cell(11)},
                                                {"host requests", row.cell(12)}}};
    lane_ = tables_.tracks
                .lanes(text_of(row.cell(2)), PerfettoGroup::kRequests,
                       track_name(text_of(row.cell(4)), text_of(row.cell(5))), 1)
                .take(from_, until_);
    tables_.writer.begin(lane_, from_, {text_of(row.cell(6)), notes, arrows_.found()});
    ++tables_.job.summary.events;
  }
  void put_phase(const query::Statement& row) {
    const query::Cell begin = row.cell(14), end = row.cell(15);
    if (std::holds_alternative<std::monostate>(begin)) return;
    const std::int64_t from = std::clamp(integer_of(begin), phases_until_, until_);
    const std::int64_t until = std::clamp(integer_of(end), from, until_);
    if (until == from && integer_of(end) != integer_of(begin)) return;  // outside of what is asked for
    phases_until_ = until;
    tables_.writer.begin(lane_, from, {text_of(row.cell(13))});
    tables_.writer.end(lane_, until);
    ++tables_.job.summary.events;
  }

  const PerfettoTables& tables_;
  Arrows arrows_;
  Status status_;
  std::int64_t id_ = 0;  ///< of the request at work
  PerfettoTrack lane_ = 0;
  std::int64_t from_ = 0;
  std::int64_t until_ = 0;
  std::int64_t phases_until_ = 0;
};

Status write_guest_requests(const PerfettoTables& tables) {
  IVT_ASSIGN_OR_RETURN(Arrows arrows, Arrows::open(tables));
  GuestRequests requests(tables, std::move(arrows));
  IVT_RETURN_IF_ERROR(tables.each_row("requests",
                                      "SELECT r.from_ns, r.until_ns, r.machine, r.id, r.device, r.disk, "
                                      "r.direction, r.sector, r.bytes, r.comm, "
                                      "r.tid, r.tie, r.host_requests, p.phase, p.from_ns, p.until_ns "
                                      "FROM io_request r LEFT JOIN io_phase p ON p.request = r.id "
                                      "WHERE r.until_ns >= :from AND r.from_ns <= :until",
                                      [&requests](const query::Statement& row) { requests.take(row); }));
  requests.end();
  return requests.status();
}

Status write_host_requests(const PerfettoTables& tables) {
  return tables.each_row(
      "the host's requests",
      "SELECT b.from_ns, b.until_ns, b.machine, b.id, b.device, b.direction, b.sector, b.bytes, b.comm, "
      "b.tid, "
      "b.issued_ns - b.from_ns, b.owner, b.owner_task, b.request, r.machine, "
      "r.until_ns >= :from AND r.from_ns <= :until "
      "FROM block_request b LEFT JOIN io_request r ON r.id = b.request "
      "WHERE b.machine = 'host' AND b.until_ns >= :from AND b.from_ns <= :until",
      [&tables](const query::Statement& row) {
        const std::int64_t from = tables.clip(integer_of(row.cell(0)));
        const std::int64_t until = tables.clip(integer_of(row.cell(1)));
        const std::array<PerfettoNote, 9> notes = {{{"host request", row.cell(3)},
                                                    {"sector", row.cell(6)},
                                                    {"bytes", row.cell(7)},
                                                    {"task", row.cell(8)},
                                                    {"tid", row.cell(9)},
                                                    {"ns in the queue", row.cell(10)},
                                                    {"for", row.cell(11)},
                                                    {"for the host's task", row.cell(12)},
                                                    {"guest's request", row.cell(13)}}};
        const auto arrow = static_cast<std::uint64_t>(integer_of(row.cell(3)));
        const bool served = integer_of(row.cell(15)) != 0 && tables.tracks.has(text_of(row.cell(14)));
        const PerfettoTrack lane =
            tables.tracks.lanes(text_of(row.cell(2)), PerfettoGroup::kDisks, text_of(row.cell(4)), 0)
                .take(from, until);
        tables.writer.begin(
            lane, from,
            {text_of(row.cell(5)), notes, {}, std::span(&arrow, served ? std::size_t{1} : std::size_t{0})});
        tables.writer.end(lane, until);
        ++tables.job.summary.events;
      });
}

/// How many of a disk's requests are open, whenever that changes.
Status write_depths(const PerfettoTables& tables) {
  return tables.each_row(
      "open requests",
      "SELECT at, at, machine, device, sum(sum(step)) OVER (PARTITION BY machine, device ORDER BY at) "
      "FROM (SELECT max(from_ns, :from) AS at, machine, device, 1 AS step FROM io_request "
      "WHERE until_ns >= :from AND from_ns <= :until "
      "UNION ALL SELECT min(until_ns, :until), machine, device, -1 FROM io_request "
      "WHERE until_ns >= :from AND from_ns <= :until) GROUP BY machine, device, at",
      [&tables](const query::Statement& row) {
        const std::string name = fmt::format("Open requests of {}", text_of(row.cell(3)));
        tables.writer.value(tables.tracks.counter(text_of(row.cell(2)), PerfettoGroup::kRequests, name),
                            tables.clip(integer_of(row.cell(0))), integer_of(row.cell(4)));
      });
}

}  // namespace

Status write_requests(const PerfettoTables& tables) {
  IVT_RETURN_IF_ERROR(write_guest_requests(tables));
  IVT_RETURN_IF_ERROR(write_depths(tables));
  return write_host_requests(tables);
}

}  // namespace ivtrace::exchange
