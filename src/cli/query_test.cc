#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "cli/cli.h"
#include "cli/query_writer.h"
#include "cli/sample_run.h"

namespace ivtrace::cli {
namespace {

struct Outcome {
  ExitCode code;
  std::string out;
  std::string err;
};

class Query : public ::testing::Test {
 protected:
  Outcome ask(std::vector<std::string> arguments) {
    if (!written_)
      write_sample_run(scratch_ / "run.ivt", {.hole = false, .unaligned = false, .paused = false});
    written_ = true;
    arguments.insert(arguments.begin(), {"query", scratch_ / "run.ivt"});
    Output out = Output::to_memory();
    Output err = Output::to_memory();
    Streams streams{out, err};
    const ExitCode code = run_cli(arguments, streams);
    return {code, out.captured(), err.captured()};
  }

 private:
  run::ScratchDirectory scratch_;
  bool written_ = false;
};

TEST_F(Query, ATextTableIsAlignedAndSafe) {
  const Outcome outcome = ask({"SELECT machine, tid, comm FROM sched_slice"});
  EXPECT_EQ(outcome.code, ExitCode::kOk);
  EXPECT_EQ(outcome.out, "machine  tid  comm\n");  // the sample has one switch a CPU, without a prev_state
  EXPECT_EQ(ask({"SELECT machine, time_ns, name, text FROM event WHERE tid = 9 OR tid = 7"}).out,
            "machine  time_ns  name            text\n"
            "host        2000  block_rq_issue  2048 + 8\n"
            "vm1         2500  block_rq_issue  16 + 1\n");
}

TEST_F(Query, AHostileNameBreaksNoForm) {
  const std::string sql = "SELECT tid, comm, NULL AS missing, 1.5 AS half FROM event WHERE tid = 9";
  EXPECT_EQ(ask({sql}).out,
            "tid  comm                  missing  half\n"
            "  9  \\x1b[31m\"x\\\\\\x0a\\xff            1.5\n");
  EXPECT_EQ(
      ask({sql, "--json"}).out,
      "{\"tid\":9,\"comm\":\"\\u001b[31m\\\"x\\\\\\u000a\xef\xbf\xbd\",\"missing\":null,\"half\":1.5}\n");
  EXPECT_EQ(ask({sql, "--csv"}).out,
            "tid,comm,missing,half\r\n"
            "9,\"\\x1b[31m\"\"x\\\\\\x0a\\xff\",,1.5\r\n");
}

TEST_F(Query, CsvQuotesWhatNeedsItAndTellsNullFromEmpty) {
  EXPECT_EQ(ask({"SELECT 'a,b' AS \"x,y\", '' AS e, NULL AS n, 'plain' AS p, -3 AS i", "--csv"}).out,
            "\"x,y\",e,n,p,i\r\n\"a,b\",\"\",,plain,-3\r\n");
}

TEST_F(Query, DotWordsTellTablesAndColumns) {
  EXPECT_NE(ask({".tables"}).out.find("\nio_request     Disk requests"), std::string::npos);
  EXPECT_NE(ask({".schema io_phase"}).out.find("\n  request  INTEGER, -- io_request.id\n"),
            std::string::npos);
  EXPECT_NE(ask({".schema"}).out.find("CREATE TABLE vcpu_slice("), std::string::npos);
  EXPECT_NE(ask({".schema vcpu", "--json"})
                .out.find("{\"table\":\"vcpu\",\"column\":\"thread\",\"type\":\"INTEGER\""),
            std::string::npos);
}

TEST_F(Query, WhatMakesNoSenseIsUsageWithOneLine) {
  for (const auto& [sql, line] : std::vector<std::pair<std::string, std::string>>{
           {"SELECT * FROM evnt", "ivtrace: no such table: evnt (did you mean event?)\n"},
           {".schema evnt", "ivtrace: there is no table evnt (did you mean event?)\n"},
           {".tabels", "ivtrace: there is no .tabels (there are .tables and .schema [TABLE])\n"},
           {"DROP TABLE event",
            "ivtrace: a query only reads: it is a SELECT, of the run's tables (ivtrace query RUN .tables "
            "lists "
            "them)\n"}}) {
    const Outcome outcome = ask({sql});
    EXPECT_EQ(outcome.code, ExitCode::kUsage) << sql;
    EXPECT_EQ(outcome.err, line);
    EXPECT_EQ(outcome.out, "");
  }
  EXPECT_EQ(ask({"SELECT 1", "--json", "--csv"}).code, ExitCode::kUsage);
}

TEST_F(Query, UnalignedGuestsAreLeftOutWithANotice) {
  run::ScratchDirectory scratch;
  write_sample_run(scratch / "run.ivt");
  Output out = Output::to_memory();
  Output err = Output::to_memory();
  Streams streams{out, err};
  const std::vector<std::string> arguments = {"query", scratch / "run.ivt",
                                              "SELECT DISTINCT machine FROM event"};
  EXPECT_EQ(run_cli(arguments, streams), ExitCode::kLoss);
  EXPECT_EQ(out.captured(), "machine\nhost\nvm1\n");
  EXPECT_NE(err.captured().find("vm2"), std::string::npos) << err.captured();
}

TEST_F(Query, CtrlCEndsARunawayQuery) {
  // The signal may come before the query listens for it: then this one ignores it, and the next one counts.
  ::signal(SIGINT, SIG_IGN);
  std::atomic<bool> ended = false;
  std::thread impatient([&ended] {
    while (!ended) {
      struct sigaction current;
      ::sigaction(SIGINT, nullptr, &current);
      if (current.sa_handler != SIG_IGN && current.sa_handler != SIG_DFL) ::raise(SIGINT);
      std::this_thread::yield();
    }
  });
  const Outcome outcome =
      ask({"WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"});
  ended = true;
  impatient.join();
  ::signal(SIGINT, SIG_DFL);
  EXPECT_EQ(outcome.code, ExitCode::kFailed);
  EXPECT_EQ(outcome.err, "ivtrace: the query was interrupted\n");
}

TEST(QueryWriter, ALaterWiderCellSticksOutAndNothingIsHeldBackAnyLonger) {
  Output out = Output::to_memory();
  QueryWriter writer(QueryWriter::Format::kText, {"n", "t"}, out);
  const std::vector<query::Cell> narrow = {std::int64_t{1}, std::string_view("a")};
  for (std::size_t i = 0; i + 1 < QueryWriter::kMeasuredRows; ++i) writer.row(narrow);
  EXPECT_EQ(out.captured(), "");
  writer.row(narrow);
  const std::string so_far = out.captured();
  EXPECT_TRUE(so_far.starts_with("n  t\n1  a\n"));
  const std::vector<query::Cell> wide = {std::int64_t{12345}, std::string_view("wide")};
  writer.row(wide);
  EXPECT_EQ(out.captured(), so_far + "12345  wide\n");
}

}  // namespace
}  // namespace ivtrace::cli
