#include "hypervisor/block_stack.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "base/fd.h"

namespace ivtrace::hypervisor {
namespace {

using Texts = std::vector<std::string>;

/// A made sysfs.
class BlockStackTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/block-stack-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    sys_ = name;
    options_.sys = sys_;
    options_.release = "6.1.0-13-amd64";
    options_.dm_targets = [this](dev_t number) -> Result<Texts> {
      const auto found = targets_.find(minor(number));
      if (found == targets_.end()) return Error(ErrorCode::kIo, "no such device");
      return found->second;
    };
  }
  void TearDown() override { std::filesystem::remove_all(sys_); }

  /// `name`: "sda", or "sda/sda1" for a partition of it that begins at sector 2048.
  void device(const std::string& name, const std::string& number) {
    const std::string directory = sys_ + "/devices/" + name;
    std::filesystem::create_directories(directory);
    write(name + "/dev", number);
    if (name.find('/') != name.npos) write(name + "/start", "2048");
    std::filesystem::create_directories(sys_ + "/dev/block");
    std::filesystem::create_directory_symlink(directory, sys_ + "/dev/block/" + number);
  }
  void device_mapper(unsigned minor, const Texts& targets) {
    const std::string name = "dm-" + std::to_string(minor);
    device(name, "253:" + std::to_string(minor));
    std::filesystem::create_directory(sys_ + "/devices/" + name + "/dm");
    targets_[minor] = targets;
  }
  void raid(const std::string& level) {
    device("md0", "9:0");
    std::filesystem::create_directory(sys_ + "/devices/md0/md");
    write("md0/md/level", level);
  }
  void stack(const std::string& above, const std::string& below) {
    const std::string slaves = sys_ + "/devices/" + above + "/slaves";
    std::filesystem::create_directories(slaves);
    std::filesystem::create_directory_symlink(
        sys_ + "/devices/" + below, slaves + "/" + std::filesystem::path(below).filename().string());
  }
  void write(const std::string& name, const std::string& content) {
    ASSERT_TRUE(replace_file(sys_ + "/devices/" + name, content + "\n"));
  }
  Result<BlockPlace> place(unsigned major, unsigned minor) {
    return block_place_of(makedev(major, minor), options_);
  }
  std::string reason(unsigned major, unsigned minor) {
    const auto found = place(major, minor);
    return found ? "" : found.error().message;
  }

  std::string sys_;
  BlockStackOptions options_;
  std::map<unsigned, Texts> targets_;
};

TEST_F(BlockStackTest, APartitionIsAPartOfItsDisk) {
  device("sda", "8:16");
  device("sda/sda1", "8:17");
  const auto part = place(8, 17);
  ASSERT_TRUE(part.ok()) << part.error().to_string();
  EXPECT_EQ(part->device, 8u << 20 | 16);
  EXPECT_EQ(part->start, 2048u * 512);
  EXPECT_TRUE(part->layers.empty());
  EXPECT_EQ(place(8, 16)->start, 0u);
  EXPECT_EQ(place(8, 18).error().code, ErrorCode::kUnsupported);
}

TEST_F(BlockStackTest, AVolumeIsItselfAndTellsWhatIsBelow) {
  device("sda", "8:0");
  device("sda/sda1", "8:1");
  raid("raid1");
  device_mapper(0, {"crypt"});
  device_mapper(1, {"linear", "striped"});
  stack("dm-1", "dm-0");
  stack("dm-0", "md0");
  stack("md0", "sda/sda1");
  const auto volume = place(253, 1);
  ASSERT_TRUE(volume.ok()) << volume.error().to_string();
  EXPECT_EQ(volume->device, 253u << 20 | 1);
  EXPECT_EQ(volume->start, 0u);
  EXPECT_EQ(volume->layers,
            (Texts{"device-mapper linear", "device-mapper striped", "device-mapper crypt", "md raid1"}));
}

TEST_F(BlockStackTest, WhereTheKernelTellsNothingIsNotFollowed) {
  raid("raid5");
  device("md0/md0p1", "9:1");
  EXPECT_NE(reason(9, 0).find("md raid5"), std::string::npos);
  EXPECT_NE(reason(9, 1).find("md raid5"), std::string::npos);
  device_mapper(0, {"raid"});
  EXPECT_NE(reason(253, 0).find("device-mapper raid"), std::string::npos);
  device_mapper(1, {"linear"});
  stack("dm-1", "dm-0");
  EXPECT_NE(reason(253, 1).find("device-mapper raid"), std::string::npos);
  device("bcache0", "251:0");
  device("sda", "8:0");
  stack("bcache0", "sda");
  EXPECT_NE(reason(251, 0).find("neither device-mapper nor md"), std::string::npos);
  device_mapper(2, {});
  targets_.erase(2);
  EXPECT_EQ(reason(253, 2), "no such device");
}

TEST_F(BlockStackTest, WhatIsHandedOnLaterIsToldByNewerKernelsOnly) {
  device_mapper(0, {"crypt"});
  device_mapper(1, {"linear"});
  EXPECT_TRUE(place(253, 0).ok());
  options_.release = "5.15.0-91-generic";
  EXPECT_NE(reason(253, 0).find("before 5.18"), std::string::npos);
  EXPECT_TRUE(place(253, 1).ok());
}

TEST_F(BlockStackTest, AStackThatGoesInCirclesEnds) {
  device_mapper(0, {"linear"});
  device_mapper(1, {"linear"});
  stack("dm-0", "dm-1");
  stack("dm-1", "dm-0");
  EXPECT_NE(reason(253, 0).find("more devices"), std::string::npos);
}

}  // namespace
}  // namespace ivtrace::hypervisor
