// A guest agent is a program in the guest: it may be absent, forbidden to do things, or lie.
#include "hypervisor/guest_agent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "hypervisor/guest_agent_test_support.h"
#include "hypervisor/libvirt_test_support.h"

namespace ivtrace::hypervisor {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr Nanoseconds kPatience{20'000'000'000};
constexpr Nanoseconds kShort{100'000'000};

Guest guest_at(const std::string& socket) {
  Guest guest;
  guest.name = "vm";
  guest.has_agent_port = true;
  guest.agent_socket = socket;
  return guest;
}

TEST(GuestAgentSocket, WritesAFileInPiecesAndRunsAScript) {
  FakeGuestAgent fake;
  fake.run = [](const std::string& script, const json& arguments) {
    return FakeGuestAgent::End{3, script + ":" + arguments.dump()};
  };
  auto agent = GuestAgent::open(guest_at(fake.path()), kPatience);
  ASSERT_TRUE(agent.ok()) << agent.error().to_string();
  std::string content;
  for (int i = 0; i < 250'000; ++i) content += static_cast<char>(i * 7);
  std::vector<std::uint64_t> steps;
  const Status written = agent->write_file("/x", std::as_bytes(std::span(content)),
                                           [&](std::uint64_t done) { steps.push_back(done); });
  ASSERT_TRUE(written.ok()) << written.error().to_string();
  EXPECT_EQ(fake.files["/x"], content);
  EXPECT_EQ(steps.size(), 3u);
  EXPECT_EQ(steps.back(), content.size());
  const auto end = agent->run_script("echo", {"a", "b c"}, kPatience);
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->exit_code, 3);
  EXPECT_EQ(end->output, R"(echo:["a","b c"])");
}

TEST(GuestAgentSocket, WhatAnEarlierClientLeftIsSkipped) {
  FakeGuestAgent fake;
  fake.before_sync = "{\"return\": {}}\nhalf a\xff{\"return\": 1}\n";
  EXPECT_TRUE(GuestAgent::open(guest_at(fake.path()), kPatience).ok());
}

TEST(GuestAgentSocket, SilenceIsToldWithWhatToDo) {
  FakeQemu silent([](int client) {
    char chunk[4096];
    while (recv(client, chunk, sizeof chunk, 0) > 0) continue;
  });
  const auto agent = GuestAgent::open(guest_at(silent.path()), kShort);
  ASSERT_FALSE(agent.ok());
  EXPECT_EQ(agent.error().code, ErrorCode::kTimeout);
  EXPECT_THAT(agent.error().message, HasSubstr("vm: the guest agent does not answer"));
  EXPECT_THAT(agent.error().hint, HasSubstr("start qemu-guest-agent in the guest"));
}

TEST(GuestAgentSocket, AForbiddenCommandIsNamedBeforeAnythingIsDone) {
  FakeGuestAgent fake;
  fake.forbidden = "guest-exec";
  const auto agent = GuestAgent::open(guest_at(fake.path()), kPatience);
  ASSERT_FALSE(agent.ok());
  EXPECT_EQ(agent.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(agent.error().message, HasSubstr("does not allow guest-exec"));
  EXPECT_THAT(agent.error().hint, HasSubstr("qemu-ga"));
}

TEST(GuestAgentSocket, AFullDiskIsAnErrorInTheGuestsWords) {
  FakeGuestAgent fake;
  fake.write_error = "failed to write to file: No space left on device";
  auto agent = GuestAgent::open(guest_at(fake.path()), kPatience);
  ASSERT_TRUE(agent.ok());
  const std::string content = "x";
  const Status written = agent->write_file("/x", std::as_bytes(std::span(content)));
  ASSERT_FALSE(written.ok());
  EXPECT_THAT(written.error().message, HasSubstr("No space left on device"));
}

TEST(GuestAgentSocket, AProgramThatDoesNotEndIsGivenUp) {
  FakeGuestAgent fake;
  fake.run = [](const std::string&, const json&) { return FakeGuestAgent::End{0, "", true}; };
  auto agent = GuestAgent::open(guest_at(fake.path()), kPatience);
  ASSERT_TRUE(agent.ok());
  EXPECT_EQ(agent->run_script("sleep", {}, kShort).error().code, ErrorCode::kTimeout);
}

TEST(GuestAgentSocket, AGuestWithoutAPortSaysHowToGetOne) {
  Guest guest = guest_at("");
  guest.has_agent_port = false;
  EXPECT_THAT(GuestAgent::open(guest).error().hint, HasSubstr("org.qemu.guest_agent.0"));
  guest.has_agent_port = true;
  EXPECT_THAT(GuestAgent::open(guest).error().hint, HasSubstr("--connect"));
}

TEST(GuestAgentOfLibvirt, LiesAboutTypesAreFailures) {
  const auto libvirt = std::make_shared<FakeLibvirt>(Domain{"uuid", "vm"});
  Guest guest = guest_at("");
  guest.qmp.libvirt = libvirt;
  guest.qmp.domain = "uuid";
  json info = {{"supported_commands", json::array()}};
  for (const char* name : {"guest-file-open", "guest-file-write", "guest-file-flush", "guest-file-close",
                           "guest-exec", "guest-exec-status"})
    info["supported_commands"].push_back({{"name", name}, {"enabled", true}});
  for (const json& lie : {json(1), json(-1), json("x"), json::array(), json{{"pid", "x"}},
                          json{{"count", 1e9}}, json{{"count", 0}}, json{{"exited", 1}}, json(nullptr)}) {
    libvirt->agent = [&](const json& command) -> Result<json> {
      if (command["execute"] == "guest-info") return json{{"return", info}};
      if (command["execute"] == "guest-file-open") return json{{"return", 1}};
      return json{{"return", lie}};
    };
    auto agent = GuestAgent::open(guest);
    ASSERT_TRUE(agent.ok()) << agent.error().to_string();
    EXPECT_FALSE(agent->run_script("x", {}, kShort).ok()) << lie;
    const std::string content = "ab";
    if (lie == json(1)) continue;
    EXPECT_FALSE(agent->write_file("/x", std::as_bytes(std::span(content))).ok()) << lie;
  }
  libvirt->agent = [](const json&) -> Result<json> { return json{{"return", {{"supported_commands", 3}}}}; };
  EXPECT_EQ(GuestAgent::open(guest).error().code, ErrorCode::kCorrupt);
  libvirt->agent = [](const json&) -> Result<json> {
    return Error(ErrorCode::kNotFound, "the guest agent: QEMU guest agent is not connected");
  };
  EXPECT_THAT(GuestAgent::open(guest).error().to_string(), HasSubstr("start qemu-guest-agent"));
}

}  // namespace
}  // namespace ivtrace::hypervisor
