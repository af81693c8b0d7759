#include "probes/tracefs_events.h"

#include <gtest/gtest.h>

namespace ivtrace::probes {
namespace {

TEST(TracefsEvents, TheListNamesGroupAndEvent) {
  const auto events = parse_events(
      "p:ivtrace_7_kprobe/vfs_read vfs_read file=%di\nr512:ivtrace_7_kretprobe/vfs_read vfs_read\n"
      "p:uprobes/p_x /bin/x:0x1139\nnonsense\n");
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].group, "ivtrace_7_kprobe");
  EXPECT_EQ(events[0].event, "vfs_read");
  EXPECT_EQ(events[1].group, "ivtrace_7_kretprobe");
  EXPECT_EQ(events[2].event, "p_x");
}

// Two groups have an event of one name, and one event has two places: the order alone tells them apart.
TEST(TracefsEvents, MissesAreCountedByPlaceInTheList) {
  const std::vector<EventName> events = {{"a", "x"}, {"b", "x"}, {"b", "x"}, {"c", "y"}};
  const auto missed = parse_profile("  x   10   1\n  x   5   2\n  x   5   3\n  y   1   0\n", events);
  EXPECT_EQ(missed.at({"a", "x"}), 1u);
  EXPECT_EQ(missed.at({"b", "x"}), 5u);
  EXPECT_EQ(missed.at({"c", "y"}), 0u);
  EXPECT_TRUE(parse_profile("  z  1  1\n", events).empty());
  EXPECT_TRUE(parse_profile("  x  1\n", events).empty());
}

TEST(TracefsEvents, TheKernelsWordsOnOurCommand) {
  const std::string log =
      "[  10.1] trace_kprobe: error: Invalid register name\n  Command: p:a/b c x=%zz\n                       "
      "^\n"
      "[  12.5] trace_kprobe: error: Failed to register probe event\n  Command: p:other/b c\n           ^\n";
  EXPECT_EQ(parse_error_log(log, "p:a/b c x=%zz"), "Invalid register name");
  EXPECT_EQ(parse_error_log(log, "p:nobody/b c"), "");
  EXPECT_EQ(parse_error_log("", "p:a/b c"), "");
}

TEST(TracefsEvents, Commands) {
  Definition definition;
  const Site site{"vfs_read", {"a=%di", "b=%si:u32"}};
  EXPECT_EQ(TracefsEvents::command(definition, site, {"g", "e"}), "p:g/e vfs_read a=%di b=%si:u32");
  definition.kind = Kind::kKretprobe;
  definition.at_return = true;
  EXPECT_EQ(TracefsEvents::command(definition, {"vfs_read", {}}, {"g", "e"}), "r512:g/e vfs_read");
  definition.kind = Kind::kUretprobe;
  EXPECT_EQ(TracefsEvents::command(definition, {"/x:0x1", {}}, {"g", "e"}), "r:g/e /x:0x1");
  definition.kind = Kind::kFprobe;
  EXPECT_EQ(TracefsEvents::command(definition, {"vfs_read%return", {}}, {"g", "e"}), "f:g/e vfs_read%return");
}

}  // namespace
}  // namespace ivtrace::probes
