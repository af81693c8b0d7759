#include "view/site.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "model/io_test_support.h"
#include "query/query_test_support.h"
#include "view/page.h"
#include "view/report.h"

namespace ivtrace::view {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr const char* kToken = "abcdefghijklmnopqrstuvwxyz012345";
constexpr std::uint16_t kPort = 4711;
constexpr const char* kHost = "127.0.0.1:4711";

/// A session over a made run, and what its page is told.
class Viewer {
 public:
  template <class Made>
  explicit Viewer(Made& made) {
    made.anchors = true;
    run::RunReader run = made.open();
    clock::HostClock clock = *clock::HostClock::create(run.anchors(), run.manifest().start_tsc);
    session_ = *Session::open(std::move(run), std::move(clock), patterns::load_library({}, {}),
                              query::CacheUse::kNone);
    site_ = std::make_unique<Site>(*session_, kToken, kPort);
  }
  Session& session() { return *session_; }
  Site& site() { return *site_; }
  Viewer& wait() {
    while (session_->diagnosis() == nullptr) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return *this;
  }

  struct Asked {
    std::string method = "GET";
    std::string host = kHost;
    std::string origin = {};
    std::string type = {};
    std::string body = {};
  };
  Reply raw(const std::string& target, const Asked& asked) {
    StopSource stop;
    const Request request = {asked.method, target, asked.host, asked.origin, asked.type, asked.body, stop};
    if (std::optional<Reply> refused = site_->refuse(request)) return *std::move(refused);
    return site_->answer(request);
  }
  Reply get(const std::string& path) { return raw(std::string("/") + kToken + "/" + path, {}); }
  Json json(const std::string& path) {
    const Reply reply = get(path);
    EXPECT_EQ(reply.status, 200) << path << ": " << reply.body;
    return Json::parse(reply.body);
  }
  Reply sql(const std::string& body, const std::string& type = "application/json") {
    return raw(std::string("/") + kToken + "/sql", {.method = "POST", .type = type, .body = body});
  }

 private:
  std::unique_ptr<Session> session_;
  std::unique_ptr<Site> site_;
};

/// A read of vm1 that the host's device serves beside a write of vm2, which it waits for.
void make_requests(model::MadeIo& io) {
  using namespace model;
  io.guest(1000, kQueueId, 64);
  io.guest(2000, kIssueId, 64);
  io.event("host", 2500, kQueueId, kHostDevice, 40960, 2048, "W", kQemu2, "qemu2");
  io.event("host", 2600, kIssueId, kHostDevice, 40960, 2048, "W", kQemu2, "qemu2");
  io.host(3000, kQueueId, 64);
  io.host(9000, kIssueId, 64);
  io.event("host", 9500, kCompleteId, kHostDevice, 40960, 2048, "W", 0, "");
  io.host(12'000, kCompleteId, 64, 8, "R", 0);
  io.guest(14'000, kCompleteId, 64);
}

class SiteTest : public ::testing::Test {
 protected:
  SiteTest() { make_requests(made_); }

  model::MadeIo made_;
};

TEST_F(SiteTest, OnlyTheRightAddressGetsAnything) {
  Viewer viewer(made_);
  EXPECT_EQ(viewer.site().address(), "http://127.0.0.1:4711/abcdefghijklmnopqrstuvwxyz012345/");
  EXPECT_EQ(viewer.get("run").status, 200);
  const std::string token = kToken;
  const std::vector<std::string> targets = {"/",
                                            "",
                                            "/run",
                                            "/" + token,
                                            "/" + token + "x/run",
                                            "/x" + token + "/run",
                                            "//" + token + "/run",
                                            "/" + token.substr(1) + "/run",
                                            "/" + token.substr(1) + "X/run",
                                            "run",
                                            "*"};
  for (const std::string& target : targets) EXPECT_EQ(viewer.raw(target, {}).status, 404) << target;
}

TEST_F(SiteTest, APageOfAnotherSiteGetsNothing) {
  Viewer viewer(made_);
  const std::string run = std::string("/") + kToken + "/run";
  for (const char* const host :
       {"", "evil.example", "evil.example:4711", "127.0.0.1", "127.0.0.1:4712", "127.0.0.1:4711:1"})
    EXPECT_EQ(viewer.raw(run, {.host = host}).status, 403) << host;
  EXPECT_EQ(viewer.raw(run, {.host = "localhost:4711"}).status, 200);
  EXPECT_EQ(viewer.raw(run, {.origin = "http://127.0.0.1:4711"}).status, 200);
  for (const char* const origin :
       {"null", "http://evil.example", "https://127.0.0.1:4711", "http://127.0.0.1:80"})
    EXPECT_EQ(viewer.raw(run, {.origin = origin}).status, 403) << origin;
}

TEST_F(SiteTest, OnlyTheMethodsThatAreMeant) {
  Viewer viewer(made_);
  for (const char* const method : {"HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
    EXPECT_EQ(viewer.raw(std::string("/") + kToken + "/run", {.method = method}).status, 405) << method;
  EXPECT_EQ(viewer.get("sql").status, 405);
  for (const char* const type : {"", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"})
    EXPECT_EQ(viewer.sql(R"({"sql":"SELECT 1"})", type).status, 415) << type;
}

TEST_F(SiteTest, HasItsPageAndNoOtherFile) {
  Viewer viewer(made_);
  EXPECT_EQ(viewer.get("").body, page_files()[0].text);
  EXPECT_EQ(viewer.get("?from=1").type, "text/html; charset=utf-8");
  EXPECT_EQ(viewer.get("index.html").body, page_files()[0].text);
  EXPECT_EQ(viewer.get("app.js").type, "text/javascript; charset=utf-8");
  EXPECT_EQ(viewer.get("app.css").type, "text/css; charset=utf-8");
  for (const char* const path : {"/etc/passwd", "../run", "..", "%2e%2e/run", "manifest.json", "app.js/",
                                 "host/cpu0.pages", "index.html\\"})
    EXPECT_EQ(viewer.get(path).status, 404) << path;
}

TEST_F(SiteTest, WhatIsAskedWronglyIsRefused) {
  Viewer viewer(made_);
  viewer.wait();
  for (const char* const path : {"tiles",
                                 "tiles?level=0&index=0",
                                 "tiles?level=0&index=0&tracks=",
                                 "tiles?level=-1&index=0&tracks=0",
                                 "tiles?level=56&index=0&tracks=0",
                                 "tiles?level=0&index=1&tracks=0",
                                 "tiles?level=0&index=0&tracks=9999",
                                 "tiles?level=0&index=0&tracks=0&x=1",
                                 "request",
                                 "request?id=0",
                                 "request?id=x",
                                 "request?id=1&id=1",
                                 "block",
                                 "events?from=0",
                                 "events?from=5&until=4",
                                 "events?from=0&until=1&limit=0",
                                 "events?from=0&until=1&limit=1001",
                                 "events?from=0&until=1&cpu=-1",
                                 "range?from=5&until=5",
                                 "range?from=0",
                                 "search",
                                 "search?q=",
                                 "search?q=x&limit=0",
                                 "next?track=0&label=x&from=0",
                                 "next?track=0&label=x&from=0&direction=0",
                                 "run?x=1",
                                 "findings?x"})
    EXPECT_EQ(viewer.get(path).status, 400) << path;
  EXPECT_EQ(viewer.get("search?q=" + std::string(1001, 'x')).status, 400);
  for (const char* const path : {"request?id=99", "block?row=99", "next?track=99&label=&from=0&direction=1",
                                 "events?from=0&until=1&machine=nobody", "nothing"})
    EXPECT_EQ(viewer.get(path).status, 404) << path;
}

TEST_F(SiteTest, TellsOfTheRunAndItsTracks) {
  Viewer viewer(made_);
  const Json run = viewer.wait().json("run");
  EXPECT_EQ(run["name"], "run.ivt");
  EXPECT_EQ(run["progress"]["done"], true);
  EXPECT_EQ(run["progress"]["failure"], "");
  EXPECT_EQ(run["findings_ready"], true);
  EXPECT_EQ(run["bins"], 256);
  EXPECT_GE(run["base_span_ns"], run["duration_ns"]);
  EXPECT_EQ(run["phases"].size(), 17u);
  ASSERT_THAT(run["machines"], SizeIs(3));
  EXPECT_EQ(run["machines"][0]["name"], "host");
  EXPECT_EQ(run["machines"][1]["aligned"], true);
  std::set<int> ids;
  for (const Json& track : run["tracks"]) ids.insert(track["id"].get<int>());
  EXPECT_EQ(ids.size(), run["tracks"].size());
}

std::string disk_track(const Json& run, std::int64_t machine) {
  for (const Json& track : run["tracks"]) {
    if (track["machine"] == machine && track["kind"] == "disk") return std::to_string(track["id"].get<int>());
  }
  ADD_FAILURE() << "machine " << machine << " has no disk";
  return "0";
}

TEST_F(SiteTest, HasTilesOfTheTracksThatWereAskedFor) {
  Viewer viewer(made_);
  const Json run = viewer.wait().json("run");
  const std::string guest = disk_track(run, 1);
  const std::string host = disk_track(run, 0);
  const Json tiles = viewer.json("tiles?level=0&index=0&tracks=" + guest + "," + host)["tiles"];
  ASSERT_THAT(tiles, SizeIs(2));
  EXPECT_EQ(std::to_string(tiles[0]["track"].get<int>()), guest);
  EXPECT_THAT(tiles[0]["slices"]["from"], ElementsAre(1000));
  EXPECT_THAT(tiles[0]["slices"]["row"], ElementsAre(1));
  EXPECT_THAT(tiles[1]["slices"]["from"], SizeIs(2));
  EXPECT_THAT(tiles[1]["slices"]["request"], Contains(1));
}

TEST_F(SiteTest, FollowsARequestToTheHostAndTellsWhatItWaitedBehind) {
  Viewer viewer(made_);
  viewer.wait();
  const Json request = viewer.json("request?id=1");
  EXPECT_EQ(request["machine"], 1);
  EXPECT_EQ(request["direction"], "read");
  EXPECT_EQ(request["tie"], "address");
  EXPECT_EQ(request["from"], 1000);
  EXPECT_EQ(request["until"], 14'000);
  EXPECT_EQ(std::to_string(request["track"].get<int>()), disk_track(viewer.json("run"), 1));
  EXPECT_EQ(request["phases"][0]["name"], "guest_queue");
  ASSERT_THAT(request["host"], SizeIs(1));
  EXPECT_EQ(request["host"][0]["issued"], 9000);
  EXPECT_EQ(std::to_string(request["host"][0]["track"].get<int>()), disk_track(viewer.json("run"), 0));
  ASSERT_THAT(request["waited_behind"], SizeIs(1));
  EXPECT_EQ(request["waited_behind"][0]["machine"], 2);
  EXPECT_EQ(request["waited_behind"][0]["overlap_ns"], 9500 - 3000);
  EXPECT_EQ(request["more_events"], false);
  const Json block = viewer.json("block?row=" + request["host"][0]["row"].dump());
  EXPECT_EQ(block["request"], 1);
  EXPECT_EQ(block["machine"], 1);
  EXPECT_EQ(block["direction"], "read");
}

TEST_F(SiteTest, HasRawEventsOfAStretch) {
  Viewer viewer(made_);
  const Json all = viewer.json("events?from=0&until=20000");
  EXPECT_THAT(all["events"], SizeIs(9));
  EXPECT_EQ(all["more"], false);
  EXPECT_EQ(all["events"][0]["time"], 1000);
  EXPECT_EQ(all["events"][0]["machine"], 1);
  EXPECT_EQ(all["events"][0]["name"], "block_bio_queue");
  const Json some = viewer.json("events?from=0&until=20000&limit=2&machine=host&cpu=0");
  EXPECT_THAT(some["events"], SizeIs(2));
  EXPECT_EQ(some["more"], true);
}

TEST_F(SiteTest, TellsWhatHappenedInAStretch) {
  Viewer viewer(made_);
  const Json tables = viewer.wait().json("range?from=0&until=20000")["tables"];
  std::vector<std::string> titles;
  for (const Json& table : tables) {
    titles.push_back(table["title"]);
    for (const Json& row : table["rows"]) EXPECT_EQ(row.size(), table["columns"].size()) << table["title"];
  }
  EXPECT_THAT(titles, AllOf(Contains("Requests of the guests"), Contains("Where these requests were"),
                            Contains("Requests on the host's devices")));
  EXPECT_THAT(viewer.json("range?from=50000&until=60000")["tables"], IsEmpty());
}

TEST_F(SiteTest, AnswersQueriesAndSaysWhatIsWrongWithThem) {
  Viewer viewer(made_);
  viewer.wait();
  const Reply good = viewer.sql(R"({"sql":"SELECT id, comm, 9007199254740993 AS big FROM io_request"})");
  EXPECT_EQ(good.status, 200);
  const Json json = Json::parse(good.body);
  EXPECT_EQ(json["rows"], Json::parse(R"([[1,"reader","9007199254740993"]])"));
  EXPECT_EQ(json["more"], false);
  const Reply wrong = viewer.sql(R"({"sql":"SELECT nothing FROM io_request"})");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_THAT(wrong.body, AllOf(HasSubstr("nothing"), HasSubstr("\"offset\":7")));
  for (const char* const sql : {"DELETE FROM io_request", "ATTACH '/tmp/x' AS x", "PRAGMA user_version",
                                "SELECT load_extension('/tmp/x')", "CREATE TABLE t(a)", ""})
    EXPECT_EQ(viewer.sql(json_text({{"sql", sql}})).status, 400) << sql;
  for (const char* const body : {"", "[]", "{}", R"({"sql":1})", R"({"sql":"SELECT 1","limit":0})", "\xff",
                                 R"({"sql":"SELECT 1","limit":10001})", R"({"sql":"SELECT 1","limit":"a"})"})
    EXPECT_EQ(viewer.sql(body).status, 400) << body;
}

TEST_F(SiteTest, QueriesAreBoundedInRowsAndBytes) {
  Viewer viewer(made_);
  viewer.wait();
  const char* const numbers =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) ";
  const Reply rows = viewer.sql(json_text({{"sql", std::string(numbers) + "SELECT i FROM n"}, {"limit", 5}}));
  EXPECT_THAT(Json::parse(rows.body)["rows"], SizeIs(5));
  EXPECT_EQ(Json::parse(rows.body)["more"], true);
  const Reply bytes = viewer.sql(
      json_text({{"sql", std::string(numbers) + "SELECT zeroblob(1000000) FROM n"}, {"limit", 10'000}}));
  EXPECT_EQ(bytes.status, 200);
  EXPECT_EQ(Json::parse(bytes.body)["more"], true);
  EXPECT_THAT(Json::parse(bytes.body)["rows"], SizeIs(8));
}

TEST_F(SiteTest, ListsItsTables) {
  Viewer viewer(made_);
  std::vector<std::string> names;
  const Json json = viewer.json("tables");
  for (const Json& table : json["tables"]) names.push_back(table["name"]);
  EXPECT_THAT(names, AllOf(Contains("io_request"), Contains("event"), Contains("finding")));
}

TEST_F(SiteTest, FindingsAreThereOnceThePatternsWereTried) {
  Viewer viewer(made_);
  const Json findings = viewer.wait().json("findings");
  EXPECT_GT(findings["tried"].get<int>() + static_cast<int>(findings["unknown"].size()), 5);
  const Reply counted = viewer.sql(R"({"sql":"SELECT count(*) FROM finding"})");
  EXPECT_EQ(Json::parse(counted.body)["rows"][0][0], findings["findings"].size());
}

TEST_F(SiteTest, SearchFindsTracksAndNext) {
  Viewer viewer(made_);
  const Json run = viewer.wait().json("run");
  const Json hits = viewer.json("search?q=254%3A0")["hits"];
  ASSERT_THAT(hits, Not(IsEmpty()));
  EXPECT_THAT(viewer.json("search?q=nobodyhasthis")["hits"], IsEmpty());
  const std::string track = "next?track=" + disk_track(run, 0);
  EXPECT_EQ(viewer.json(track + "&label=qemu&from=0&direction=1"),
            Json::parse(R"({"from":3000,"until":12000})"));
  EXPECT_EQ(viewer.json(track + "&label=qemu&from=3000&direction=1"), Json::object());
  EXPECT_EQ(viewer.json(track + "&label=qemu&from=20000&direction=-1")["from"], 3000);
  EXPECT_EQ(viewer.json(track + "&label=qemu&from=3000&direction=-1"), Json::object());
  EXPECT_EQ(viewer.json(track + "&label=&from=2500&direction=1")["from"], 3000);
  EXPECT_EQ(viewer.json(track + "&label=nobody&from=0&direction=1"), Json::object());
}

TEST_F(SiteTest, AQuestionThatWasGivenUpEnds) {
  Viewer viewer(made_);
  viewer.wait();
  StopSource stop;
  stop.request();
  const std::string body =
      R"({"sql":"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"})";
  const std::string target = std::string("/") + kToken + "/sql";
  EXPECT_EQ(viewer.site().answer({"POST", target, kHost, "", "application/json", body, stop}).status, 499);
}

TEST_F(SiteTest, AReportHasTheRunItsTilesAndTheLongestRequests) {
  Viewer viewer(made_);
  viewer.wait();
  StopSource stop;
  const Result<std::string> page = report_page(viewer.session(), stop);
  ASSERT_TRUE(page) << page.error().message;
  const std::string begin = "id=\"ivtrace-report\">";
  const std::size_t from = page->find(begin) + begin.size();
  const Json json = Json::parse(page->substr(from, page->find("</script>", from) - from));
  EXPECT_EQ(json["run"]["machines"].size(), 3u);
  EXPECT_TRUE(json["requests"].contains("1"));
  // Every track for the whole run, and finer ones behind them.
  std::size_t whole = 0;
  for (const Json& tile : json["tiles"]) whole += tile["level"] == 0 ? 1 : 0;
  EXPECT_EQ(whole, json["run"]["tracks"].size());
  EXPECT_GT(json["tiles"].size(), whole);
  EXPECT_EQ(json["from"], 0);
  const Result<std::string> small =
      report_page(viewer.session(), stop, {.tile_bytes = 0, .request_bytes = 0});
  EXPECT_LT(small->size(), page->size());
  EXPECT_EQ(small->find("\"level\":1"), std::string::npos);
}

/// A guest's task with a name that would be a script.
TEST(SiteOfSwitches, ANameIsNeverMoreThanText) {
  model::MadeRun made;
  made.host_switch(2'001'000, 0, 0, 42, "<script>\xff\"");
  made.host_switch(2'002'000, 42, 0, 0, "swapper/0");
  made.host_switch(2'003'000, 0, 0, 7, "x");
  Viewer viewer(made);
  viewer.wait();
  const Reply found = viewer.get("search?q=%3CSCRIPT");
  EXPECT_EQ(found.status, 200);
  EXPECT_EQ(found.type, "application/json");
  const Json hits = Json::parse(found.body)["hits"];
  ASSERT_THAT(hits, SizeIs(1));
  EXPECT_EQ(hits[0]["label"], "<script>\xef\xbf\xbd\"");
  EXPECT_EQ(hits[0]["what"], "task");
  EXPECT_EQ(hits[0]["tid"], 42);
  EXPECT_EQ(hits[0]["first"], 1000);
  StopSource stop;
  EXPECT_THAT(*report_page(viewer.session(), stop), Not(HasSubstr("<script>\xef")));
}

}  // namespace
}  // namespace ivtrace::view
