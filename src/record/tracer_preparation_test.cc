#include "record/tracer_preparation.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace ivtrace::record {
namespace {

/// A guest whose stap is as fast as the test wants.
class CompilingPort : public TracerPort {
 public:
  void restart() override {}
  Status put_file(std::uint32_t, const std::string& name, std::string_view bytes) override {
    file = name;
    text = std::string(bytes);
    return {};
  }
  Status compile(std::uint32_t, const std::vector<std::string>& given) override {
    options = given;
    return can ? Status() : Status(Error(ErrorCode::kNotFound, "there is no program stap on this machine"));
  }
  Status start(std::uint32_t, const std::string&, const std::vector<std::string>&) override { return {}; }
  Result<format::Reply> poll() override { return format::Reply{}; }
  Result<format::Reply> stop() override { return format::Reply{}; }

  bool can = true;
  std::string file, text;
  std::vector<std::string> options;
};

/// A kernel that nobody has headers of: this host cannot compile for it.
const TracerMachine kGuest{"6.1.0-0-nobodys", [](const auto&) { return std::string(); }, true};

class TracerPreparationTest : public ::testing::Test {
 protected:
  TracerPreparationTest() {
    std::string pattern = ::testing::TempDir() + "ivtrace_preparation_XXXXXX";
    IVT_CHECK(::mkdtemp(pattern.data()) != nullptr);
    scratch_ = pattern;
    ::setenv("XDG_CACHE_HOME", scratch_.c_str(), 1);
    std::ofstream(scratch_ + "/hello.stp") << "probe begin { }\n";
  }
  ~TracerPreparationTest() override {
    ::unsetenv("XDG_CACHE_HOME");
    std::filesystem::remove_all(scratch_);
  }
  TracerRequest request() const {
    return {"vm1",
            "stap",
            scratch_ + "/hello.stp",
            {"-r", "/nowhere/build", "--sysroot=/srv/vm1", "-g", "-DMAXSTRINGLEN=256"}};
  }
  TracerPreparation::Notice notice() {
    return [this](const std::string& line) {
      const std::lock_guard lock(mutex_);
      notices_.push_back(line);
    };
  }
  /// Until the machine compiles, or it is over.
  std::optional<Result<PreparedTracer>> look_on(TracerPreparation& preparation) {
    for (int i = 0; i < 2000; ++i) {
      if (auto made = preparation.look(port_)) return made;
      if (preparation.wants_poll()) return std::nullopt;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ADD_FAILURE() << "neither compiled nor refused";
    return std::nullopt;
  }
  format::TracerState state(const std::string& word, const std::string& message = "",
                            const std::string& hint = "") {
    return {7, word, message, hint, 0, 0};
  }

  std::string scratch_;
  CompilingPort port_;
  std::mutex mutex_;
  std::vector<std::string> notices_;
};

TEST_F(TracerPreparationTest, WhatTheHostCannotCompileTheGuestDoes) {
  TracerPreparation preparation(7, request(), kGuest, notice());
  ASSERT_FALSE(look_on(preparation).has_value());
  EXPECT_EQ(port_.file, "hello.stp");
  EXPECT_EQ(port_.text, "probe begin { }\n");
  EXPECT_EQ(port_.options, (std::vector<std::string>{"-g", "-DMAXSTRINGLEN=256"}));
  preparation.take(state("compiling", "takes \x1b[2J minutes"));
  EXPECT_FALSE(preparation.look(port_).has_value());
  preparation.take(state("compiled"));
  const auto made = preparation.look(port_);
  ASSERT_TRUE(made && *made);
  EXPECT_EQ((*made)->kind, "stap-script");
  EXPECT_EQ((*made)->origin, "compiled in the guest");
  ASSERT_EQ(notices_.size(), 2u);
  EXPECT_NE(notices_[0].find("the guest compiles it, as this host cannot: "), std::string::npos);
  EXPECT_EQ(notices_[1], "in the guest: takes \\x1b[2J minutes");
}

TEST_F(TracerPreparationTest, TheGuestsOwnErrorIsTold) {
  TracerPreparation preparation(7, request(), kGuest, notice());
  ASSERT_FALSE(look_on(preparation).has_value());
  preparation.take(state("failed", "no headers of the kernel", "apt-get install linux-headers-x"));
  const auto made = preparation.look(port_);
  ASSERT_TRUE(made && !*made);
  EXPECT_EQ(made->error().to_string(),
            "in the guest: no headers of the kernel (apt-get install linux-headers-x)");
}

TEST_F(TracerPreparationTest, WhereNeitherCanWhatTheHostLacksIsToInstall) {
  port_.can = false;
  TracerPreparation preparation(7, request(), kGuest, notice());
  const auto made = look_on(preparation);
  ASSERT_TRUE(made && !*made);
  const std::string told = made->error().to_string();
  EXPECT_NE(told.find("; nor in the guest: there is no program stap on this machine"), std::string::npos);
  EXPECT_NE(told.find("apt-get install"), std::string::npos);
}

TEST_F(TracerPreparationTest, OneThatTheGuestCompilesCanBeGivenUp) {
  TracerPreparation preparation(7, request(), kGuest, notice());
  ASSERT_FALSE(look_on(preparation).has_value());
  preparation.give_up();
  const auto made = preparation.look(port_);
  ASSERT_TRUE(made && !*made);
  EXPECT_EQ(made->error().code, ErrorCode::kGone);
}

TEST(OptionsElsewhere, AreWithoutWhatNamesThisHostsFolders) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(options_elsewhere({"-r", "/b", "-g"}), Words{"-g"});
  EXPECT_EQ(options_elsewhere({"-r/b", "-DX=1", "--sysroot", "/s"}), Words{"-DX=1"});
  EXPECT_EQ(options_elsewhere({"--sysroot=/s", "-R", "/runtime"}), (Words{"-R", "/runtime"}));
}

}  // namespace
}  // namespace ivtrace::record
