#include "agent/ring_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "ring/producer.h"

namespace ivtrace::agent {
namespace {

using ::testing::HasSubstr;

TEST(MayFormat, takes_untouched_memory_and_rings_of_any_version) {
  auto memory = Mapping::anonymous(1 << 20);
  ASSERT_TRUE(memory.ok());
  EXPECT_TRUE(may_format(memory->bytes()));
  ASSERT_TRUE(ring::Producer::format(memory->bytes(), 2, 7).ok());
  EXPECT_TRUE(may_format(memory->bytes()));
  std::memcpy(memory->data(), "!IVRING9", 8);
  EXPECT_TRUE(may_format(memory->bytes()));
  std::memset(memory->data(), 0, 8);  // killed while formatting
  EXPECT_TRUE(may_format(memory->bytes()));
}

TEST(MayFormat, leaves_other_programs_memory_alone) {
  auto memory = Mapping::anonymous(1 << 20);
  ASSERT_TRUE(memory.ok());
  std::memcpy(memory->data(), "KVMFR---", 8);
  EXPECT_FALSE(may_format(memory->bytes()));
  std::memset(memory->data(), 0, 8);
  memory->data()[2000] = std::byte{1};
  EXPECT_FALSE(may_format(memory->bytes()));
  EXPECT_FALSE(may_format(memory->bytes().first(100)));
}

/// A directory that looks like /sys/bus/pci/devices.
class FakeSysfs : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/ivtrace-pci-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    root_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void add(const std::string& address, const char* device_id, const char* resource, std::size_t bytes) {
    const std::string dir = root_ + "/" + address;
    std::filesystem::create_directory(dir);
    ASSERT_TRUE(replace_file(dir + "/vendor", "0x1af4\n").ok());
    ASSERT_TRUE(replace_file(dir + "/device", device_id).ok());
    ASSERT_TRUE(replace_file(dir + "/enable", "0\n").ok());
    ASSERT_TRUE(replace_file(dir + "/" + resource, std::string(bytes, '\0')).ok());
  }

  std::string root_;
};

TEST_F(FakeSysfs, finds_enables_and_maps_write_combining_memory_first) {
  add("0000:00:03.0", "0x1000\n", "resource2", 1 << 20);
  add("0000:00:04.0", "0x1110\n", "resource2", 1 << 20);
  ASSERT_TRUE(replace_file(root_ + "/0000:00:04.0/resource2_wc", std::string(2 << 20, '\0')).ok());
  const auto memory = open_ivshmem("", {}, root_);
  ASSERT_TRUE(memory.ok()) << memory.error().to_string();
  EXPECT_THAT(memory->name, HasSubstr("0000:00:04.0 (resource2_wc)"));
  EXPECT_EQ(memory->mapping.size(), 2u << 20);
  EXPECT_EQ(read_file(root_ + "/0000:00:04.0/enable")->front(), '1');
}

TEST_F(FakeSysfs, without_a_device_says_how_to_get_one) {
  add("0000:00:03.0", "0x1000\n", "resource2", 1 << 20);
  const auto memory = open_ivshmem("", {}, root_);
  ASSERT_FALSE(memory.ok());
  EXPECT_EQ(memory.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(memory.error().hint, HasSubstr("ivshmem-plain"));
}

TEST_F(FakeSysfs, one_agent_per_device) {
  add("0000:00:04.0", "0x1110\n", "resource2", 1 << 20);
  const auto first = open_ivshmem("", {}, root_);
  ASSERT_TRUE(first.ok()) << first.error().to_string();
  EXPECT_EQ(open_ivshmem("", {}, root_).error().code, ErrorCode::kBusy);
  add("0000:00:05.0", "0x1110\n", "resource2", 1 << 20);
  const auto second = open_ivshmem("", {}, root_);
  ASSERT_TRUE(second.ok()) << "the next device is free";
  EXPECT_EQ(open_ivshmem("0000:00:04.0", {}, root_).error().code, ErrorCode::kBusy);
}

TEST_F(FakeSysfs, a_device_that_was_given_back_is_not_taken_but_its_successor_in_the_slot_is) {
  add("0000:00:04.0", "0x1110\n", "resource2", 1 << 20);
  ASSERT_TRUE(replace_file(root_ + "/0000:00:04.0/resource2_wc", std::string(1 << 20, '\0')).ok());
  std::optional<MemoryId> let_go;
  {
    const auto first = open_ivshmem("", {}, root_);
    ASSERT_TRUE(first.ok()) << first.error().to_string();
    let_go = first->id;
  }
  EXPECT_EQ(open_ivshmem("", let_go, root_).error().code, ErrorCode::kNotFound);
  // The old file's inode is still taken, as kernfs never gives a number twice.
  std::filesystem::rename(root_ + "/0000:00:04.0", root_ + "/unplugged");
  add("0000:00:04.0", "0x1110\n", "resource2", 1 << 20);
  ASSERT_TRUE(replace_file(root_ + "/unplugged/device", "0x0000\n").ok());
  const auto second = open_ivshmem("", let_go, root_);
  ASSERT_TRUE(second.ok()) << second.error().to_string();
}

TEST_F(FakeSysfs, a_device_without_an_address_for_its_memory_may_get_better) {
  add("0000:01:00.0", "0x1110\n", "resource0", 256);
  ASSERT_TRUE(replace_file(root_ + "/0000:01:00.0/resource",
                           "0x00000000fa600000 0x00000000fa6000ff 0x0000000000040200\n"
                           "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
                           "0x0000000000000000 0x0000000000000000 0x0000000000000000\n")
                  .ok());
  const auto memory = open_ivshmem("", {}, root_);
  ASSERT_FALSE(memory.ok());
  EXPECT_EQ(memory.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(memory.error().to_string(), HasSubstr("pref64-reserve"));
  EXPECT_EQ(read_file(root_ + "/0000:01:00.0/enable")->front(), '0') << "it was left alone";
}

TEST_F(FakeSysfs, too_small_memory_is_told) {
  add("0000:00:04.0", "0x1110\n", "resource2", 4096);
  const auto memory = open_ivshmem("", {}, root_);
  ASSERT_FALSE(memory.ok());
  EXPECT_THAT(memory.error().to_string(), HasSubstr("too small"));
}

}  // namespace
}  // namespace ivtrace::agent
