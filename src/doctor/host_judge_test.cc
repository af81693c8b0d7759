#include <gtest/gtest.h>

#include "doctor/host.h"

namespace ivtrace::doctor {
namespace {

HostFacts healthy() {
  HostFacts facts;
  facts.kernel_release = "6.12.9-amd64";
  facts.cpu_flags = "fpu tsc constant_tsc nonstop_tsc";
  facts.clocksource = "tsc";
  facts.kvm_device = true;
  facts.output_directory = "/var/tmp";
  facts.disk_free = 100ull << 30;
  facts.disk_floor = 1ull << 30;
  facts.guests = {"vm1 (pid 7)"};
  return facts;
}

const format::Check& named(const std::vector<format::Check>& checks, const std::string& name) {
  for (const format::Check& check : checks) {
    if (check.name == name) return check;
  }
  ADD_FAILURE() << "no check " << name;
  return checks.front();
}

TEST(JudgeHost, HealthyHostHasOnlyOk) {
  for (const format::Check& check : judge_host(healthy()))
    EXPECT_EQ(check.state, "ok") << check.name << check.detail;
}

TEST(JudgeHost, EverythingThatIsMissingHasAHint) {
  HostFacts facts;
  facts.kernel_release = "4.19.0";
  facts.output_directory = ".";
  facts.disk_floor = 1;
  int count = 0;
  for (const format::Check& check : judge_host(facts)) {
    if (check.state != "missing") continue;
    ++count;
    EXPECT_FALSE(check.hint.empty()) << check.name;
    EXPECT_FALSE(check.detail.empty()) << check.name;
  }
  EXPECT_EQ(count, 2);
}

TEST(JudgeHost, EachLackIsSeenAlone) {
  HostFacts facts = healthy();
  facts.kvm_problem = "debugfs is locked down";
  EXPECT_EQ(named(judge_host(facts), "kvm").state, "warning");
  facts = healthy();
  facts.disk_free = facts.disk_floor + 1;
  EXPECT_EQ(named(judge_host(facts), "disk").state, "warning");
  facts.disk_free = facts.disk_floor;
  EXPECT_EQ(named(judge_host(facts), "disk").state, "missing");
  facts = healthy();
  facts.cpu_flags = "fpu tsc constant_tscx";
  EXPECT_EQ(named(judge_host(facts), "tsc").state, "warning");
  facts = healthy();
  facts.guests.clear();
  EXPECT_EQ(named(judge_host(facts), "guests").state, "warning");
}

TEST(KernelVersion, ReadsReleases) {
  EXPECT_EQ(kernel_version("6.10.0-rc1"), 6010u);
  EXPECT_EQ(kernel_version("6.1"), 6001u);
  EXPECT_EQ(kernel_version("linux"), 0u);
  EXPECT_EQ(kernel_version("6"), 0u);
  EXPECT_EQ(kernel_version(""), 0u);
}

TEST(GatherHostFacts, ReadsThisMachine) {
  const HostFacts facts = gather_host_facts("/");
  EXPECT_GT(kernel_version(facts.kernel_release), 3000u);
  EXPECT_FALSE(facts.cpu_flags.empty());
  EXPECT_GT(facts.disk_floor, 0u);
  EXPECT_TRUE(facts.disk_problem.empty()) << facts.disk_problem;
}

TEST(GatherHostFacts, DirectoryThatIsNotThereIsTold) {
  const HostFacts facts = gather_host_facts("/no/such/directory");
  EXPECT_EQ(named(judge_host(facts), "disk").state, "missing");
}

}  // namespace
}  // namespace ivtrace::doctor
