#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/cli.h"
#include "cli/sample_run.h"

namespace ivtrace::cli {
namespace {

class Info : public ::testing::Test {
 protected:
  /// Runs `info` on the run and gives its JSON.
  nlohmann::json info(ExitCode expected) {
    Output out = Output::to_memory();
    Output err = Output::to_memory();
    Streams streams{out, err};
    const std::vector<std::string> arguments = {"info", path_, "--json"};
    EXPECT_EQ(run_cli(arguments, streams), expected) << err.captured() << out.captured();
    return nlohmann::json::parse(out.captured());
  }
  void append(const run::Record& record) {
    std::ofstream(path_ + "/" + format::kJournalName, std::ios::app) << run::encode_record(record) << '\n';
  }

  run::ScratchDirectory directory_;
  std::string path_ = directory_ / "run.ivt";
};

TEST_F(Info, TellsMachinesEventsAndClocks) {
  write_sample_run(path_, {.hole = false, .unaligned = true});
  const nlohmann::json document = info(ExitCode::kOk);
  ASSERT_EQ(document["machines"].size(), 3u);
  const nlohmann::json& host = document["machines"][0];
  EXPECT_EQ(host["name"], "host");
  EXPECT_EQ(host["kind"], "host");
  EXPECT_EQ(host["events"], 4);
  EXPECT_EQ(host["bytes"], 8192);
  EXPECT_EQ(host["lost"], 0);
  EXPECT_TRUE(host["clock"]["aligned"]);
  const nlohmann::json& vm1 = document["machines"][1];
  EXPECT_EQ(vm1["events"], 2);
  EXPECT_EQ(vm1["clock"]["source"], "handshake");
  EXPECT_EQ(vm1["clock"]["epochs"], 1);
  EXPECT_EQ(vm1["clock"]["error_ns"], 15.0);
  const nlohmann::json& vm2 = document["machines"][2];
  EXPECT_FALSE(vm2["clock"]["aligned"]);
  EXPECT_TRUE(vm2["clock"]["error_ns"].is_null());
  EXPECT_EQ(document["duration_ns"], 2'000'000'000);
  EXPECT_EQ(document["ended"], "duration");
}

TEST_F(Info, LimitsOfAGuestAreTold) {
  write_sample_run(path_, {.hole = false, .unaligned = false});
  run::MachineRecord machine = machine_record("vm1");
  machine.cpu_limit_us = 500'000;
  append(machine);
  run::DiskRecord disk{"vm1", "d0", "/a", "raw", "native", "none", 1, HostTsc(kStart), {}};
  append(disk);
  disk.device = "d1";
  disk.limits.bps_read = 1u << 20;
  disk.limits.by = "cgroup";
  append(disk);
  const nlohmann::json vm1 = info(ExitCode::kOk)["machines"][1];
  EXPECT_EQ(vm1["cpu_limit"], 0.5);
  ASSERT_EQ(vm1["limited_disks"].size(), 1u);
  EXPECT_EQ(vm1["limited_disks"][0]["device"], "d1");
  EXPECT_EQ(vm1["limited_disks"][0]["limits"]["bps_read"], 1u << 20);
  Output out = Output::to_memory();
  Output err = Output::to_memory();
  Streams streams{out, err};
  run_cli(std::vector<std::string>{"info", path_}, streams);
  EXPECT_NE(out.captured().find("vm1: its vCPUs may have 0.50 CPUs together (cgroup)\n"
                                "vm1: disk d1 (/a) is limited to 1.0 MiB/s of reads (cgroup)\n"),
            std::string::npos)
      << out.captured();
}

TEST_F(Info, HandshakesAreHeldAgainstTheClockThatIsUsed) {
  write_sample_run(path_, {.hole = false, .unaligned = false});
  for (const std::int64_t off : {0, 150, 2500, -2500}) {
    run::BurstRecord record;
    record.machine = "vm1";
    record.verdict = "agrees";
    record.burst.tight_t1 = HostTsc(kStart + 4000);
    record.burst.tight_t2 = HostTsc(kStart + 4400);
    record.burst.host_tsc = HostTsc(kStart + 5000);
    record.burst.guest_tsc = GuestTsc(kGuestOffset + kStart + 4200 + static_cast<std::uint64_t>(off));
    record.burst.lower = static_cast<std::int64_t>(kGuestOffset) + off - 100;
    record.burst.upper = static_cast<std::int64_t>(kGuestOffset) + off + 100;
    record.burst.exchanges = 500;
    append(record);
  }
  const nlohmann::json clock = info(ExitCode::kOk)["machines"][1]["clock"];
  EXPECT_EQ(clock["handshakes"], 4);
  EXPECT_EQ(clock["contradictions"], 2);
  EXPECT_NE(clock["quality"].get<std::string>().find("CONTRADICT"), std::string::npos);
}

TEST_F(Info, LossOfTheKernelHasNumberPlaceAndRemedy) {
  write_sample_run(path_, {.hole = true, .unaligned = false});
  const nlohmann::json document = info(ExitCode::kLoss);
  ASSERT_EQ(document["losses"].size(), 1u) << document["losses"];
  const nlohmann::json& loss = document["losses"][0];
  EXPECT_EQ(loss["machine"], "host");
  EXPECT_EQ(loss["reason"], "overrun");
  EXPECT_EQ(loss["cpu"], 0);
  EXPECT_EQ(loss["events"], 1234);
  EXPECT_EQ(loss["from_ns"], 2000);
  EXPECT_EQ(loss["until_ns"], 1'000'000'000);
  EXPECT_NE(loss["remedy"], "");
  EXPECT_EQ(document["machines"][0]["lost"], 1234);
}

TEST_F(Info, BooksThatDoNotBalanceAreALoss) {
  write_sample_run(path_, {.hole = false, .unaligned = false});
  append(final_counters("vm1", 10, 0));
  const nlohmann::json document = info(ExitCode::kLoss);
  ASSERT_EQ(document["losses"].size(), 1u) << document["losses"];
  EXPECT_EQ(document["losses"][0]["reason"], "not-in-run");
  EXPECT_EQ(document["losses"][0]["events"], 8);
}

TEST_F(Info, LossesOfACpuWithoutAPageFileAreBooked) {
  write_sample_run(path_, {.hole = false, .unaligned = false});
  run::CountersRecord counters = final_counters("vm1", 0, 70);
  counters.counters.cpu = 3;
  append(counters);
  counters.buffer = "sys";
  counters.machine = "host";
  counters.counters.overrun = 0;
  counters.counters.unread = 5;
  append(counters);
  const nlohmann::json document = info(ExitCode::kLoss);
  ASSERT_EQ(document["losses"].size(), 2u) << document["losses"];
  EXPECT_EQ(document["losses"][0]["reason"], "unread-at-stop");
  EXPECT_EQ(document["losses"][0]["machine"], "host");
  EXPECT_EQ(document["losses"][0]["events"], 5);
  EXPECT_EQ(document["losses"][1]["reason"], "overrun");
  EXPECT_EQ(document["losses"][1]["cpu"], 3);
  EXPECT_EQ(document["losses"][1]["events"], 70);
}

TEST_F(Info, WhatTheRecorderWroteDownExplainsTheGap) {
  write_sample_run(path_, {.hole = false, .unaligned = false});
  append(final_counters("vm1", 10, 0));
  append(run::LossRecord{"vm1", 0u, "size-limit", 8u, std::nullopt, HostTsc(kStart + 5), std::nullopt, ""});
  const nlohmann::json document = info(ExitCode::kLoss);
  ASSERT_EQ(document["losses"].size(), 1u) << document["losses"];
  EXPECT_EQ(document["losses"][0]["reason"], "size-limit");
  EXPECT_EQ(document["losses"][0]["from_ns"], 5);
}

TEST_F(Info, LossOfUnknownSizeIsNotZero) {
  write_sample_run(path_, {.hole = false, .unaligned = false});
  append(run::LossRecord{"vm1", std::nullopt, "qemu-gone", std::nullopt, std::nullopt, {}, {}, "killed"});
  const nlohmann::json document = info(ExitCode::kLoss);
  EXPECT_TRUE(document["losses"][0]["events"].is_null());
  EXPECT_TRUE(document["machines"][1]["lost_more"]);
}

TEST_F(Info, RunWithoutAnEndIsALossOfUnknownSize) {
  write_sample_run(path_, {.hole = false, .unaligned = false});
  const std::string journal = path_ + "/" + format::kJournalName;
  std::string text = read_file(journal).value();
  text.pop_back();  // the end's record is the last line
  const std::size_t end = text.rfind('\n') + 1;
  ASSERT_NE(text.find("\"duration\"", end), std::string::npos);
  ASSERT_EQ(::truncate(journal.c_str(), static_cast<off_t>(end)), 0);
  const nlohmann::json document = info(ExitCode::kLoss);
  EXPECT_EQ(document["ended"], "");
  EXPECT_EQ(document["losses"][0]["reason"], "recorder-died");
}

TEST_F(Info, DamagedPagesAreToldInBytes) {
  write_sample_run(path_, {.hole = false, .unaligned = false});
  const std::string file = path_ + "/vm1/" + format::pages_file_name("", 0);
  ASSERT_EQ(::truncate(file.c_str(), 70), 0);
  const nlohmann::json document = info(ExitCode::kLoss);
  EXPECT_FALSE(document["damage"].empty());
}

TEST_F(Info, TextNamesEveryMachineAndEscapesWhatGuestsSay) {
  write_sample_run(path_);
  run::MachineRecord machine = machine_record("vm1");
  machine.kernel_release = "\x1b]0;owned\x07";
  machine.note = "\x1b[2J";
  append(machine);
  Output out = Output::to_memory();
  Output err = Output::to_memory();
  Streams streams{out, err};
  run_cli(std::vector<std::string>{"info", path_}, streams);
  for (const char* name : {"host", "vm1", "vm2", "overrun", "not aligned", "1,234"}) {
    EXPECT_NE(out.captured().find(name), std::string::npos) << name << "\n" << out.captured();
  }
  EXPECT_EQ(out.captured().find('\x1b'), std::string::npos);
  EXPECT_EQ(out.captured().find('\x07'), std::string::npos);
}

TEST_F(Info, DirectoryThatIsNoRunFails) {
  Output out = Output::to_memory();
  Output err = Output::to_memory();
  Streams streams{out, err};
  EXPECT_EQ(run_cli(std::vector<std::string>{"info", directory_ / "none"}, streams), ExitCode::kFailed);
  EXPECT_TRUE(err.captured().starts_with("ivtrace: ")) << err.captured();
}

}  // namespace
}  // namespace ivtrace::cli
