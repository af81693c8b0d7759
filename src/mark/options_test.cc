#include "mark/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ivtrace::mark {
namespace {

using ::testing::ElementsAre;

Options parsed(const std::vector<std::string>& arguments) {
  const auto options = parse_options(arguments);
  EXPECT_TRUE(options) << options.error().to_string();
  return options ? *options : Options();
}

TEST(MarkOptions, EachActionIsTold) {
  EXPECT_EQ(parsed({"cache flushed"}).action, Action::kInstant);
  EXPECT_EQ(parsed({"cache flushed"}).name, "cache flushed");
  EXPECT_EQ(parsed({"--", "-dash"}).name, "-dash");
  EXPECT_EQ(parsed({"-"}).action, Action::kLines);
  EXPECT_EQ(parsed({"--begin", "copy"}).action, Action::kBegin);
  EXPECT_EQ(parsed({"--begin", "--end"}).name, "--end");
  EXPECT_EQ(parsed({"--end", "--pid", "12"}).pid, 12);
  const Options counter = parsed({"--quiet", "--counter", "queue", "-12"});
  EXPECT_EQ(counter.action, Action::kCounter);
  EXPECT_EQ(counter.value, -12);
  EXPECT_TRUE(counter.quiet);
  const Options run = parsed({"--run", "build", "--", "make", "--help", "-"});
  EXPECT_EQ(run.action, Action::kRun);
  EXPECT_THAT(run.command, ElementsAre("make", "--help", "-"));
  EXPECT_EQ(parsed({"--help"}).action, Action::kHelp);
}

TEST(MarkOptions, WhatMakesNoSenseIsToldWithAHint) {
  const std::vector<std::vector<std::string>> senseless = {{},
                                                           {"--begin"},
                                                           {"--counter", "a"},
                                                           {"--counter", "a", "1.5"},
                                                           {"--run", "a"},
                                                           {"--run", "a", "--"},
                                                           {"text", "--", "cmd"},
                                                           {"a", "b"},
                                                           {"--end", "a"},
                                                           {"--pid", "0", "a"},
                                                           {"--pid", "4294967296", "a"},
                                                           {"--unknown"},
                                                           {"--quiet"}};
  for (const auto& arguments : senseless) {
    const auto options = parse_options(arguments);
    ASSERT_FALSE(options) << ::testing::PrintToString(arguments);
    EXPECT_EQ(options.error().code, ErrorCode::kInvalid);
    EXPECT_FALSE(options.error().hint.empty());
  }
}

TEST(MarkOptions, HelpTellsEveryDeclaredOption) {
  for (const char* option :
       {"--begin", "--end", "--counter", "--run", "--pid", "--quiet", "--version", "--help"}) {
    EXPECT_NE(help_text().find(option), std::string::npos) << option;
    EXPECT_NE(declaration().find(option), std::string::npos) << option;
  }
}

}  // namespace
}  // namespace ivtrace::mark
