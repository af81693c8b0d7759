#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/attach_view.h"
#include "cli/checks_view.h"
#include "cli/cleanup_view.h"
#include "cli/guests_view.h"
#include "cli/progress.h"
#include "cli/record_view.h"
#include "cli/run_info.h"
#include "cli/text_table.h"
#include "cli/vcpus_view.h"

namespace ivtrace::cli {
namespace {

GuestView sample_guest() {
  GuestView guest;
  guest.pid = 812;
  guest.name = "vm1\x1b[31m";
  guest.uuid = "0c0ffee0-0000-4000-8000-000000000001";
  guest.accel = "tcg";
  guest.vcpus = {{0, 815, 0}, {1, 816, -1}};
  guest.disks = {{"d0", "/images/a.img", "raw", "native", "none", {}}};
  guest.ring = GuestView::Ring{"/dev/shm/vm1", 16u << 20, true, 2, ""};
  guest.agent_alive = true;
  guest.monitor = "ok";
  return guest;
}

TEST(AttachText, SaysWhatIsThereAndWhoServesIt) {
  attach::Attached ring;
  ring.path = "/dev/shm/ivtrace-8-vm";
  ring.bytes = 16u << 20;
  ring.bus = "pci.0";
  EXPECT_EQ(attached_text("vm\x1b", ring, {}),
            "vm\\x1b has a ring now: 16.0 MiB at /dev/shm/ivtrace-8-vm, on pci.0\n"
            "No agent serves it yet: start ivtrace-agent as root in the guest, or bring it in with "
            "--deploy.\n");
  ring.was_there = true;
  ring.agent_alive = true;
  EXPECT_EQ(attached_text("vm", ring, {}),
            "vm has a ring already: 16.0 MiB at /dev/shm/ivtrace-8-vm\n"
            "ivtrace-agent serves it.\n");
  EXPECT_EQ(nlohmann::json::parse(attached_json("vm", ring, {}))["bytes"], 16u << 20);
}

TEST(AttachText, SaysWhatWasDeployed) {
  attach::Attached ring;
  ring.path = "/dev/shm/r";
  ring.bytes = 1u << 20;
  ring.was_there = ring.agent_alive = true;
  attach::Deployed deployed;
  deployed.directory = "/run/ivtrace-deployed";
  deployed.bytes = 2u << 20;
  EXPECT_EQ(attached_text("vm", ring, deployed),
            "vm has a ring already: 1.0 MiB at /dev/shm/r\n"
            "ivtrace-agent serves it: 2.0 MiB, copied to /run/ivtrace-deployed in the guest.\n");
  EXPECT_EQ(nlohmann::json::parse(attached_json("vm", ring, deployed))["deployed"]["bytes"], 2u << 20);
  deployed.was_there = true;
  EXPECT_NE(attached_text("vm", ring, deployed).find("none was deployed"), std::string::npos);
  EXPECT_EQ(undeployed_text("vm", {true, "/run/x"}), "The agent in vm was ended, and /run/x removed.\n");
  EXPECT_EQ(undeployed_text("vm", {}), "vm has no agent of a deploy: nothing to remove.\n");
  EXPECT_EQ(nlohmann::json::parse(undeployed_json("vm", {true, "/run/x"}))["directory"], "/run/x");
  EXPECT_FALSE(nlohmann::json::parse(attached_json("vm", ring, {})).contains("deployed"));
}

TEST(DetachText, SaysWhetherTheAgentLetGo) {
  attach::Detached result;
  EXPECT_EQ(detached_text("vm", result, {}), "vm has no ring: nothing to detach.\n");
  result.had_ring = true;
  result.note = "no agent had taken it";
  EXPECT_EQ(detached_text("vm", result, {}), "vm has no ring any more; no agent had taken it.\n");
  result.agent_let_go = true;
  EXPECT_EQ(detached_text("vm", result, {}), "vm has no ring any more; its agent let go of it first.\n");
  EXPECT_EQ(nlohmann::json::parse(detached_json("vm", result, {}))["agent_let_go"], true);
}

TEST(GuestsText, TableAndDetails) {
  GuestView bare;
  bare.pid = 9;
  bare.name = "vm2";
  bare.monitor = "busy";
  bare.unknown = {"vCPU indexes: the monitor is busy"};
  EXPECT_EQ(guests_text({sample_guest(), bare}),
            "NAME         PID  ACCEL  VCPU:THREAD  RING      AGENT  MONITOR  UUID\n"
            "vm1\\x1b[31m  812  tcg    0:815 1:816  16.0 MiB  alive  ok       "
            "0c0ffee0-0000-4000-8000-000000000001\n"
            "vm2            9  ?      ?            no        -      busy     -\n"
            "\n"
            "vm1\\x1b[31m: disk d0 is /images/a.img (raw, native, none)\n"
            "vm1\\x1b[31m: ring /dev/shm/vm1 (2 CPUs)\n"
            "vm2: unknown: vCPU indexes: the monitor is busy\n");
  EXPECT_EQ(guests_text({}), "No QEMU guest runs on this host.\n");
}

TEST(GuestsJson, HasEveryKey) {
  const nlohmann::json document = nlohmann::json::parse(guests_json({sample_guest()}));
  const nlohmann::json& guest = document["guests"][0];
  EXPECT_EQ(guest["name"], "vm1\x1b[31m");
  EXPECT_EQ(guest["vcpus"][0]["apic_id"], 0);
  EXPECT_FALSE(guest["vcpus"][1].contains("apic_id"));
  EXPECT_EQ(guest["disks"][0]["aio"], "native");
  EXPECT_EQ(guest["ring"]["usable"], true);
  EXPECT_EQ(guest["agent_alive"], true);
  EXPECT_TRUE(guest["disks"][0]["limits"].is_null());
  EXPECT_TRUE(guest["cpu_limit"].is_null());
}

TEST(Guests, LimitsAreToldWhereThereAreAny) {
  GuestView guest = sample_guest();
  guest.disks[0].limits.iops = 200;
  guest.disks[0].limits.by = "qemu";
  guest.cpu_limit_us = 1'500'000;
  const std::string text = guests_text({guest});
  EXPECT_NE(text.find("(raw, native, none), limited to 200 requests/s (qemu)\n"), std::string::npos) << text;
  EXPECT_NE(text.find(": its vCPUs may have 1.50 CPUs together (cgroup)\n"), std::string::npos) << text;
  const nlohmann::json told = nlohmann::json::parse(guests_json({guest}))["guests"][0];
  EXPECT_EQ(told["cpu_limit"], 1.5);
  EXPECT_EQ(told["disks"][0]["limits"]["iops"], 200);
  EXPECT_TRUE(told["disks"][0]["limits"]["bps_read"].is_null());
  EXPECT_EQ(told["disks"][0]["limits"]["by"], "qemu");
}

TEST(ChecksText, HintStandsBelowWhatIsNotOk) {
  const std::vector<CheckedMachine> machines = {
      {"host",
       {{"root", "ok", "running as root", "unused"}, {"tracefs", "missing", "not there", "mount it"}}}};
  EXPECT_EQ(checks_text(machines),
            "host\n"
            "  ok       root     running as root\n"
            "  MISSING  tracefs  not there\n"
            "                  -> mount it\n");
  EXPECT_FALSE(nothing_missing(machines));
  EXPECT_EQ(nlohmann::json::parse(checks_json(machines))["ok"], false);
}

TEST(VcpusText, NamesWhoHadTheCpuBelowThePreemptedTime) {
  const StateTimeView ran{60'000'000, 4, 20'000'000, 1'500'000'000, 0.6};
  const StateTimeView waited{40'000'000, 2, 30'000'000, 2'250'000'000, 0.4};
  VcpuTimesView vcpu{"vm1", {0, 1}, 815, 100'000'000, 1'000, {{"running", ran}, {"preempted", waited}}, {}};
  vcpu.preempted_by = {{900, "evil\x1b", "vm2", waited}, {0, "swapper/0", "host", {}}};
  EXPECT_EQ(vcpus_text({vcpu}),
            "vm1 vCPUs 0, 1 (thread 815): 100.0 ms, and 1000 ns without a known state\n"
            "  STATE                          TIME   SHARE  TIMES     MEAN  LONGEST    AT (s)\n"
            "  running                     60.0 ms  60.0 %      4  15.0 ms  20.0 ms  1.500000\n"
            "  preempted                   40.0 ms  40.0 %      2  20.0 ms  30.0 ms  2.250000\n"
            "    behind vm2: evil\\x1b-900  40.0 ms  40.0 %      2  20.0 ms  30.0 ms  2.250000\n"
            "    on a CPU that was idle       0 ns   0.0 %      0     0 ns     0 ns  0.000000\n");
  const nlohmann::json document = nlohmann::json::parse(vcpus_json({vcpu}));
  EXPECT_EQ(document["vcpus"][0]["states"]["preempted"]["total_ns"], 40'000'000);
  EXPECT_EQ(document["vcpus"][0]["preempted_by"][0]["machine"], "vm2");
  EXPECT_EQ(document["vcpus"][0]["vcpus"], (std::vector<int>{0, 1}));
}

TEST(ProgressLines, ShowRatesFillAndLosses) {
  ProgressView view;
  view.elapsed = Nanoseconds(12'340'000'000);
  view.bytes = 3u << 20;
  view.machines = {{"host", 12345.6, 2.5e6, -1, 0, ""}, {"vm1\x1b", 100, 0, 0.42, 77, "agent is gone"}};
  EXPECT_EQ(
      progress_lines(view, 200),
      (std::vector<std::string>{
          "recording 12.3 s, 3.0 MiB", "  host                   12,345 events/s     2.50 MB/s",
          "  vm1\\x1b                   100 events/s     0.00 MB/s  ring  42 %  lost 77  agent is gone"}));
  for (const std::string& line : progress_lines(view, 30)) EXPECT_LE(line.size(), 30u);
}

TEST(ProgressDisplay, RewritesItsBlockInPlace) {
  Output terminal = Output::to_memory();
  ProgressDisplay display(terminal);
  ProgressView view;
  view.machines = {{"host", 1, 1, -1, 0, ""}};
  display.show(view);
  display.announce("guest vm1 came");
  display.show(view);
  display.clear();
  const std::string text = terminal.captured();
  EXPECT_NE(text.find("guest vm1 came\n"), std::string::npos);
  std::size_t rewrites = 0;
  for (std::size_t at = 0; (at = text.find("\x1b[2A\x1b[J", at)) != std::string::npos; ++at) ++rewrites;
  EXPECT_EQ(rewrites, 3u);
  EXPECT_TRUE(text.ends_with("\x1b[J"));
}

TEST(RecordSummary, SaysWhatWasLostAndWhatToDoNext) {
  record::RecordSummary summary;
  summary.path = "run.ivt";
  summary.reason = "duration";
  summary.elapsed = Nanoseconds(2'000'000'000);
  summary.bytes = 1u << 20;
  summary.machines = {{"host", 1000, 5e5, -1, 0, false, ""}};
  const std::string good = record_summary_text(summary, {});
  EXPECT_NE(good.find("2,000"), std::string::npos) << good;
  EXPECT_NE(good.find("Nothing was lost. Next: ivtrace info run.ivt"), std::string::npos) << good;
  EXPECT_EQ(good.find("unknown"), std::string::npos) << good;
  summary.lost_anything = true;
  summary.machines[0].lost_more = true;
  summary.command_status = 3 << 8;
  const std::string bad =
      record_summary_text(summary, {{"vm1", {.inside = 5, .outside = 1, .worst_ns = 40}}});
  EXPECT_NE(bad.find("ivtrace info run.ivt says where and why"), std::string::npos) << bad;
  EXPECT_NE(bad.find("unknown"), std::string::npos) << bad;
  EXPECT_NE(bad.find("ended with status 3"), std::string::npos) << bad;
  EXPECT_NE(bad.find("vm1: containment: 5 of 6 events lie"), std::string::npos) << bad;
}

TEST(CleanupText, NamesWhatWasDone) {
  record::CleanupReport report;
  EXPECT_EQ(cleanup_text(report), "Nothing was left behind.\n");
  report.removed_rings = {"/dev/shm/ivtrace-8-vm"};
  EXPECT_EQ(cleanup_text(report), "removed ring file /dev/shm/ivtrace-8-vm\n");
  EXPECT_EQ(nlohmann::json::parse(cleanup_json(report))["removed_rings"][0], "/dev/shm/ivtrace-8-vm");
  report.removed_rings.clear();
  report.removed_probes = {"uprobe:main of 8"};
  EXPECT_EQ(cleanup_text(report), "removed probe uprobe:main of 8\n");
  EXPECT_EQ(nlohmann::json::parse(cleanup_json(report))["removed_probes"][0], "uprobe:main of 8");
  report.removed_probes.clear();
  report.salvaged = {{"/tmp/run.ivt", 77, 4096}};
  report.removed_instances = {"ivtrace-77"};
  EXPECT_EQ(cleanup_text(report),
            "salvaged 4.0 KiB of recorder 77 into /tmp/run.ivt\nremoved tracing instance ivtrace-77\n");
  EXPECT_EQ(nlohmann::json::parse(cleanup_json(report))["salvaged"][0]["pid"], 77);
}

TEST(Numbers, AreSigned) {
  EXPECT_EQ(seconds_text(-1), "-0.000000001");
  EXPECT_EQ(seconds_text(INT64_MIN), "-9223372036.854775808");
}

TEST(LossRemedy, KnownReasonsHaveOne) {
  EXPECT_NE(loss_remedy("overrun"), "");
  EXPECT_NE(loss_remedy("size-limit"), "");
  EXPECT_EQ(loss_remedy("something else"), "");
}

}  // namespace
}  // namespace ivtrace::cli
