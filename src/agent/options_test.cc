#include "agent/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace ivtrace::agent {
namespace {

TEST(Options, understands_both_ways_of_giving_a_value) {
  const auto apart = parse_options({"--foreground", "--ring", "/dev/shm/x"});
  ASSERT_TRUE(apart.ok());
  EXPECT_TRUE(apart->foreground);
  EXPECT_EQ(apart->ring_file, "/dev/shm/x");
  EXPECT_EQ(parse_options({"--device=0000:00:04.0"})->device, "0000:00:04.0");
  EXPECT_FALSE(parse_options({})->foreground);
  EXPECT_TRUE(parse_options({"--cleanup"})->cleanup);
}

TEST(Options, refuses_what_it_does_not_know) {
  for (const std::vector<std::string>& bad : std::vector<std::vector<std::string>>{
           {"--ring"}, {"--nonsense"}, {"x"}, {"--help=1"}, {"--ring=a", "--device=b"}}) {
    const auto options = parse_options(bad);
    ASSERT_FALSE(options.ok()) << bad[0];
    EXPECT_EQ(options.error().code, ErrorCode::kInvalid);
    EXPECT_NE(options.error().hint, "");
  }
}

TEST(Options, the_help_names_every_option) {
  for (const char* name : {"--foreground", "--ring FILE", "--device ADDRESS", "--version", "--help"}) {
    EXPECT_THAT(help_text(), ::testing::HasSubstr(name));
  }
}

TEST(Options, the_declaration_has_every_option_that_the_help_names) {
  const auto declared = nlohmann::json::parse(declaration());
  EXPECT_EQ(declared["name"], "ivtrace-agent");
  std::vector<std::string> names;
  for (const auto& option : declared["options"]) {
    names.push_back(option["names"][0]);
    EXPECT_THAT(help_text(), ::testing::HasSubstr(names.back()));
    EXPECT_EQ(option["value"], names.back() == "--ring"     ? "FILE"
                               : names.back() == "--device" ? "ADDRESS"
                                                            : "");
  }
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("--foreground", "--device", "--ring", "--cleanup",
                                                     "--version", "--help"));
}

}  // namespace
}  // namespace ivtrace::agent
