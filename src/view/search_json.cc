#include "view/search_json.h"

#include <algorithm>
#include <limits>

#include "view/name_list.h"

namespace ivtrace::view {
namespace {

using timeline::TrackKind;

/// Collects at most so many.
class Hits {
 public:
  Hits(std::string text, std::size_t limit) : text_(fold(text)), limit_(limit) {}

  bool is_full() const { return hits_.size() >= limit_; }
  bool matches_folded(std::string_view folded) const { return folded.find(text_) != std::string_view::npos; }
  bool matches(std::string_view text) const { return matches_folded(fold(text)); }
  void add(const Name& name) {
    if (is_full()) return;
    hits_.push_back({{"what", name.what},
                     {"text", name.text},
                     {"label", name.label},
                     {"tid", name.tid},
                     {"track", name.track},
                     {"machine", name.machine},
                     {"count", name.count},
                     {"first", name.first_ns},
                     {"last", name.last_ns}});
  }
  Json take() { return std::move(hits_); }

 private:
  std::string text_;
  std::size_t limit_;
  Json hits_ = Json::array();
};

void add_findings(const Session& session, const Tracks& tracks, Hits& hits) {
  const auto diagnosis = session.diagnosis();
  if (diagnosis == nullptr) return;
  for (const patterns::Finding& finding : diagnosis->findings) {
    if (!hits.matches(finding.title) && !hits.matches(finding.text)) continue;
    Name name;
    name.what = "finding";
    name.text = finding.victim + ": " + finding.title;
    name.machine = tracks.machine(finding.victim);
    name.count = 1;
    name.first_ns = finding.from_ns;
    name.last_ns = finding.until_ns;
    hits.add(name);
  }
}

void add_tracks(const Session& session, const Tracks& tracks, Hits& hits) {
  for (const timeline::Track& track : tracks.all()) {
    // Not by its machine's name too: all of a machine's tracks would stand before any task.
    if (!hits.matches(track.name)) continue;
    Name name;
    name.what = "track";
    name.text = tracks.machine_name(track.machine) + " " + track.name;
    name.track = track.id;
    name.machine = track.machine;
    name.last_ns = session.timeline().duration_ns();
    hits.add(name);
  }
}

/// Where a track's slices are, and which of them have a label (one of the words that the track shows). The
/// parameters are machine, place, label and tid.
struct SliceSource {
  const char* table;
  const char* where;
};
SliceSource source_of(TrackKind kind) {
  switch (kind) {
    case TrackKind::kCpu:
    case TrackKind::kTask:
      return {"sched_slice", "cpu = :place AND (:label = '' OR comm = :label) AND (:tid < 0 OR tid = :tid)"};
    case TrackKind::kVcpu:
      return {"vcpu_slice",
              "vcpu IS :place AND (:label = '' OR :label IN (state, reason, by_comm)) AND (:tid < 0 OR "
              "by_tid = :tid)"};
    case TrackKind::kThread:
      return {
          "qemu_slice",
          "thread = :place AND (:label = '' OR :label IN (state, by_comm)) AND (:tid < 0 OR by_tid = :tid)"};
    case TrackKind::kIrq:
      return {"irq_slice", "cpu = :place AND (:label = '' OR ifnull(name, irq) = :label) AND :tid = :tid"};
    case TrackKind::kMarks:
      return {"mark_slice", "tid = :place AND (:label = '' OR name = :label) AND :tid = :tid"};
    case TrackKind::kCounter:
      return {"mark_counter",
              "ifnull(name, '') || CASE tgid WHEN 0 THEN '' ELSE ' ' || tgid END = :place AND "
              "(:label = '' OR value = CAST(:label AS INTEGER)) AND :tid = :tid"};
    case TrackKind::kDisk:
      break;
  }
  return {"block_request",
          "device = :place AND (:label = '' OR :label IN (comm, owner_task)) AND (:tid < 0 OR tid = :tid)"};
}

query::OwnedCell place_of(const timeline::Track& track) {
  if (track.kind == TrackKind::kDisk) return device_text(track.number);
  if (track.kind == TrackKind::kVcpu && track.number < 0) return {};
  if (track.kind == TrackKind::kCounter) return track.name;
  return track.number;
}

}  // namespace

Result<Json> search_json(Session& session, StopSource& stop, const std::string& text, std::size_t limit) {
  IVT_ASSIGN_OR_RETURN(const std::shared_ptr<const std::vector<Name>> names, session.names(stop));
  const Tracks tracks = session.tracks();
  Hits hits(text, limit);
  add_findings(session, tracks, hits);
  add_tracks(session, tracks, hits);
  for (const Name& name : *names) {
    if (hits.is_full()) break;
    if (hits.matches_folded(name.folded)) hits.add(name);
  }
  return Json{{"hits", hits.take()}};
}

Result<Json> next_json(Session& session, StopSource& stop, const NextAsked& asked) {
  const Tracks tracks = session.tracks();
  const timeline::Track* const found = tracks.by_id(asked.track);
  if (found == nullptr)
    return Error(ErrorCode::kNotFound, "there is no track " + std::to_string(asked.track));
  const timeline::Track& track = *found;
  const SliceSource source = source_of(track.kind);
  const std::string sql = std::string(R"(SELECT from_ns AS "from", until_ns AS "until" FROM )") +
                          source.table + " WHERE machine = :machine AND " + source.where +
                          " AND from_ns BETWEEN :low AND :high ORDER BY from_ns " +
                          (asked.forward ? "" : "DESC ") + "LIMIT 1";
  query::Parameters parameters = {{"machine", tracks.machine_name(track.machine)},
                                  {"place", place_of(track)},
                                  {"label", asked.label},
                                  {"tid", asked.tid.value_or(-1)}};
  const std::int64_t end = session.timeline().base_span_ns();  // nothing is behind it
  return session.rows().use(stop, [&](query::Database& database) -> Result<Json> {
    // A row's table has no order to go along: stretches that grow are looked at, so that what is near is
    // found soon.
    constexpr std::int64_t kFirst = 50'000'000;
    constexpr std::int64_t kGrow = 8;
    std::int64_t at = std::clamp<std::int64_t>(asked.from_ns, -1, end + 1);
    std::int64_t width = kFirst;
    while (asked.forward ? at < end : at > 0) {
      const std::int64_t low = asked.forward ? at + 1 : at - std::min(width, at);
      const std::int64_t high = asked.forward ? at + std::min(width, end - at) : at - 1;
      parameters["low"] = low;
      parameters["high"] = high;
      IVT_ASSIGN_OR_RETURN(const Answer answer, ask(database, sql, parameters));
      if (!answer.rows.empty()) return answer.object(0);
      at = asked.forward ? high : low;
      width *= kGrow;
    }
    return Json::object();
  });
}

}  // namespace ivtrace::view
