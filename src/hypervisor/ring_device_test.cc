// A ring that goes in and out by libvirt. By QMP alone: ring_plug_test.cc.
#include "hypervisor/ring_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/fd.h"
#include "base/mapping.h"
#include "hypervisor/libvirt_test_support.h"
#include "hypervisor/ring_plug.h"

namespace ivtrace::hypervisor {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

constexpr std::uint64_t kSize = 1u << 20;

class RingByLibvirt : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/dev/shm/ivtrace-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    options_.directory = name;
    guest_.pid = Pid(::getpid());
    guest_.name = "vm";
    guest_.qmp.libvirt = libvirt_;
    guest_.qmp.domain = "uuid";
    path_ = ring_file_path(guest_, options_.directory);
    libvirt_->qmp = [this](const json& command) { return answer(command); };
    libvirt_->attach = [this](const std::string& xml) { return attach(xml); };
    libvirt_->detach = [this](const std::string& alias) {
      detached_ = alias;
      device_ = stays_;
      if (!stays_) memory_.reset();
      return Status();
    };
  }
  void TearDown() override { fs::remove_all(options_.directory); }

  Status attach(const std::string& xml) {
    if (refuses_) return Error(ErrorCode::kIo, "libvirt did not attach the device: full");
    xml_ = xml;
    device_ = true;
    memory_.emplace();
    if (!maps_) return {};
    auto fd = open_file(path_, O_RDWR);
    EXPECT_TRUE(fd.ok());
    auto mapping = Mapping::guarded(fd->get(), 0, kSize, Mapping::Access::kReadWrite, "fake");
    EXPECT_TRUE(mapping.ok());
    memory_ = std::move(*mapping);
    return {};
  }

  Result<json> answer(const json& command) const {
    const std::string path = command["arguments"]["path"];
    if (command["execute"] == "qom-get")
      return json{{"return", path == "/machine" ? "pc-i440fx-7.2-machine" : path_}};
    EXPECT_EQ(command["execute"], "qom-list") << "changes go through libvirt, which must know of them";
    json children = json::array();
    if (path == "/machine/peripheral" && device_)
      children.push_back({{"name", "ua-ivtrace-ring"}, {"type", "child<ivshmem-plain>"}});
    if (path == "/objects" && memory_)
      children.push_back({{"name", "shmmem-ua-ivtrace-ring"}, {"type", "child<memory-backend-file>"}});
    return json{{"return", children}};
  }

  std::shared_ptr<FakeLibvirt> libvirt_ = std::make_shared<FakeLibvirt>(Domain{"uuid", "vm"});
  PlugOptions options_;
  Guest guest_;
  std::string path_;
  std::string xml_;
  std::string detached_;
  bool device_ = false;
  bool refuses_ = false;
  bool maps_ = true;
  bool stays_ = false;
  std::optional<Mapping> memory_;
};

TEST_F(RingByLibvirt, GoesInAndOutAndLeavesNoFile) {
  const auto ring = plug_ring(guest_, kSize, options_);
  ASSERT_TRUE(ring.ok()) << ring.error().to_string();
  EXPECT_THAT(xml_, HasSubstr("<model type='ivshmem-plain'/><size unit='B'>1048576</size>"));
  EXPECT_THAT(xml_, HasSubstr("<alias name='ua-ivtrace-ring'/>"));
  EXPECT_EQ(xml_.find("<address"), std::string::npos) << "on pci.0 libvirt knows what is free";
  const auto state = look_at_plug(guest_, options_);
  ASSERT_TRUE(state.ok());
  EXPECT_TRUE(state->device && state->memory);
  EXPECT_EQ(state->path, path_);
  const Status out = unplug_ring(guest_, options_);
  ASSERT_TRUE(out.ok()) << out.error().to_string();
  EXPECT_EQ(detached_, "ua-ivtrace-ring");
  EXPECT_TRUE(fs::is_empty(options_.directory));
}

TEST_F(RingByLibvirt, WhatLibvirtRefusesIsUndone) {
  refuses_ = true;
  const auto ring = plug_ring(guest_, kSize, options_);
  ASSERT_FALSE(ring.ok());
  EXPECT_THAT(ring.error().message, HasSubstr("full"));
  EXPECT_TRUE(fs::is_empty(options_.directory));
}

TEST_F(RingByLibvirt, AnotherFileInADomainsOwnNamespaceIsFoundOut) {
  maps_ = false;
  const auto ring = plug_ring(guest_, kSize, options_);
  ASSERT_FALSE(ring.ok());
  EXPECT_THAT(ring.error().message, HasSubstr("another mount namespace"));
  EXPECT_EQ(detached_, "ua-ivtrace-ring");
  EXPECT_TRUE(fs::is_empty(options_.directory));
}

TEST_F(RingByLibvirt, AGuestThatDoesNotLetGoKeepsEverything) {
  ASSERT_TRUE(plug_ring(guest_, kSize, options_).ok());
  stays_ = true;
  options_.removal_limit = Nanoseconds(100'000'000);
  const Status out = unplug_ring(guest_, options_);
  ASSERT_FALSE(out.ok());
  EXPECT_EQ(out.error().code, ErrorCode::kTimeout);
  EXPECT_TRUE(fs::exists(path_));
}

TEST(RingXml, ARootPortIsNamedByItsController) {
  EXPECT_THAT(ring_xml("f", 1, "ua-x", 7), HasSubstr("<address type='pci' bus='7' slot='0' function='0'/>"));
  EXPECT_EQ(libvirt_bus("pci.7"), 7u);
  EXPECT_EQ(libvirt_bus("pci.0"), 0u);
  for (const char* bus : {"ivport", "pci.x", "pci.", "pci.256", ""}) EXPECT_FALSE(libvirt_bus(bus)) << bus;
}

}  // namespace
}  // namespace ivtrace::hypervisor
