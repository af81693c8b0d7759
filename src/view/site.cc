#include "view/site.h"

#include <algorithm>
#include <limits>

#include "timeline/tile.h"
#include "view/events_json.h"
#include "view/page.h"
#include "view/query_string.h"
#include "view/range_json.h"
#include "view/request_json.h"
#include "view/run_json.h"
#include "view/search_json.h"
#include "view/sql_json.h"
#include "view/tiles_json.h"
#include "view/token.h"

namespace ivtrace::view {
namespace {

using Names = std::set<std::string_view>;
constexpr std::int64_t kMostText = 1000;   // bytes of a name that is searched for
constexpr std::size_t kMostTracks = 1024;  // of one question for tiles

/// A question's parameters, and its answer.
struct Endpoint {
  Names parameters;
  Result<std::string> (*answer)(Session&, StopSource&, const QueryString&);
};

Result<std::string> text_of(Result<Json> json) {
  if (!json) return std::move(json).error();
  return json_text(*json);
}

Result<std::string> answer_tiles(Session& session, StopSource& stop, const QueryString& query) {
  IVT_ASSIGN_OR_RETURN(const std::int64_t level, query.number("level", 0, timeline::kMaxLevel));
  IVT_ASSIGN_OR_RETURN(const std::int64_t index,
                       query.number("index", 0, std::numeric_limits<std::int64_t>::max()));
  // The timeline knows which there are.
  IVT_ASSIGN_OR_RETURN(const std::vector<std::uint32_t> asked,
                       query.list("tracks", std::numeric_limits<std::uint32_t>::max(), kMostTracks));
  const timeline::TileKey key = {static_cast<std::uint32_t>(level), static_cast<std::uint64_t>(index)};
  IVT_ASSIGN_OR_RETURN(const std::vector<timeline::TileTrack> tiles,
                       session.timeline().tiles(key, asked, stop.flag()));
  return tiles_text(tiles);
}

Result<std::string> answer_events(Session& session, StopSource& stop, const QueryString& query) {
  EventsAsked asked;
  IVT_ASSIGN_OR_RETURN(asked.from_ns, query.number("from", -kMostExact, kMostExact));
  IVT_ASSIGN_OR_RETURN(asked.until_ns, query.number("until", asked.from_ns, kMostExact));
  asked.machine = query.text("machine");
  if (query.has("cpu")) {
    IVT_ASSIGN_OR_RETURN(asked.cpu, query.number("cpu", 0, std::numeric_limits<std::uint32_t>::max()));
  }
  IVT_ASSIGN_OR_RETURN(const std::int64_t limit, query.number("limit", 1, kMostEvents, 200));
  asked.limit = static_cast<std::size_t>(limit);
  return text_of(events_json(session, stop, asked));
}

Result<std::string> answer_range(Session& session, StopSource& stop, const QueryString& query) {
  IVT_ASSIGN_OR_RETURN(const std::int64_t from, query.number("from", -kMostExact, kMostExact));
  IVT_ASSIGN_OR_RETURN(const std::int64_t until, query.number("until", from + 1, kMostExact));
  // What lies outside of the run would be part of every share.
  const std::int64_t end = session.timeline().duration_ns();
  const std::int64_t begin = std::clamp<std::int64_t>(from, 0, std::max<std::int64_t>(end - 1, 0));
  return text_of(range_json(session, stop, begin, std::clamp(until, begin + 1, std::max(end, begin + 1))));
}

Result<std::string> answer_request(Session& session, StopSource& stop, const QueryString& query) {
  IVT_ASSIGN_OR_RETURN(const std::int64_t id, query.number("id", 1, kMostExact));
  return text_of(request_json(session, stop, id));
}

Result<std::string> answer_block(Session& session, StopSource& stop, const QueryString& query) {
  IVT_ASSIGN_OR_RETURN(const std::int64_t row, query.number("row", 1, kMostExact));
  return text_of(block_json(session, stop, row));
}

Result<std::string> answer_search(Session& session, StopSource& stop, const QueryString& query) {
  const std::string text = query.text("q");
  if (text.empty() || text.size() > kMostText)
    return Error(ErrorCode::kInvalid, "q is empty or too long: there is nothing to search for");
  IVT_ASSIGN_OR_RETURN(const std::int64_t limit, query.number("limit", 1, kMostHits, 100));
  return text_of(search_json(session, stop, text, static_cast<std::size_t>(limit)));
}

Result<std::string> answer_next(Session& session, StopSource& stop, const QueryString& query) {
  NextAsked asked;
  IVT_ASSIGN_OR_RETURN(const std::int64_t track,
                       query.number("track", 0, std::numeric_limits<std::uint32_t>::max()));
  asked.track = static_cast<std::uint32_t>(track);
  asked.label = query.text("label");
  if (query.has("tid")) {
    IVT_ASSIGN_OR_RETURN(asked.tid, query.number("tid", 0, std::numeric_limits<std::int32_t>::max()));
  }
  IVT_ASSIGN_OR_RETURN(asked.from_ns, query.number("from", -kMostExact, kMostExact));
  IVT_ASSIGN_OR_RETURN(const std::int64_t direction, query.number("direction", -1, 1));
  if (direction == 0) return Error(ErrorCode::kInvalid, "direction is 1 or -1");
  asked.forward = direction > 0;
  return text_of(next_json(session, stop, asked));
}

const std::map<std::string_view, Endpoint>& endpoints() {
  static const std::map<std::string_view, Endpoint> kEndpoints = {
      {"run",
       {{}, [](Session& session, StopSource&, const QueryString&) { return text_of(run_json(session)); }}},
      {"findings",
       {{},
        [](Session& session, StopSource&, const QueryString&) { return text_of(findings_json(session)); }}},
      {"tables",
       {{},
        [](Session& session, StopSource& stop, const QueryString&) {
          return text_of(tables_json(session, stop));
        }}},
      {"tiles", {{"level", "index", "tracks"}, answer_tiles}},
      {"request", {{"id"}, answer_request}},
      {"block", {{"row"}, answer_block}},
      {"events", {{"from", "until", "machine", "cpu", "limit"}, answer_events}},
      {"range", {{"from", "until"}, answer_range}},
      {"search", {{"q", "limit"}, answer_search}},
      {"next", {{"track", "label", "tid", "from", "direction"}, answer_next}},
  };
  return kEndpoints;
}

constexpr std::string_view kSql = "sql";

const PageFile* find_page_file(std::string_view path) {
  for (const PageFile& file : page_files()) {
    if (path == file.name || (path.empty() && file.name == "index.html")) return &file;
  }
  return nullptr;
}

Reply not_found() { return error_reply(404, "there is nothing here"); }

/// Nothing but "application/json", perhaps with a charset: no page of another site may send that without
/// asking first, and nobody answers it.
bool is_json_type(std::string_view type) {
  return type == Reply::kJson || type.starts_with(std::string(Reply::kJson) + ";");
}

}  // namespace

Site::Site(Session& session, std::string token, std::uint16_t port)
    : session_(session),
      token_(std::move(token)),
      ip_host_("127.0.0.1:" + std::to_string(port)),
      name_host_("localhost:" + std::to_string(port)) {}

std::string Site::address() const { return "http://" + ip_host_ + "/" + token_ + "/"; }

bool Site::is_own_host(std::string_view host) const { return host == ip_host_ || host == name_host_; }

std::optional<std::string_view> Site::path_of(std::string_view target) const {
  target = target.substr(0, target.find('?'));
  const bool has_form =
      target.size() > token_.size() + 1 && target[0] == '/' && target[token_.size() + 1] == '/';
  if (!has_form || !is_same_secret(target.substr(1, token_.size()), token_)) return {};
  return target.substr(token_.size() + 2);
}

std::optional<Reply> Site::refuse(const Request& request) {
  // A page of another site that has a name of its own lead here would send that name.
  if (!is_own_host(request.host)) return error_reply(403, "this is not the server that was asked for");
  const bool is_foreign = !request.origin.empty() && request.origin != "http://" + ip_host_ &&
                          request.origin != "http://" + name_host_;
  if (is_foreign) return error_reply(403, "another site's page has nothing to ask here");
  const std::optional<std::string_view> path = path_of(request.target);
  if (!path) return not_found();
  if (*path == kSql) {
    if (request.method != "POST") return error_reply(405, "only POST here");
    if (!is_json_type(request.content_type)) return error_reply(415, "the body must be application/json");
    return {};
  }
  if (request.method != "GET") return error_reply(405, "only GET here");
  return {};
}

Reply Site::answer(const Request& request) {
  const std::optional<std::string_view> path = path_of(request.target);
  if (!path) return not_found();
  if (*path == kSql) return sql_reply(session_, request.stop, request.body);
  if (const PageFile* const file = find_page_file(*path))
    return {200, std::string(file->text), std::string(file->type)};
  const auto found = endpoints().find(*path);
  if (found == endpoints().end()) return not_found();
  const std::size_t mark = request.target.find('?');
  const std::string_view text = mark == std::string_view::npos ? "" : request.target.substr(mark + 1);
  const Result<QueryString> query = QueryString::parse(text, found->second.parameters);
  if (!query) return error_reply(query.error());
  Result<std::string> answered = found->second.answer(session_, request.stop, *query);
  if (!answered) return error_reply(answered.error());
  return {200, *std::move(answered)};
}

}  // namespace ivtrace::view
