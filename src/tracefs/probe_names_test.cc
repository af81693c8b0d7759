#include "tracefs/probe_names.h"

#include <gtest/gtest.h>

namespace ivtrace::tracefs {
namespace {

TEST(ProbeNames, AGroupTellsItsOwnerAndKind) {
  const std::string name = probe_group_name({1234, "uretprobe"});
  EXPECT_EQ(name, "ivtrace_1234_uretprobe");
  const auto group = parse_probe_group(name);
  ASSERT_TRUE(group);
  EXPECT_EQ(group->pid, 1234);
  EXPECT_EQ(group->kind, "uretprobe");
}

TEST(ProbeNames, WhatIsNotOursIsNoGroup) {
  for (const char* name :
       {"kprobes", "ivtrace_", "ivtrace_1", "ivtrace_1_", "ivtrace__kprobe", "ivtrace_0_kprobe",
        "ivtrace_x_kprobe", "ivtrace_1_k/probe", "ivtrace_99999999999_kprobe", "ivtrace_1_Kprobe"}) {
    EXPECT_FALSE(parse_probe_group(name)) << name;
    EXPECT_EQ(recorded_system(name), name);
  }
}

TEST(ProbeNames, EventsAreRecordedUnderTheirKind) {
  EXPECT_EQ(recorded_event("ivtrace_7_kprobe:vfs_read"), "kprobe:vfs_read");
  EXPECT_EQ(recorded_event("sched:sched_switch"), "sched:sched_switch");
  EXPECT_EQ(recorded_event("sched"), "sched");
  EXPECT_EQ(recorded_events({"ivtrace_7_usdt:a", "irq:b"}), (std::vector<std::string>{"usdt:a", "irq:b"}));
}

}  // namespace
}  // namespace ivtrace::tracefs
