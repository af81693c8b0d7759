#include "record/prepared_ahead.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include "base/check.h"

namespace ivtrace::record {
namespace {

constexpr const char* kRelease = "6.1.0-9-test";

/// A stap that is a script of ours, and headers of a kernel that runs nowhere.
class PreparedAheadTest : public ::testing::Test {
 protected:
  PreparedAheadTest() {
    std::string pattern = ::testing::TempDir() + "ivtrace_ahead_XXXXXX";
    IVT_CHECK(::mkdtemp(pattern.data()) != nullptr);
    scratch_ = pattern;
    std::filesystem::create_directories(scratch_ + "/bin");
    std::filesystem::create_directories(scratch_ + "/tree");
    std::ofstream(scratch_ + "/tree/.config");
    ::setenv("XDG_CACHE_HOME", scratch_.c_str(), 1);
    ::setenv("SYSTEMTAP_RUNTIME", scratch_.c_str(), 1);
    ::setenv("PATH", (scratch_ + "/bin:" + path_).c_str(), 1);
    put_stap("for last; do :; done\ncase $1 in -p3) cat \"$last\" ;; -p4) echo module >\"$3.ko\" ;; esac\n");
  }
  ~PreparedAheadTest() override {
    ::unsetenv("XDG_CACHE_HOME");
    ::unsetenv("SYSTEMTAP_RUNTIME");
    ::setenv("PATH", path_.c_str(), 1);
    std::filesystem::remove_all(scratch_);
  }
  void put_stap(const std::string& body) {
    const std::string stap = scratch_ + "/bin/stap";
    std::ofstream(stap) << "#!/bin/sh\n[ \"$1\" != --version ] || { echo 'version 5.6/0.192'; exit; }\n"
                        << body;
    ::chmod(stap.c_str(), 0755);
  }
  TracerRequest script(const std::string& machine, const std::string& name) {
    const std::string path = scratch_ + "/" + name + ".stp";
    std::ofstream(path) << "probe begin { }\n";
    return {machine, "stap", path, {"-r", scratch_ + "/tree"}};
  }
  PreparedAhead prepare(const RecordConfig& config, bool give_up = false) {
    PreparedAhead ahead;
    ahead.prepare(config, kRelease, {},
                  {[this](const std::string& line) {
                     const std::lock_guard lock(mutex_);
                     notices_.push_back(line);
                   },
                   [give_up] { return give_up; }});
    return ahead;
  }

  const std::string path_ = ::getenv("PATH");
  std::string scratch_;
  std::mutex mutex_;
  std::vector<std::string> notices_;
};

TEST_F(PreparedAheadTest, TheHostsScriptsAreCompiledAndNothingElseIs) {
  RecordConfig config;
  config.tracers = {script("host", "a"), {"host", "bpftrace", scratch_ + "/a.bt", {}}, script("vm1", "b")};
  ASSERT_TRUE(PreparedAhead::is_wanted(config));
  const PreparedAhead ahead = prepare(config);
  ASSERT_NE(ahead.of_host(), nullptr);
  const auto made = ahead.of_host()->find(1, kRelease);
  ASSERT_TRUE(made && *made) << (made ? made->error().to_string() : "");
  EXPECT_EQ((*made)->kind, "stap-module");
  EXPECT_EQ((*made)->bytes, "module\n");
  EXPECT_EQ((*made)->origin, "compiled on the host");
  EXPECT_FALSE(ahead.of_host()->find(2, kRelease));
  EXPECT_FALSE(ahead.of_host()->find(1, "6.1.0-10-test"));
}

TEST_F(PreparedAheadTest, WhatFailsIsItsMachinesFailure) {
  RecordConfig config;
  config.tracers = {script("host", "a"), script("host", "b")};
  config.tracers[0].path = scratch_ + "/none.stp";
  const PreparedAhead ahead = prepare(config);
  const auto first = ahead.of_host()->find(1, kRelease);
  const auto second = ahead.of_host()->find(2, kRelease);
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(first->ok());
  EXPECT_TRUE(second->ok());
}

TEST_F(PreparedAheadTest, AGuestWithoutARingIsLeftToTheRecording) {
  RecordConfig config;
  config.tracers = {script("vm1", "a")};
  config.extra_rings = {{"vm1", scratch_ + "/no-ring"}, {"vm2", scratch_ + "/other"}};
  const PreparedAhead ahead = prepare(config);
  ASSERT_NE(ahead.of_ring(scratch_ + "/no-ring"), nullptr);
  EXPECT_TRUE(ahead.of_ring(scratch_ + "/no-ring")->made.empty());
  EXPECT_EQ(ahead.of_ring(scratch_ + "/other"), nullptr);
}

TEST_F(PreparedAheadTest, WhatIsGivenUpIsNotKept) {
  put_stap("exec sleep 60\n");
  RecordConfig config;
  config.tracers = {script("host", "a")};
  const PreparedAhead ahead = prepare(config, true);
  EXPECT_TRUE(ahead.of_host()->made.empty());
}

TEST(PreparedAhead, IsOfNoUseWithoutScripts) {
  RecordConfig config;
  config.tracers = {{"host", "bpftrace", "/a.bt", {}}};
  EXPECT_FALSE(PreparedAhead::is_wanted(config));
}

}  // namespace
}  // namespace ivtrace::record
