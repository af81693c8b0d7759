// Guests whose monitor libvirt holds, with a scripted libvirt. A real one is an end-to-end test.
#include "hypervisor/libvirt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "hypervisor/inventory.h"
#include "hypervisor/libvirt_test_support.h"

namespace ivtrace::hypervisor {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr const char* kUuid = "0c0ffee0-0000-4000-8000-000000000001";

/// A process of libvirt's in a /proc of our own, and its monitor.
class HeldMonitor : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/ivtrace-libvirt-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    proc_ = name;
    const fs::path entry = fs::path(proc_) / "60";
    fs::create_directories(entry / "task/61");
    fs::create_symlink("/usr/bin/qemu-system-x86_64", entry / "exe");
    fs::create_symlink("/srv", entry / "cwd");
    std::ofstream(entry / "stat") << "60 (q) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 9 0 0\n";
    std::ofstream line(entry / "cmdline");
    for (const char* word : {"q", "-name", "guest=vm1,debug-threads=on", "-uuid", kUuid, "-chardev",
                             "socket,id=charmonitor,fd=30,server=on,wait=off", "-mon",
                             "chardev=charmonitor,id=monitor,mode=control"})
      line << word << '\0';
    std::ofstream(entry / "task/61/comm") << "CPU 0/KVM\n";
    fs::create_directories(fs::path(proc_) / "self");
    std::ofstream(fs::path(proc_) / "self/mountinfo") << "";
    std::ofstream(entry / "status") << "Name:\tq\nNSpid:\t60\t5\n";
    std::ofstream(entry / "task/61/status") << "Name:\tq\nNSpid:\t61\t6\n";
    libvirt_->qmp = [this](const json& command) { return answer(command); };
    options_.proc = proc_;
    options_.libvirt.libvirt = libvirt_;
  }
  void TearDown() override { fs::remove_all(proc_); }

  Result<json> answer(const json& command) const {
    const std::string name = command["execute"];
    if (name == "query-status") return json{{"return", {{"status", status_}}}};
    if (name == "query-cpus-fast") {
      const json cpu = {{"cpu-index", 0}, {"thread-id", 6}, {"qom-path", "/machine/cpu"}};
      return json{{"return", json::array({cpu})}};
    }
    if (name == "qom-get") return json{{"return", 4}};
    return json{{"error", {{"class", "GenericError"}, {"desc", "no"}}}};
  }

  std::string proc_;
  std::string status_ = "running";
  std::shared_ptr<FakeLibvirt> libvirt_ = std::make_shared<FakeLibvirt>(Domain{kUuid, "vm1"});
  InventoryOptions options_;
};

TEST_F(HeldMonitor, IsAskedThroughLibvirtAndItsThreadsAreFoundInOurNumbers) {
  const auto guest = inspect_guest(Pid(60), options_);
  ASSERT_TRUE(guest.ok()) << guest.error().to_string();
  EXPECT_EQ(guest->qmp.state, QmpState::kOk);
  EXPECT_EQ(guest->qmp.describe(), "libvirt at fake:///");
  EXPECT_EQ(guest->status, "running");
  ASSERT_EQ(guest->vcpus.size(), 1u);
  EXPECT_EQ(guest->vcpus[0].thread, Tid(61));
  EXPECT_EQ(guest->vcpus[0].apic_id, 4u);
  EXPECT_TRUE(guest->unknown.empty()) << guest->unknown.front();
  EXPECT_TRUE(unseen_domains(options_, {*guest}).empty());
}

TEST_F(HeldMonitor, WithoutLibvirtTheReasonIsTold) {
  options_.libvirt = {nullptr, "nobody is at home"};
  const auto guest = inspect_guest(Pid(60), options_);
  ASSERT_TRUE(guest.ok());
  EXPECT_EQ(guest->qmp.state, QmpState::kNone);
  EXPECT_THAT(guest->unknown, Contains(HasSubstr("libvirt holds the monitor, and nobody is at home")));
}

TEST_F(HeldMonitor, ALibvirtThatDoesNotAnswerIsAskedOnce) {
  libvirt_->qmp = [](const json&) -> Result<json> { return Error(ErrorCode::kTimeout, "silence"); };
  const auto guest = inspect_guest(Pid(60), options_);
  ASSERT_TRUE(guest.ok());
  EXPECT_EQ(libvirt_->asked.size(), 1u);
  EXPECT_EQ(guest->qmp.state, QmpState::kFailed);
  EXPECT_THAT(guest->qmp.detail, HasSubstr("silence"));
  EXPECT_EQ(guest->vcpus.size(), 1u);  // by the thread's name
}

TEST_F(HeldMonitor, NonsenseInsteadOfAReplyIsAFailure) {
  libvirt_->qmp = [](const json&) -> Result<json> { return json("text"); };
  EXPECT_EQ(inspect_guest(Pid(60), options_)->qmp.state, QmpState::kFailed);
}

TEST_F(HeldMonitor, ADomainWithoutAProcessHereIsNamed) {
  const auto unseen = unseen_domains(options_, {});
  ASSERT_EQ(unseen.size(), 1u);
  EXPECT_EQ(unseen[0].name, "vm1");
  const auto said = unseen_domain(options_, "vm1", {});
  ASSERT_TRUE(said.has_value());
  EXPECT_THAT(said->message, HasSubstr(kUuid));
  EXPECT_FALSE(unseen_domain(options_, "vm2", {}).has_value());
}

TEST_F(HeldMonitor, AnEventMakesTheNextLookAskAtOnce) {
  Watch watch(options_);
  ASSERT_EQ(watch.look()->came.size(), 1u);
  for (int i = 0; i < 5; ++i) ASSERT_FALSE(watch.look()->any());
  libvirt_->asked.clear();
  EXPECT_FALSE(watch.woken());
  ASSERT_FALSE(watch.look()->any());
  EXPECT_TRUE(libvirt_->asked.empty()) << "a known guest is not asked at each look";
  status_ = "paused";
  libvirt_->events.push_back({{kUuid, "vm1"}, "suspended"});
  EXPECT_TRUE(watch.woken());
  const auto changes = watch.look();
  ASSERT_EQ(changes->changed.size(), 1u);
  EXPECT_EQ(changes->changed[0].status, "paused");
  ASSERT_EQ(changes->events.size(), 1u);
  EXPECT_EQ(changes->events[0].what, "suspended");
  EXPECT_FALSE(watch.woken());
}

TEST_F(HeldMonitor, AGuestThatIsNotWantedIsNotAsked) {
  options_.libvirt = {};
  int connected = 0;
  options_.later_libvirt = [&] {
    ++connected;
    return LibvirtChoice{libvirt_, {}};
  };
  Watch others(options_, [](const Guest& guest) { return guest.name != "vm1"; });
  ASSERT_EQ(others.look()->came.size(), 1u);
  EXPECT_EQ(connected, 0);
  EXPECT_TRUE(libvirt_->asked.empty());
  Watch watch(options_, [](const Guest& guest) { return guest.name == "vm1"; });
  EXPECT_EQ(watch.look()->came.at(0).qmp.state, QmpState::kOk);
  EXPECT_EQ(connected, 1);
  EXPECT_TRUE(libvirt_is_needed(proc_));
}

TEST(LibvirtConnection, WhatCannotBeReachedIsAnErrorOfOneLine) {
  const auto none =
      connect_libvirt("qemu+unix:///system?socket=/tmp/ivtrace-no-such-socket", Nanoseconds(20'000'000'000));
  ASSERT_FALSE(none.ok());
  EXPECT_TRUE(none.error().code == ErrorCode::kIo || none.error().code == ErrorCode::kUnsupported);
  EXPECT_THAT(none.error().message, HasSubstr("cannot connect to qemu+unix:///system"));
  EXPECT_EQ(none.error().to_string().find('\n'), std::string::npos);
}

/// libvirt's own driver for tests, with one domain and no QEMU.
TEST(LibvirtConnection, ListsDomainsAndTellsWhatIsRefused) {
  constexpr Nanoseconds kLimit{20'000'000'000};
  const auto libvirt = connect_libvirt("test:///default", kLimit);
  if (!libvirt && libvirt.error().code == ErrorCode::kUnsupported)
    GTEST_SKIP() << libvirt.error().to_string();
  ASSERT_TRUE(libvirt.ok()) << libvirt.error().to_string();
  const auto domains = (*libvirt)->domains(kLimit);
  ASSERT_TRUE(domains.ok()) << domains.error().to_string();
  ASSERT_EQ(domains->size(), 1u);
  EXPECT_EQ(domains->front().name, "test");
  EXPECT_FALSE((*libvirt)->monitor_command(domains->front().uuid, "{}", kLimit).ok());
  EXPECT_EQ((*libvirt)->monitor_command(kUuid, "{}", kLimit).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace ivtrace::hypervisor
