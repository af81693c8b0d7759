#include "clock/kvm.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "clock/relation.h"

namespace ivtrace::clock {
namespace {

namespace fs = std::filesystem;

class KvmFiles : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/ivtrace-kvm-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    root_ = name;
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  void vcpu(const std::string& machine, int id, const std::string& offset,
            const std::string& guest_mode = "0\n") {
    const std::string dir = machine + "/vcpu" + std::to_string(id) + "/";
    write(dir + "tsc-offset", offset);
    write(dir + "guest_mode", guest_mode);
  }
  KvmReading read(std::int32_t pid) {
    const auto kvm = KvmDebugfs::open_directory(root_.string());
    EXPECT_TRUE(kvm.ok());
    auto reading = kvm->read(Pid(pid));
    EXPECT_TRUE(reading.ok());
    return reading.ok() ? *reading : KvmReading{};
  }

  fs::path root_;
};

const std::vector<format::AgentCpu> kCpus{{0, 0, true}, {1, 4, true}, {2, 4, false}};

TEST_F(KvmFiles, AllVcpusOfOneRelationAreOneEpochForAll) {
  vcpu("42-11", 0, "-123456789\n");
  vcpu("42-11", 4, "-123456789\n");
  vcpu("421-11", 0, "5\n");  // another process whose pid starts alike
  const KvmReading reading = read(42);
  ASSERT_EQ(reading.vcpus.size(), 2u);
  const auto relations = relations_of(reading, kCpus, HostTsc(9));
  ASSERT_EQ(relations.size(), 1u);
  EXPECT_FALSE(relations[0].cpu);
  EXPECT_EQ(relations[0].relation.offset, -123456789);
  EXPECT_EQ(relations[0].not_before, HostTsc(9));
  EXPECT_EQ(relations[0].not_after, reading.after);
}

TEST_F(KvmFiles, DifferingVcpusGoToTheGuestCpuWithThatApicId) {
  vcpu("42-11", 0, "-100\n");
  vcpu("42-11", 4, "-200\n");
  vcpu("42-11", 6, "-300\n");  // no CPU that the agent knows
  const auto relations = relations_of(read(42), kCpus, HostTsc(0));
  ASSERT_EQ(relations.size(), 2u);
  EXPECT_EQ(relations[0].cpu, 0u);
  EXPECT_EQ(relations[1].cpu, 1u);
  EXPECT_EQ(relations[1].relation.offset, -200);
}

TEST_F(KvmFiles, ScalingIsReadWithItsFractionBits) {
  vcpu("42-11", 0, "10\n");
  write("42-11/vcpu0/tsc-scaling-ratio", "6442450944\n");
  write("42-11/vcpu0/tsc-scaling-ratio-frac-bits", "32\n");
  const KvmReading reading = read(42);
  ASSERT_EQ(reading.vcpus.size(), 1u);
  EXPECT_EQ(to_guest(reading.vcpus[0].relation, HostTsc(1000)), GuestTsc(1510));
}

TEST_F(KvmFiles, AVcpuInANestedGuestIsNotBelieved) {
  vcpu("42-11", 0, "-100\n");
  vcpu("42-11", 4, "-999\n", "1\n");
  const KvmReading reading = read(42);
  EXPECT_EQ(reading.vcpus.size(), 1u);
  EXPECT_EQ(reading.nested, std::vector<std::uint32_t>{4});
  EXPECT_TRUE(relations_of(reading, kCpus, HostTsc(0)).empty());
}

TEST_F(KvmFiles, NonsenseIsToldAndLeftOut) {
  vcpu("42-11", 0, "banana\n");
  vcpu("42-11", 1, "-5\n");
  write("42-11/vcpu1/tsc-scaling-ratio", "0\n");
  write("42-11/vcpu1/tsc-scaling-ratio-frac-bits", "48\n");
  const KvmReading reading = read(42);
  EXPECT_TRUE(reading.vcpus.empty());
  EXPECT_EQ(reading.unreadable.size(), 2u);
}

TEST_F(KvmFiles, AProcessWithoutKvmIsNotFound) {
  vcpu("42-11", 0, "-100\n");
  const auto kvm = KvmDebugfs::open_directory(root_.string());
  ASSERT_TRUE(kvm.ok());
  const auto reading = kvm->read(Pid(43));
  ASSERT_FALSE(reading.ok());
  EXPECT_EQ(reading.error().code, ErrorCode::kNotFound);
}

TEST(KvmDebugfs, OpensOnThisMachineWithoutAMountPoint) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const auto kvm = KvmDebugfs::open();
  if (!kvm) GTEST_SKIP() << "this kernel has no KVM or no debugfs: " << kvm.error().message;
  const auto reading = kvm->read(Pid(1));
  ASSERT_FALSE(reading.ok());
  EXPECT_EQ(reading.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace ivtrace::clock
