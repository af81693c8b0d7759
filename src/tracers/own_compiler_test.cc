#include "tracers/own_compiler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/fd.h"

namespace ivtrace::tracers {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

/// A stap that is a script of ours, and headers of the kernel that runs.
class OwnCompilerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(root_ / "bin");
    fs::create_directories(root_ / "tree" / "include" / "generated");
    std::ofstream(root_ / "tree" / ".config");
    std::ofstream(root_ / "x.stp") << "probe begin { }\n";
    ::setenv("XDG_CACHE_HOME", (root_ / "cache").c_str(), 1);
    ::setenv("SYSTEMTAP_RUNTIME", (root_ / "runtime").c_str(), 1);
    ::setenv("PATH", ((root_ / "bin").string() + ":" + path_).c_str(), 1);
  }
  void TearDown() override {
    ::unsetenv("XDG_CACHE_HOME");
    ::unsetenv("SYSTEMTAP_RUNTIME");
    ::setenv("PATH", path_.c_str(), 1);
    fs::remove_all(root_);
  }
  void put_stap(const std::string& body) {
    const fs::path stap = root_ / "bin" / "stap";
    std::ofstream(stap) << "#!/bin/sh\n[ \"$1\" != --version ] || { echo 'version 5.6/0.192'; exit; }\n"
                        << "nice >>" << (root_ / "passes").string() << "\n"
                        << body;
    ::chmod(stap.c_str(), 0755);
  }
  void put_good_stap() {
    put_stap("for last; do :; done\ncase $1 in -p3) cat \"$last\" ;; -p4) echo module >\"$3.ko\" ;; esac\n");
  }
  Status compile(OwnCompiler& compiler) {
    return compiler.compile(3, (root_ / "x.stp").string(), {"-r", (root_ / "tree").string()});
  }
  std::size_t passes() const {
    const auto text = read_file((root_ / "passes").string());
    return text ? static_cast<std::size_t>(std::count(text->begin(), text->end(), '\n')) : 0;
  }
  static format::TracerState wait(OwnCompiler& compiler) {
    for (int i = 0; i < 2000 && compiler.states().at(0).state == "compiling"; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return compiler.states().at(0);
  }

  const fs::path root_ = fs::path("/tmp") / ("ivtrace-own-" + std::to_string(::getpid()));
  const std::string path_ = ::getenv("PATH");
};

TEST_F(OwnCompilerTest, AScriptIsCompiledOnceAndYieldsToOthers) {
  put_good_stap();
  OwnCompiler compiler;
  EXPECT_FALSE(compiler.module(3).ok());
  ASSERT_TRUE(compile(compiler).ok());
  const auto state = wait(compiler);
  EXPECT_EQ(state.tracer, 3u);
  EXPECT_EQ(state.state, "compiled") << state.message;
  const auto module = compiler.module(3);
  ASSERT_TRUE(module.ok());
  EXPECT_EQ(*read_file(*module), "module\n");
  EXPECT_EQ(passes(), 2u);
  EXPECT_EQ(*read_file((root_ / "passes").string()), "19\n19\n");
  ASSERT_TRUE(compile(compiler).ok());
  EXPECT_EQ(wait(compiler).state, "compiled");
  EXPECT_EQ(passes(), 2u) << "the same script was asked for again";
  std::ofstream(root_ / "x.stp") << "probe end { }\n";
  ASSERT_TRUE(compile(compiler).ok());
  EXPECT_EQ(wait(compiler).state, "compiled");
  EXPECT_EQ(passes(), 4u);
}

TEST_F(OwnCompilerTest, WhatIsWrongWithAScriptIsTold) {
  put_stap("echo 'parse error: expected statement' >&2; exit 1\n");
  OwnCompiler compiler;
  ASSERT_TRUE(compile(compiler).ok());
  const auto state = wait(compiler);
  EXPECT_EQ(state.state, "failed");
  EXPECT_THAT(state.message, HasSubstr("parse error: expected statement"));
}

TEST_F(OwnCompilerTest, ItEndsAtOnceInTheMiddleOfACompilation) {
  put_stap("exec sleep 60\n");
  const auto begun = std::chrono::steady_clock::now();
  {
    OwnCompiler compiler;
    ASSERT_TRUE(compile(compiler).ok());
    for (int i = 0; i < 2000 && passes() == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    compiler.stop();
    EXPECT_EQ(wait(compiler).state, "failed");
    ASSERT_TRUE(compile(compiler).ok()) << "and can begin anew";
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(10));
}

TEST_F(OwnCompilerTest, AMachineWithoutStapSaysSoAtOnce) {
  if (!::access("/usr/bin/stap", X_OK)) GTEST_SKIP() << "needs a machine without stap";
  OwnCompiler compiler;
  EXPECT_EQ(compile(compiler).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace ivtrace::tracers
