#include "exchange/trace_cmd_import.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/fd.h"
#include "exchange/trace_dat_test_support.h"
#include "merge/run_events.h"
#include "run/run_reader.h"
#include "run/run_test_support.h"

namespace ivtrace::exchange {
namespace {

namespace fs = std::filesystem;

class TraceCmdImport : public testing::Test {
 protected:
  std::string file(const char* name, const std::string& bytes) {
    const std::string path = directory_ / name;
    IVT_CHECK(replace_file(path, bytes).ok());
    return path;
  }
  Result<Summary> import(const std::vector<std::string>& files, bool force = false) {
    ImportRequest request;
    request.files = files;
    request.out = out();
    request.force = force;
    NoProgress progress;
    return import_trace_cmd(request, progress);
  }
  std::string out() const { return directory_ / "out.ivt"; }
  /// Everything in the folder but the files that were put there.
  std::vector<std::string> left_over() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_ / "")) {
      if (entry.path().extension() != ".dat") names.push_back(entry.path().filename());
    }
    return names;
  }

  run::ScratchDirectory directory_;
};

TEST_F(TraceCmdImport, Version6BecomesARun) {
  const auto summary = import({file("host.dat", sample_version_6())});
  ASSERT_TRUE(summary.ok()) << summary.error().message;
  EXPECT_EQ(summary->events, 4u);
  ASSERT_EQ(summary->notices.size(), 1u);
  EXPECT_NE(summary->notices[0].find("x86-tsc"), std::string::npos) << "nobody told its speed";
  const run::RunReader run = run::RunReader::open(out()).value();
  ASSERT_EQ(run.machines().size(), 1u);
  EXPECT_EQ(run.machines()[0].info.events, std::vector<std::string>{"sched:sched_switch"});
  EXPECT_EQ(run.machines()[0].files.size(), 2u);
  EXPECT_EQ(run.damage_total(), 0u);
  EXPECT_EQ(run.manifest().start_tsc.value, 100u);
}

TEST_F(TraceCmdImport, AGuestOfAnotherRecordingIsToldAndHasNoClock) {
  const auto summary = import({file("host.dat", sample_version_6()), file("vm1.dat", sample_trace_dat())});
  ASSERT_TRUE(summary.ok()) << summary.error().message;
  EXPECT_NE(summary->notices[0].find("about another host's recording"), std::string::npos);
  const run::RunReader run = run::RunReader::open(out()).value();
  ASSERT_NE(run.find("vm1"), nullptr);
  EXPECT_TRUE(run.find("vm1")->epochs.empty());
}

TEST_F(TraceCmdImport, WhatCannotBeReadLeavesNothingBehind) {
  const std::string good = sample_trace_dat();
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "empty"},
      {"hello, this is no recording", "not a recording of trace-cmd"},
      {good.substr(0, good.size() / 2), "cut off"},
      {good.substr(0, 20), "cut off in its head"}};
  for (const auto& [bytes, why] : cases) {
    const auto summary = import({file("host.dat", bytes)});
    ASSERT_FALSE(summary.ok()) << why;
    EXPECT_TRUE(summary.error().message.starts_with(directory_ / "host.dat: ")) << summary.error().message;
    EXPECT_NE(summary.error().message.find(why), std::string::npos) << summary.error().message;
    EXPECT_EQ(summary.error().message.find('\n'), std::string::npos);
    EXPECT_TRUE(left_over().empty());
  }
  EXPECT_FALSE(import({directory_ / "none.dat"}).ok());
  EXPECT_FALSE(import({directory_ / ""}).ok());
}

TEST_F(TraceCmdImport, WithoutEventsThereIsNoRun) {
  const std::string path = directory_ / "host.dat";
  TraceDatWriter empty = TraceDatWriter::create(path, 4096).value();
  empty.header_info(kSamplePage, "");
  empty.begin_buffer("", "local");
  empty.begin_cpu(0);
  empty.end_cpu();
  empty.end_buffer();
  ASSERT_TRUE(empty.close().ok());
  const auto summary = import({path});
  ASSERT_FALSE(summary.ok());
  EXPECT_EQ(summary.error().message, "no events in " + path);
  EXPECT_TRUE(left_over().empty());
}

TEST_F(TraceCmdImport, NothingButAnImportIsReplaced) {
  const std::string host = file("host.dat", sample_version_6());
  ASSERT_TRUE(import({host}).ok());
  EXPECT_EQ(import({host}).error().code, ErrorCode::kBusy);
  EXPECT_TRUE(import({host}, true).ok());
  fs::remove(out() + "/" + kImportMark);
  EXPECT_EQ(import({host}, true).error().code, ErrorCode::kBusy) << "that may be a recording";
}

}  // namespace
}  // namespace ivtrace::exchange
