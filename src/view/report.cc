#include "view/report.h"

#include <algorithm>

#include "view/http.h"
#include "view/page.h"
#include "view/request_json.h"
#include "view/run_json.h"
#include "view/tiles_json.h"

namespace ivtrace::view {
namespace {

/// A report's script may do nothing but draw: whatever a text in it holds, nothing is fetched and nobody is
/// told.
constexpr std::string_view kPolicy =
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data: blob:\">";

/// Replaces the one tag that begins with `open`, has `mark` in it and ends with `close`.
Status replace_tag(std::string& html, std::string_view open, std::string_view mark, std::string_view close,
                   std::string_view by) {
  const std::size_t marked = html.find(mark);
  const std::size_t begin = marked == std::string::npos ? marked : html.rfind(open, marked);
  const std::size_t end = marked == std::string::npos ? marked : html.find(close, marked);
  if (begin == std::string::npos || end == std::string::npos)
    return Error(ErrorCode::kCorrupt,
                 "the page has no " + std::string(mark) + ": the program is built wrongly");
  html.replace(begin, end + close.size() - begin, by);
  return {};
}

/// "</script" and "<!--", which in a script can only be in a text of its own, mean nothing to the page then.
std::string safe_script(std::string_view script) {
  const auto continues_with = [&](std::size_t at, std::string_view word) {
    return std::equal(word.begin(), word.end(), script.begin() + static_cast<std::ptrdiff_t>(at),
                      script.begin() + static_cast<std::ptrdiff_t>(std::min(at + word.size(), script.size())),
                      [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b); });
  };
  std::string out;
  for (std::size_t i = 0; i < script.size(); ++i) {
    out += script[i];
    if (script[i] == '<' && (continues_with(i + 1, "/script") || continues_with(i + 1, "!--"))) out += '\\';
  }
  return out;
}

struct TileRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};
TileRange tiles_of(const Stretch& stretch, std::uint32_t level, std::int64_t base_span_ns) {
  const std::int64_t span = base_span_ns >> level;
  const std::int64_t last = std::max(stretch.until_ns - 1, stretch.from_ns);
  return {static_cast<std::uint64_t>(stretch.from_ns / span), static_cast<std::uint64_t>(last / span)};
}

/// Those that the gravest finding is about, then what people look at most, then all others.
std::vector<std::uint32_t> by_use(const std::vector<timeline::Track>& tracks, const Json& findings) {
  using timeline::TrackKind;
  std::vector<std::uint32_t> ids;
  const auto add = [&](std::uint32_t id) {
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  };
  if (!findings["findings"].empty()) {
    for (const char* who : {"victim_tracks", "culprit_tracks"})
      for (const Json& id : findings["findings"][0][who]) add(id.get<std::uint32_t>());
  }
  for (const TrackKind kind : {TrackKind::kDisk, TrackKind::kVcpu, TrackKind::kCpu, TrackKind::kTask,
                               TrackKind::kMarks, TrackKind::kCounter, TrackKind::kThread, TrackKind::kIrq}) {
    for (const timeline::Track& track : tracks)
      if (track.kind == kind) add(track.id);
  }
  return ids;
}

/// The tiles of one track and level that show the stretch, as elements of a list.
Result<std::string> track_text(const Session& session, StopSource& stop, const Stretch& stretch,
                               std::uint32_t level, std::uint32_t track) {
  const TileRange range = tiles_of(stretch, level, session.timeline().base_span_ns());
  std::string out;
  for (std::uint64_t index = range.first; index <= range.last; ++index) {
    IVT_ASSIGN_OR_RETURN(const std::vector<timeline::TileTrack> tiles,
                         session.timeline().tiles({level, index}, {&track, 1}, stop.flag()));
    out += ",{\"level\":" + std::to_string(level) + ",\"index\":" + std::to_string(index) + "," +
           tiles_text(tiles).substr(1);  // {"tiles": […]} without its brace
  }
  return out;
}

/// Every track for the run as a whole; then, as long as there is room, the finest level of one track after
/// the other, and what lies between.
Result<std::string> tiles_list(const Session& session, StopSource& stop, const Stretch& stretch,
                               std::size_t bytes, const Json& findings) {
  const std::vector<std::uint32_t> tracks = by_use(session.timeline().tracks(), findings);
  std::string out;
  const std::uint32_t deepest = level_for(stretch, session.timeline().base_span_ns());
  for (std::uint32_t round = 0; round <= deepest; ++round) {
    const std::uint32_t level = round == 0 ? 0 : deepest + 1 - round;
    for (const std::uint32_t track : tracks) {
      if (level != 0 && out.size() >= bytes) return out.substr(1);
      IVT_ASSIGN_OR_RETURN(const std::string text, track_text(session, stop, stretch, level, track));
      out += text;
    }
  }
  return out.empty() ? out : out.substr(1);
}

/// The longest ones of the guests within the stretch.
Result<Json> requests_json(Session& session, StopSource& stop, const Stretch& stretch,
                           const ReportLimits& limits) {
  constexpr const char* kLongest =
      "SELECT id FROM io_request WHERE from_ns < :until AND until_ns > :from ORDER BY until_ns - from_ns "
      "DESC, id";
  IVT_ASSIGN_OR_RETURN(const Answer longest, session.rows().use(stop, [&](query::Database& database) {
    return ask(database, kLongest, {{"from", stretch.from_ns}, {"until", stretch.until_ns}},
               {.rows = limits.requests});
  }));
  Json requests = Json::object();
  std::size_t bytes = 0;
  for (const auto& row : longest.rows) {
    const auto id = row[0].get<std::int64_t>();
    IVT_ASSIGN_OR_RETURN(Json request, request_json(session, stop, id));
    bytes += json_text(request).size();
    if (bytes > limits.request_bytes) break;
    requests[std::to_string(id)] = std::move(request);
  }
  return requests;
}

}  // namespace

Stretch stretch_that_matters(const std::vector<patterns::Finding>& findings, std::int64_t duration_ns) {
  const Stretch whole = {0, std::max<std::int64_t>(duration_ns, 1)};
  if (findings.empty()) return whole;
  const patterns::Finding& gravest = findings.front();
  const std::int64_t around = (gravest.until_ns - gravest.from_ns) / 4;
  const Stretch stretch = {std::max<std::int64_t>(gravest.from_ns - around, 0),
                           std::min(gravest.until_ns + around, whole.until_ns)};
  return stretch.from_ns < stretch.until_ns ? stretch : whole;
}

std::uint32_t level_for(const Stretch& stretch, std::int64_t base_span_ns) {
  constexpr std::int64_t kFewest = 4;  // tiles: 1024 bins and more
  std::uint32_t level = 0;
  while (level < timeline::kMaxLevel && (base_span_ns >> (level + 1)) >= timeline::kBins &&
         (base_span_ns >> level) > (stretch.until_ns - stretch.from_ns) / kFewest)
    ++level;
  return level;
}

std::string escaped_for_script(std::string_view json) {
  constexpr std::string_view kLine = "\xe2\x80\xa8";       // U+2028
  constexpr std::string_view kParagraph = "\xe2\x80\xa9";  // U+2029
  std::string out;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const std::string_view three = json.substr(i, 3);
    if (three == kLine || three == kParagraph) {
      out += three == kLine ? "\\u2028" : "\\u2029";
      i += 2;
    } else if (json[i] == '<') {
      out += "\\u003c";
    } else if (json[i] == '>') {
      out += "\\u003e";
    } else if (json[i] == '&') {
      out += "\\u0026";
    } else {
      out += json[i];
    }
  }
  return out;
}

Result<std::string> joined_page(std::string_view html, std::string_view script, std::string_view style,
                                std::string_view json) {
  std::string page(html);
  // A module of its own where it stood; the page's tags say no more than that of it.
  const std::string scripts = "<script type=\"application/json\" id=\"ivtrace-report\">" +
                              escaped_for_script(json) + "</script>\n<script type=\"module\">" +
                              safe_script(script) + "</script>";
  // From behind, so that no text that was put in is searched.
  const bool is_style_first = page.find("app.css") < page.find("app.js");
  const auto put_style = [&] {
    return replace_tag(page, "<link", "app.css", ">", "<style>" + std::string(style) + "</style>");
  };
  const auto put_script = [&] { return replace_tag(page, "<script", "app.js", "</script>", scripts); };
  IVT_RETURN_IF_ERROR(is_style_first ? put_script() : put_style());
  IVT_RETURN_IF_ERROR(is_style_first ? put_style() : put_script());
  const std::size_t head = page.find("<head>");
  if (head == std::string::npos)
    return Error(ErrorCode::kCorrupt, "the page has no head: the program is built wrongly");
  page.insert(head + std::string_view("<head>").size(), kPolicy);
  return page;
}

Result<std::string> report_page(Session& session, StopSource& stop, const ReportLimits& limits) {
  IVT_ASSIGN_OR_RETURN(const Json findings, findings_json(session));
  const std::int64_t duration = session.timeline().duration_ns();
  const Stretch stretch = stretch_that_matters(session.diagnosis()->findings, duration);
  IVT_ASSIGN_OR_RETURN(const Json requests, requests_json(session, stop, stretch, limits));
  IVT_ASSIGN_OR_RETURN(const std::string tiles,
                       tiles_list(session, stop, stretch, limits.tile_bytes, findings));
  const std::string json = "{\"run\":" + json_text(run_json(session)) +
                           ",\"findings\":" + json_text(findings) + ",\"requests\":" + json_text(requests) +
                           ",\"from\":" + std::to_string(stretch.from_ns) +
                           ",\"until\":" + std::to_string(stretch.until_ns) + ",\"tiles\":[" + tiles + "]}";
  const std::span<const PageFile> files = page_files();
  return joined_page(files[0].text, files[1].text, files[2].text, json);
}

}  // namespace ivtrace::view
