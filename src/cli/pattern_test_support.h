// A sample run and patterns of one's own, for the tests of diagnose and patterns.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "cli/cli.h"
#include "cli/sample_run.h"

namespace ivtrace::cli {

/// Finds the sample's thread 9, whose name is hostile. Its query begins in line 5.
inline constexpr const char* kOwnPattern =
    "-- title: Slow\n"
    "-- means: Nothing.\n"
    "-- text: {victim} was slow for {took_ns}.\n"
    "-- advice: Ask {culprit}.\n"
    "SELECT 'vm1' AS victim, comm AS culprit, 0.5 AS share, 1000 AS from_ns, 2500000000 AS until_ns,\n"
    "       0.75 AS confidence, 17200000 AS took_ns\n"
    "FROM event WHERE tid = 9\n"
    "-- evidence: Events\n"
    "SELECT time_ns, comm, NULL AS none FROM event WHERE tid = 9\n";

struct PatternOutcome {
  ExitCode code;
  std::string out;
  std::string err;
};

class PatternCommands : public ::testing::Test {
 protected:
  void SetUp() override {
    // The person who runs the tests may have patterns.
    ::setenv("XDG_CONFIG_HOME", (scratch_ / "config").c_str(), 1);
    std::filesystem::create_directory(patterns_);
  }
  void TearDown() override { ::unsetenv("XDG_CONFIG_HOME"); }

  void pattern(const std::string& name, const std::string& text) {
    std::ofstream(patterns_ + "/" + name + ".sql") << text;
  }
  PatternOutcome run(const std::vector<std::string>& arguments) {
    Output out = Output::to_memory();
    Output err = Output::to_memory();
    Streams streams{out, err};
    const ExitCode code = run_cli(arguments, streams);
    return {code, out.captured(), err.captured()};
  }

  run::ScratchDirectory scratch_;
  std::string patterns_ = scratch_ / "patterns";
};

}  // namespace ivtrace::cli
