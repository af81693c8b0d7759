#include "tracers/bpftrace.h"

#include <gtest/gtest.h>

namespace ivtrace::tracers {
namespace {

using What = BpftraceOutput::What;
using Lines = std::vector<std::string>;

// As bpftrace 0.17.0 prints them.
TEST(Bpftrace, WhatItsLinesSay) {
  const auto attached = read_bpftrace_line(R"({"type": "attached_probes", "data": {"probes": 3}})");
  EXPECT_EQ(attached.what, What::kAttached);
  const auto text = read_bpftrace_line(R"({"type": "printf", "data": "ial\nsecond\n"})");
  EXPECT_EQ(text.what, What::kText);
  EXPECT_EQ(text.lines, (Lines{"ial", "second", ""}));
  const auto lost = read_bpftrace_line(R"({"type": "lost_events", "data": {"events": 17}})");
  EXPECT_EQ(lost.what, What::kLost);
  EXPECT_EQ(lost.lost, 17u);
  const auto map = read_bpftrace_line(R"({"type": "map", "data": {"@a": {"1,x": 3, "2,y": 4}}})");
  EXPECT_EQ(map.what, What::kMap);
  EXPECT_EQ(map.lines, (Lines{"@a[1,x]: 3", "@a[2,y]: 4"}));
  EXPECT_EQ(read_bpftrace_line(R"({"type": "map", "data": {"@str": "a\"b"}})").lines, (Lines{"@str: a\"b"}));
  EXPECT_EQ(read_bpftrace_line(R"({"type": "stats", "data": {"@s": {"count": 1, "total": 5}}})").lines,
            (Lines{"@s[count]: 1", "@s[total]: 5"}));
}

TEST(Bpftrace, AHistogramIsDrawn) {
  const auto histogram = read_bpftrace_line(
      R"({"type": "hist", "data": {"@h": [{"min": 2, "max": 3, "count": 1}, {"min": 4, "max": 7, "count": 4}]}})");
  EXPECT_EQ(histogram.what, What::kMap);
  ASSERT_EQ(histogram.lines.size(), 3u);
  EXPECT_EQ(histogram.lines[0], "@h:");
  EXPECT_EQ(histogram.lines[1],
            "[2, 3]                          1 |" + std::string(13, '@') + std::string(39, ' ') + "|");
  EXPECT_EQ(histogram.lines[2], "[4, 7]                          4 |" + std::string(52, '@') + "|");
  const auto keyed =
      read_bpftrace_line(R"({"type": "hist", "data": {"@h": {"k": [{"max": 0, "count": 1}]}}})");
  EXPECT_EQ(keyed.lines[0], "@h[k]:");
  EXPECT_TRUE(keyed.lines[1].starts_with("[..., 0] "));
}

TEST(Bpftrace, AnythingElseStaysAsItIs) {
  for (const char* line : {"", "Attaching 1 probe...", "{", "[]", "{}", R"({"type": 1, "data": 2})",
                           R"({"type":"x"})", R"({"type": "map"})"}) {
    const auto output = read_bpftrace_line(line);
    EXPECT_EQ(output.what, What::kOther) << line;
    EXPECT_EQ(output.lines, Lines{line});
  }
  // Nested deeper than anything of bpftrace's.
  const std::string deep =
      R"({"type": "map", "data": )" + std::string(5000, '[') + std::string(5000, ']') + "}";
  EXPECT_LE(read_bpftrace_line(deep).lines.size(), 1u);
}

}  // namespace
}  // namespace ivtrace::tracers
