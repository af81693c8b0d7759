#include "tracers/program.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <fstream>

#include "base/tsc.h"

namespace ivtrace::tracers {
namespace {

/// Waits for its end, or for half a minute.
std::optional<int> wait_for(Program& program) {
  for (int i = 0; i < 6000 && !program.status(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return program.status();
}

std::vector<PrintedLine> lines_of(Program& program) {
  std::vector<PrintedLine> lines;
  while (auto line = program.take()) lines.push_back(*std::move(line));
  return lines;
}

TEST(Program, ItsLinesComeWithTheirTimesAndStreams) {
  const std::uint64_t before = read_tsc();
  auto program = Program::start({"sh", "-c", "echo one; echo two >&2; printf three"});
  ASSERT_TRUE(program.ok()) << program.error().message;
  const auto status = wait_for(**program);
  ASSERT_TRUE(status);
  EXPECT_EQ(*status, 0);
  std::vector<std::string> out;
  std::vector<std::string> err;
  for (const PrintedLine& line : lines_of(**program)) {
    (line.is_error ? err : out).push_back(line.text);
    EXPECT_GT(line.tsc, before);
    EXPECT_LT(line.tsc, read_tsc());
  }
  EXPECT_EQ(out, (std::vector<std::string>{"one", "three"}));
  EXPECT_EQ(err, std::vector<std::string>{"two"});
  EXPECT_EQ((*program)->lost_lines(), 0u);
}

TEST(Program, AProgramThatIsNotThereIsToldAtOnce) {
  const auto program = Program::start({"no-such-program-of-ivtrace"});
  ASSERT_FALSE(program.ok());
  EXPECT_EQ(program.error().code, ErrorCode::kNotFound);
}

TEST(Program, WhatItIsSentReachesAllThatItStarted) {
  auto program = Program::start({"sh", "-c", "sleep 1000 & sleep 1000"});
  ASSERT_TRUE(program.ok());
  EXPECT_EQ((*program)->status(), std::nullopt);
  (*program)->signal(SIGTERM);
  const auto status = wait_for(**program);  // which also waits for the sleeps, that hold its output
  ASSERT_TRUE(status);
  EXPECT_TRUE(WIFSIGNALED(*status));
}

TEST(Program, TheDestructorEndsOneThatDoesNotWantTo) {
  pid_t pid = 0;
  {
    auto program = Program::start({"sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"});
    ASSERT_TRUE(program.ok());
    pid = (*program)->pid();
    while (!(*program)->take()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST(Program, LinesThatNobodyTakesAreCountedNotKept) {
  // 20 MiB in lines of 64 KiB: 8 MiB are held.
  auto program = Program::start({"sh", "-c", "head -c 20971520 /dev/zero | tr '\\0' x | fold -w 65535"});
  ASSERT_TRUE(program.ok());
  ASSERT_TRUE(wait_for(**program));
  const auto lines = lines_of(**program);
  EXPECT_EQ(lines.size() + (*program)->lost_lines(), (20971520u + 65534) / 65535);
  EXPECT_LE(lines.size() * 65535, kMaxHeldBytes);
  EXPECT_GT((*program)->lost_lines(), 0u);
}

TEST(Program, ALineWithoutEndIsCut) {
  auto program = Program::start({"sh", "-c", "head -c 5000000 /dev/zero | tr '\\0' x; echo; echo next"});
  ASSERT_TRUE(program.ok());
  ASSERT_TRUE(wait_for(**program));
  const auto lines = lines_of(**program);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(lines[0].text == std::string(kMaxPrinted, 'x'));
  EXPECT_TRUE(lines[0].is_cut);
  EXPECT_FALSE(lines[1].is_cut);
  EXPECT_EQ(lines[1].text, "next");
}

}  // namespace
}  // namespace ivtrace::tracers
