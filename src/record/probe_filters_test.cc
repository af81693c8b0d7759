#include "record/probe_filters.h"

#include <gtest/gtest.h>

namespace ivtrace::record {
namespace {

const std::vector<ProbeRequest> kHostOnly = {{"host", "uprobe:/bin/x:turn"}, {"host", "qemu"}};
const std::vector<ProbeRequest> kBoth = {{"host", "uprobe:/bin/x:turn"}, {"vm*", "kprobe:vfs_read"}};

TEST(ProbeFilters, AFullNameOfAnAskedKindMayBeAProbes) {
  EXPECT_TRUE(may_be_of_probe(kBoth, "kprobe:vfs_read"));
  EXPECT_TRUE(may_be_of_probe(kHostOnly, "uprobe:blk_aio_preadv"));
  EXPECT_FALSE(may_be_of_probe(kHostOnly, "kprobe:vfs_read"));
  EXPECT_FALSE(may_be_of_probe({}, "uprobe:turn"));
  EXPECT_FALSE(may_be_of_probe(kBoth, "sched:sched_switch"));
}

TEST(ProbeFilters, TheHostRefusesOneThatMeansNoneOfItsProbes) {
  EXPECT_TRUE(check_host_filters({{"uprobe:turn", "turn > 3"}}, kHostOnly, {"uprobe:turn"}).ok());
  const Status refused = check_host_filters({{"uprobe:trun", "turn > 3"}}, kHostOnly, {"uprobe:turn"});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(refused.error().to_string(),
            "--filter uprobe:trun: no probe of the host gives such an event (nearest: uprobe:turn)");
}

TEST(ProbeFilters, WhatAGuestMayHaveIsNotTheHostsToRefuse) {
  EXPECT_TRUE(check_host_filters({{"kprobe:vfs_raed", "count > 3"}}, kBoth, {"uprobe:turn"}).ok());
  const auto lines = unmet_filters({{"kprobe:vfs_raed", "count > 3"}, {"uprobe:turn", "turn > 3"}},
                                   {"uprobe:turn", "kprobe:vfs_read"});
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(
      lines[0],
      "--filter kprobe:vfs_raed: no machine has a probe that gives such an event (nearest: kprobe:vfs_read)");
}

TEST(ProbeFilters, WhatIsToldAsTextCannotBeFilteredByAKernel) {
  for (const char* event : {"stap:disk_issue", "bpftrace:latency", "mark:begin"})
    EXPECT_FALSE(refuse_text_filters({{event, "a > 3"}}).ok()) << event;
  EXPECT_TRUE(refuse_text_filters({{"sched:sched_switch", "prev_pid > 3"}}).ok());
}

}  // namespace
}  // namespace ivtrace::record
