#include "view/run_json.h"

#include <filesystem>
#include <map>

#include "clock/wall_time.h"
#include "model/io_request.h"
#include "query/recorded.h"
#include "timeline/tile.h"

namespace ivtrace::view {
namespace {

std::string run_name(const std::string& path) {
  const std::filesystem::path whole = std::filesystem::path(path).lexically_normal();
  return (whole.has_filename() ? whole : whole.parent_path()).filename().string();
}

Json machines_json(const run::RunReader& run) {
  std::map<std::string, std::string> no_clock;  // machines whose events have none, and why
  std::map<std::string, bool> has_events;
  for (const query::Recorded& fact : query::recorded_of(run)) {
    if (fact.what == "events") has_events[fact.machine] = fact.recorded;
    if (fact.what == "clock" && !fact.recorded && has_events[fact.machine])
      no_clock[fact.machine] = fact.reason;
  }
  Json machines = Json::array();
  for (const run::Machine& machine : run.machines()) {
    const auto found = no_clock.find(machine.info.name);
    const bool is_aligned = found == no_clock.end();
    machines.push_back({{"name", machine.info.name},
                        {"kind", machine.info.kind},
                        {"kernel", machine.info.kernel_release},
                        {"accel", machine.info.accel},
                        {"aligned", is_aligned},
                        {"note", is_aligned ? machine.info.note : found->second}});
  }
  return machines;
}

Json tracks_json(const timeline::Timeline& timeline) {
  Json tracks = Json::array();
  for (const timeline::Track& track : timeline.tracks()) {
    tracks.push_back({{"id", track.id},
                      {"machine", track.machine},
                      {"kind", to_string(track.kind)},
                      {"number", track.number},
                      {"name", track.name},
                      {"lanes", track.lanes},
                      {"aligned", track.aligned},
                      {"vcpu", track.vcpu ? Json(*track.vcpu) : Json()}});
  }
  return tracks;
}

Json phases_json() {
  Json names = Json::array();
  for (std::size_t i = 0; i < model::kIoPhases; ++i)
    names.push_back(model::to_string(static_cast<model::IoPhaseKind>(i)));
  return names;
}

/// What a finding is about, by what its pattern needs: which kinds of tracks are worth marking.
std::vector<timeline::TrackKind> kinds_of(const patterns::Pattern* pattern) {
  using timeline::TrackKind;
  bool disk = false;
  bool cpu = false;
  for (const patterns::Need& need : pattern != nullptr ? pattern->needs : std::vector<patterns::Need>()) {
    disk = disk || need.what == "block" || need.what == "images";
    cpu = cpu || need.what == "sched" || need.what == "exits";
  }
  if (disk) return {TrackKind::kDisk};
  if (cpu) return {TrackKind::kCpu, TrackKind::kVcpu, TrackKind::kThread};
  return {TrackKind::kCpu, TrackKind::kVcpu, TrackKind::kDisk};
}

/// Of a machine, or of a device of the host's; a process has none of its own. `disk`: that one of its disks
/// only.
Json marked_tracks(const Tracks& tracks, const std::string& name, const patterns::Pattern* pattern,
                   const std::string& disk = {}) {
  constexpr std::int64_t kHost = 0;
  const std::int64_t machine = tracks.machine(name);
  if (machine == Tracks::kNone) {
    const std::int64_t device = tracks.disk(kHost, name);
    return device == Tracks::kNone ? Json::array() : Json::array({device});
  }
  const std::vector<timeline::TrackKind> kinds = kinds_of(pattern);
  Json ids = Json::array();
  for (const timeline::Track& track : tracks.all()) {
    const bool is_kind = std::find(kinds.begin(), kinds.end(), track.kind) != kinds.end();
    const bool is_other_disk =
        track.kind == timeline::TrackKind::kDisk && !disk.empty() && !track.name.starts_with(disk + " ");
    if (track.machine == machine && is_kind && !is_other_disk) ids.push_back(track.id);
  }
  return ids;
}

Json evidence_json(const patterns::Evidence& evidence) {
  Json rows = Json::array();
  for (const auto& row : evidence.rows) {
    Json cells = Json::array();
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool is_null = std::holds_alternative<std::monostate>(row[i]);
      cells.push_back(is_null ? "" : patterns::value_text(evidence.columns[i], row[i]));
    }
    rows.push_back(std::move(cells));
  }
  return {{"title", evidence.title},
          {"columns", evidence.columns},
          {"rows", std::move(rows)},
          {"more", evidence.more}};
}

Json finding_json(const Session& session, const Tracks& tracks, const patterns::Finding& finding) {
  const patterns::Pattern* const pattern = session.library().find(finding.pattern);
  Json numbers = Json::array();
  std::string disk;
  for (const auto& [name, value] : finding.numbers) {
    numbers.push_back({{"name", name}, {"text", patterns::value_text(name, value)}});
    if (const auto* const text = std::get_if<std::string>(&value); text != nullptr && name == "disk")
      disk = *text;
  }
  Json evidence = Json::array();
  for (const patterns::Evidence& one : finding.evidence) evidence.push_back(evidence_json(one));
  return {
      {"pattern", finding.pattern},
      {"title", finding.title},
      {"severity", patterns::to_string(finding.severity)},
      {"victim", finding.victim},
      {"culprit", finding.culprit ? Json(*finding.culprit) : Json()},
      {"share", finding.share ? Json(*finding.share) : Json()},
      {"from", finding.from_ns},
      {"until", finding.until_ns},
      {"confidence", finding.confidence},
      {"impact_ns", finding.impact_ns},
      {"text", finding.text},
      {"advice", finding.advice},
      {"numbers", std::move(numbers)},
      {"evidence", std::move(evidence)},
      {"victim_tracks", marked_tracks(tracks, finding.victim, pattern, disk)},
      {"culprit_tracks", finding.culprit ? marked_tracks(tracks, *finding.culprit, pattern) : Json::array()}};
}

}  // namespace

Json run_json(const Session& session) {
  const run::RunReader& run = session.run();
  const timeline::Timeline& timeline = session.timeline();
  const timeline::Progress progress = timeline.progress();
  return {{"name", run_name(run.path())},
          {"start", clock::format_wall_time(session.clock().to_realtime(run.manifest().start_tsc))},
          {"duration_ns", timeline.duration_ns()},
          {"base_span_ns", timeline.base_span_ns()},
          {"bins", timeline::kBins},
          {"version", IVTRACE_VERSION},
          {"command", run.manifest().command_line},
          {"damaged", session.is_incomplete()},
          {"progress",
           {{"switches", progress.switches},
            {"rows", progress.rows},
            {"done", progress.done},
            {"failure", progress.failure}}},
          {"findings_ready", session.diagnosis() != nullptr},
          {"notices", session.notices()},
          {"phases", phases_json()},
          {"machines", machines_json(run)},
          {"tracks", tracks_json(timeline)}};
}

Result<Json> findings_json(const Session& session) {
  const std::shared_ptr<const patterns::Diagnosis> diagnosis = session.diagnosis();
  if (diagnosis == nullptr)
    return Error(ErrorCode::kBusy, "the patterns have not been tried yet", "ask again in a moment");
  const Tracks tracks = session.tracks();
  Json findings = Json::array();
  for (const patterns::Finding& finding : diagnosis->findings)
    findings.push_back(finding_json(session, tracks, finding));
  Json unknown = Json::array();
  for (const patterns::Unknown& one : diagnosis->unknown) {
    unknown.push_back({{"pattern", one.pattern},
                       {"machine", one.machine.empty() ? Json() : Json(one.machine)},
                       {"reason", one.reason},
                       {"option", one.option.empty() ? Json() : Json(one.option)}});
  }
  return Json{
      {"findings", std::move(findings)}, {"unknown", std::move(unknown)}, {"tried", diagnosis->tried}};
}

}  // namespace ivtrace::view
