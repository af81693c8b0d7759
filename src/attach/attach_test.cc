// What is refused before anything is changed. The whole way, with a guest and its agent, is an end-to-end
// test.
#include "attach/attach.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "hypervisor/qmp_test_support.h"
#include "ring/host_ring.h"
#include "ring/producer.h"

namespace ivtrace::attach {
namespace {

using hypervisor::returns;
using nlohmann::json;
using ::testing::HasSubstr;

class DetachTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/ivtrace-attach-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    options_.plug.directory = name;
    options_.plug.step_limit = Nanoseconds{20'000'000'000};
    options_.plug.total_limit = Nanoseconds{60'000'000'000};
    state_.guest.name = "vm";
    state_.guest.pid = Pid(::getpid());
    state_.guest.status = "running";
    qemu_.emplace(
        [this](int client) {
          hypervisor::serve_commands(client, [this](const json& command) { return answer(command); });
        },
        4);
    state_.guest.qmp.path = qemu_->path();
  }
  void TearDown() override {
    qemu_.reset();
    std::filesystem::remove_all(options_.plug.directory);
  }

  /// Everything that is not a question is a change, and fails the test.
  std::string answer(const json& command) {
    const std::string name = command["execute"];
    if (name == "qmp_capabilities") return returns(command, json::object());
    if (name == "qom-get") return returns(command, "");
    EXPECT_EQ(name, "qom-list");
    json children = json::array();
    if (plugged_) {
      children.push_back({{"name", "ivtrace-ring"}, {"type", "child<ivshmem-plain>"}});
      children.push_back({{"name", "ivtrace-memory"}, {"type", "child<memory-backend-file>"}});
    }
    return returns(command, children);
  }
  void add_ring(const std::string& path) { state_.guest.rings.push_back({path, 1u << 20}); }

  bool plugged_ = true;
  Options options_;
  doctor::GuestState state_;
  std::optional<hypervisor::FakeQemu> qemu_;
};

TEST_F(DetachTest, a_guest_without_a_ring_needs_nothing) {
  plugged_ = false;
  const auto result = detach(state_, options_);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_FALSE(result->had_ring);
}

TEST_F(DetachTest, a_ring_of_somebody_else_is_refused) {
  plugged_ = false;
  add_ring("/dev/shm/theirs");
  const auto result = detach(state_, options_);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message, HasSubstr("/dev/shm/theirs"));
  EXPECT_THAT(result.error().hint, HasSubstr("nothing was changed"));
}

TEST_F(DetachTest, a_paused_guest_is_refused) {
  state_.guest.status = "paused";
  const auto result = detach(state_, options_);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message, HasSubstr("vm is paused"));
}

TEST_F(DetachTest, a_ring_that_is_being_recorded_is_refused) {
  const std::string path = hypervisor::ring_file_path(state_.guest, options_.plug.directory);
  std::ofstream(path) << std::string(1 << 20, '\0');
  add_ring(path);
  const auto recorder = ring::HostRing::open(path);
  ASSERT_TRUE(recorder.ok()) << recorder.error().to_string();
  const auto result = detach(state_, options_);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kBusy);
  EXPECT_THAT(result.error().hint, HasSubstr("stop that recording first"));
}

TEST_F(DetachTest, attach_to_a_guest_with_a_ring_asks_nobody) {
  add_ring("/dev/shm/theirs");
  state_.guest.qmp.path.clear();
  const auto result = attach(state_, 16u << 20, options_);
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->was_there);
  EXPECT_EQ(result->path, "/dev/shm/theirs");
  EXPECT_EQ(result->bytes, 1u << 20);
}

}  // namespace
}  // namespace ivtrace::attach
