#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/sample_run.h"

namespace ivtrace::cli {
namespace {

struct Outcome {
  ExitCode code = ExitCode::kFailed;
  std::string out;
  std::string err;
};

Outcome run(std::vector<std::string> arguments) {
  Output out = Output::to_memory();
  Output err = Output::to_memory();
  Streams streams{out, err};
  const ExitCode code = run_cli(arguments, streams);
  return {code, out.captured(), err.captured()};
}

std::vector<nlohmann::json> json_lines(const std::string& text) {
  std::vector<nlohmann::json> lines;
  for (const std::string_view line : split(text, '\n')) {
    if (!line.empty()) lines.push_back(nlohmann::json::parse(line));
  }
  return lines;
}

class Report : public ::testing::Test {
 protected:
  void write(const SampleOptions& options = {}) {
    write_sample_run(path_, options);
    ASSERT_FALSE(HasFatalFailure());
  }
  Outcome report(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"report", path_});
    return run(more);
  }

  run::ScratchDirectory directory_;
  std::string path_ = directory_ / "run.ivt";
};

TEST_F(Report, LinesOfAllMachinesStandInOneOrder) {
  write({.hole = true, .unaligned = false});
  const Outcome outcome = report();
  EXPECT_EQ(outcome.out,
            "host            <idle>-0       [000]      0.000001000: sched_switch: prev_comm=swapper/0 "
            "prev_pid=0 ==> "
            "next_comm=bash next_pid=42\n"
            "vm1             <idle>-0       [000]      0.000001500: sched_switch: prev_comm=swapper/0 "
            "prev_pid=0 ==> "
            "next_comm=\\x1b[31m\"x\\\\\\x0a\\xff next_pid=9\n"
            "host              qemu-7       [000]      0.000002000: block_rq_issue: 2048 + 8\n"
            "vm1   \\x1b[31m\"x\\\\\\x0a\\xff-9       [000]      0.000002500: block_rq_issue: 16 + 1\n"
            "host                           [000]      1.000000000: LOST 1,234 events (missed-events) since "
            "0.000002000\n"
            "host              bash-42      [000]      1.000000000: task_rename: bash to cat\n"
            "host               cat-42      [000]      1.000000500: block_rq_issue: 8 + 1\n");
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.code, ExitCode::kLoss);
}

TEST_F(Report, JsonHasOneObjectForEachLine) {
  write({.hole = true, .unaligned = false});
  const Outcome outcome = report({"--json"});
  const std::vector<nlohmann::json> lines = json_lines(outcome.out);
  ASSERT_EQ(lines.size(), 7u);
  EXPECT_EQ(lines[1]["machine"], "vm1");
  EXPECT_EQ(lines[1]["ts_ns"], 1500);
  EXPECT_EQ(lines[1]["tsc"], kStart + 1500);
  EXPECT_EQ(lines[1]["event"], "sched_switch");
  EXPECT_EQ(lines[1]["fields"]["next_comm"], "\x1b[31m\"x\\\n\xef\xbf\xbd");
  EXPECT_EQ(lines[2], nlohmann::json::parse(
                          R"({"ts_ns":2000,"tsc":1000000002000,"machine":"host","cpu":0,"pid":7,"comm":"qemu",
                              "event":"block_rq_issue","system":"block","fields":{"sector":2048,"bytes":4096}})"));
  EXPECT_EQ(lines[4]["lost"], 1234);
  EXPECT_EQ(lines[4]["since_ns"], 2000);
  EXPECT_EQ(outcome.code, ExitCode::kLoss);
}

TEST_F(Report, AnEventFromWhereAClockChangedSaysHowFarItMayBeOff) {
  write({.hole = false, .unaligned = false, .paused = true});
  const Outcome text = report({"--machine", "vm1"});
  ASSERT_EQ(split(text.out, '\n').size(), 3u);  // the last one is empty
  EXPECT_EQ(text.out.find('~'), text.out.rfind('~'));
  EXPECT_EQ(split(text.out, '\n')[1].substr(0, 5), "vm1 ~");
  const auto lines = json_lines(report({"--machine", "vm1", "--json"}).out);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_FALSE(lines[0].contains("uncertain_ns"));
  EXPECT_EQ(lines[1]["ts_ns"], 2500);
  EXPECT_EQ(lines[1]["uncertain_ns"], 500'000'015);
}

TEST_F(Report, NoControlCharacterOfAGuestReachesTheTerminal) {
  write();
  for (const char c : report({"--merge-unaligned"}).out) {
    EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7f)) << static_cast<int>(c);
  }
}

TEST_F(Report, FiltersPickMachinesEventsThreadsAndTimes) {
  write({.hole = false, .unaligned = false});
  const auto times = [](const Outcome& outcome) {
    std::vector<std::int64_t> list;
    for (const nlohmann::json& line : json_lines(outcome.out)) list.push_back(line["ts_ns"]);
    return list;
  };
  using Times = std::vector<std::int64_t>;
  EXPECT_EQ(times(report({"--json"})), (Times{1000, 1500, 2000, 2500, 1'000'000'000, 1'000'000'500}));
  EXPECT_EQ(times(report({"--json", "--machine", "vm1"})), (Times{1500, 2500}));
  EXPECT_EQ(times(report({"--json", "--event", "block:*"})), (Times{2000, 2500, 1'000'000'500}));
  EXPECT_EQ(times(report({"--json", "--event", "task_*", "--event", "sched_switch"})),
            (Times{1000, 1500, 1'000'000'000}));
  EXPECT_EQ(times(report({"--json", "--event", "task_*,sched_switch"})), (Times{1000, 1500, 1'000'000'000}));
  EXPECT_EQ(times(report({"--json", "--pid", "42"})), (Times{1'000'000'000, 1'000'000'500}));
  EXPECT_EQ(times(report({"--json", "--cpu", "1"})), Times{});
  EXPECT_EQ(times(report({"--json", "--from", "2us", "--until", "1.0"})), (Times{2000, 2500, 1'000'000'000}));
  EXPECT_EQ(times(report({"--json", "--from", "@1000000002500", "--until", "2000-02-29T12:34:57Z"})),
            (Times{2500, 1'000'000'000}));
  EXPECT_EQ(report().code, ExitCode::kOk);
}

TEST_F(Report, AnEventThatWasNotRecordedIsSaidWithTheNearest) {
  write({.hole = false, .unaligned = false});
  const Outcome outcome = report({"--event", "sched:sched_swich", "--event", "block:*"});
  EXPECT_EQ(outcome.code, ExitCode::kOk);
  EXPECT_NE(outcome.err.find("--event sched:sched_swich: no such event was recorded"), std::string::npos);
  EXPECT_NE(outcome.err.find("sched:sched_switch"), std::string::npos);
  EXPECT_EQ(outcome.err.find("block:*"), std::string::npos);
}

TEST_F(Report, NamesAreLearntFromEventsThatAreNotShown) {
  write({.hole = false, .unaligned = false});
  const Outcome outcome = report({"--event", "block_*", "--pid", "42"});
  EXPECT_EQ(outcome.out, "host               cat-42      [000]      1.000000500: block_rq_issue: 8 + 1\n");
}

TEST_F(Report, UnalignedGuestIsLeftOutUnlessForced) {
  write({.hole = false, .unaligned = true});
  const Outcome without = report();
  EXPECT_EQ(without.out.find("vm2"), std::string::npos);
  EXPECT_NE(without.err.find("vm2"), std::string::npos);
  EXPECT_NE(without.err.find("--merge-unaligned"), std::string::npos);
  const Outcome forced = report({"--merge-unaligned"});
  EXPECT_NE(forced.out.find("vm2  ?"), std::string::npos) << forced.out;
  const Outcome alone = report({"--machine", "vm2"});
  EXPECT_EQ(alone.code, ExitCode::kFailed);
  EXPECT_EQ(alone.out, "");
}

TEST_F(Report, EventsThatNoClockRelationHoldsForAreToldAsMissing) {
  write({.hole = false, .unaligned = false});
  {
    auto writer = run::RunWriter::reopen(path_);
    ASSERT_TRUE(writer) << writer.error().message;
    write_pages(**writer, "vm1", 1, format::PageLayout::kPacked,
                decode::PageBuilder(kGuestOffset + kStart - 500)
                    .event(0, issue_record(9, 16, 512))
                    .event(100, issue_record(9, 17, 512))
                    .event(3000, issue_record(9, 18, 512))
                    .packed(0));
  }
  const Outcome outcome = report({"--json"});
  EXPECT_EQ(json_lines(outcome.out).size(), 7u);
  EXPECT_NE(outcome.err.find("vm1: 2 events are left out"), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.code, ExitCode::kLoss);
  const Outcome other = report({"--json", "--machine", "host"});
  EXPECT_EQ(other.err, "");
  EXPECT_EQ(other.code, ExitCode::kOk);
}

TEST_F(Report, EventsMovedByMoreThanTheClocksErrorAreTold) {
  write({.hole = false, .unaligned = false});
  {
    auto writer = run::RunWriter::reopen(path_);
    ASSERT_TRUE(writer) << writer.error().message;
    run::EpochRecord epoch;  // sets the guest's time back by 100 us before its second event
    epoch.machine = "vm1";
    epoch.epoch.relation.offset = static_cast<std::int64_t>(kGuestOffset + 100'000);
    epoch.epoch.source = clock::ClockSource::kHandshake;
    epoch.epoch.error = 15;
    epoch.epoch.valid_from = GuestTsc(kGuestOffset + kStart + 2000);
    epoch.epoch.host_from = HostTsc(kStart + 2000);
    ASSERT_TRUE((*writer)->append(epoch));
  }
  const Outcome outcome = report({"--json"});
  EXPECT_NE(outcome.err.find("vm1: 1 events were moved to keep the order, the furthest by 99,000 ns"),
            std::string::npos)
      << outcome.err;
  EXPECT_EQ(outcome.code, ExitCode::kOk);
}

TEST_F(Report, BadInputIsOneLineEach) {
  write({.hole = false, .unaligned = false});
  const auto lines = [](const std::string& text) { return std::count(text.begin(), text.end(), '\n'); };
  const Outcome time = report({"--from", "soon"});
  EXPECT_EQ(time.code, ExitCode::kUsage);
  EXPECT_EQ(lines(time.err), 1);
  const Outcome machine = report({"--machine", "vm9"});
  EXPECT_EQ(machine.code, ExitCode::kFailed);
  EXPECT_EQ(lines(machine.err), 1);
  const Outcome order = report({"--from", "2", "--until", "1"});
  EXPECT_EQ(order.code, ExitCode::kFailed);
  const Outcome no_run = run({"report", directory_ / "nothing"});
  EXPECT_EQ(no_run.code, ExitCode::kFailed);
  EXPECT_EQ(lines(no_run.err), 1);
}

TEST_F(Report, RunCutAnywhereIsStillReported) {
  write({.hole = false, .unaligned = false});
  const std::string file = path_ + "/host/" + format::pages_file_name("", 0);
  for (const std::uint64_t size : {4096u + 100u, 4096u, 60u, 16u, 1u, 0u}) {
    ASSERT_EQ(::truncate(file.c_str(), static_cast<off_t>(size)), 0);
    const Outcome outcome = report();
    EXPECT_NE(outcome.code, ExitCode::kFailed) << size << outcome.err;
    EXPECT_NE(outcome.out.find("vm1 "), std::string::npos) << size;
  }
}

}  // namespace
}  // namespace ivtrace::cli
