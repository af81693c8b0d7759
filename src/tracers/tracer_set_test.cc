#include "tracers/tracer_set.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace ivtrace::tracers {
namespace {

const format::TracerState* state_of(const format::Reply& reply, std::uint32_t id) {
  for (const format::TracerState& state : reply.tracers) {
    if (state.tracer == id) return &state;
  }
  return nullptr;
}

TEST(TracerSet, AFileComesInPiecesWithoutAGap) {
  TracerSet set;
  EXPECT_TRUE(set.put_file(1, "a.bt", 0, "BEGIN {"));
  EXPECT_TRUE(set.put_file(1, "a.bt", 7, " exit(); }"));
  EXPECT_EQ(set.put_file(1, "a.bt", 3, "x").error().code, ErrorCode::kInvalid);
  EXPECT_TRUE(set.put_file(1, "a.bt", 0, "anew"));
  for (const char* name : {"../a", ".a", "-a", "a/b", "a b"})
    EXPECT_EQ(set.put_file(2, name, 0, "x").error().code, ErrorCode::kInvalid) << name;
}

TEST(TracerSet, WhatIsNotThereOrNotKnownIsRefused) {
  TracerSet set;
  EXPECT_EQ(set.start(1, "bpftrace", {}).error().code, ErrorCode::kInvalid);
  ASSERT_TRUE(set.put_file(1, "", 0, "x"));
  EXPECT_EQ(set.start(1, "shell", {}).error().code, ErrorCode::kUnsupported);
}

TEST(TracerSet, BpftraceIsArmedToldOfAndEnded) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  if (::access("/usr/bin/bpftrace", X_OK) != 0) GTEST_SKIP() << "needs bpftrace";
  TracerSet set;
  ASSERT_TRUE(set.put_file(7, "t.bt", 0,
                           "BEGIN { printf(\"%llu begun\\n\", nsecs); @x[\"k\"] = 3; }\n"
                           "END { printf(\"ended\\n\"); }\n"));
  ASSERT_TRUE(set.start(7, "bpftrace", {}));
  std::vector<format::TracerLine> lines;
  std::uint64_t received = 0;
  std::string state;
  std::string message;
  bool asked = false;
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (state != "ended" && state != "failed" && std::chrono::steady_clock::now() < limit) {
    format::Reply reply;
    set.poll(received, reply);
    received += reply.lines.size();
    lines.insert(lines.end(), reply.lines.begin(), reply.lines.end());
    ASSERT_NE(state_of(reply, 7), nullptr);
    state = state_of(reply, 7)->state;
    message = state_of(reply, 7)->message;
    if (state == "armed" && !asked &&
        std::any_of(lines.begin(), lines.end(), [](const auto& line) { return !line.is_error; })) {
      set.stop();
      asked = true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  if (state == "failed" && !asked) GTEST_SKIP() << "bpftrace does not run here: " << message;
  EXPECT_EQ(state, "ended");
  std::vector<std::string> texts;
  // What it complains of depends on the machine.
  std::erase_if(lines, [](const format::TracerLine& line) { return line.is_error; });
  for (const format::TracerLine& line : lines) texts.push_back(line.text);
  ASSERT_EQ(texts.size(), 3u);
  EXPECT_TRUE(texts[0].ends_with(" begun"));
  EXPECT_FALSE(lines[0].arrival);
  EXPECT_EQ(texts[1], "ended");
  EXPECT_TRUE(lines[1].arrival);
  EXPECT_EQ(texts[2], std::string(kOutputLine) + "@x[k]: 3");
}

}  // namespace
}  // namespace ivtrace::tracers
