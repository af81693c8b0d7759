// Made-up hierarchies of both versions, and, where this machine lets us, a group of our own.
#include "hypervisor/cgroup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/fd.h"

namespace ivtrace::hypervisor {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class MadeGroups : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/ivtrace-cg-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { fs::remove_all(directory_); }

  void file(const std::string& name, const std::string& text) {
    fs::create_directories((directory_ / name).parent_path());
    std::ofstream(directory_ / name) << text;
  }
  /// v1 at "v 1" below our directory, with blkio and cpu of its own; v2 at "v2".
  void mount(const std::string& v1_root = "/") {
    const std::string at = directory_.string();
    file("proc/self/mountinfo", "20 1 254:0 / / rw - ext4 /dev/vda rw\n31 20 0:9 " + v1_root + " " + at +
                                    "/v\\0401/blkio rw shared:5 - cgroup cgroup rw,blkio\n32 20 0:10 " +
                                    v1_root + " " + at +
                                    "/v\\0401/cpu rw - cgroup cgroup rw,cpu,cpuacct\n33 20 0:11 / " + at +
                                    "/v2 rw - cgroup2 none rw\nnonsense\n - \n");
  }
  ControlGroups groups() const { return *ControlGroups::find((directory_ / "proc").string()); }
  std::string disk_limits() const {
    const std::vector<std::string> devices = {"254:0"};
    const auto limits = groups().disk_limits(Pid(7), devices);
    return limits ? format::limits_text(*limits) : limits.error().message;
  }
  fs::path directory_;
};

TEST_F(MadeGroups, OfVersion2TheSmallestUpToTheRootCounts) {
  mount();
  file("proc/7/cgroup", "0::/a/b\n");
  file("v2/a/b/io.max", "8:0 rbps=1 wbps=1 riops=1 wiops=1\n254:0 rbps=max wbps=4096 riops=100 wiops=max\n");
  file("v2/a/io.max", "254:0 rbps=1048576 wbps=8192 riops=50 wiops=max\n");
  EXPECT_EQ(disk_limits(), "50 reads/s, 1.0 MiB/s of reads, 4.0 KiB/s of writes (cgroup)");
  file("v2/a/b/cpu.max", "max 100000\n");
  file("v2/a/cpu.max", "150000 100000\n");
  EXPECT_EQ(*groups().cpu_limit_us(Pid(7), {}), 1'500'000u);
}

TEST_F(MadeGroups, OfVersion1DisksOnlyTheGroupItselfCounts) {
  mount();
  file("proc/7/cgroup", "7:blkio:/a/b\n3:cpuacct,cpu:/a/b\n0::/\n");
  file("v 1/blkio/a/b/blkio.throttle.read_iops_device", "8:0 1\n254:0 200\n");
  file("v 1/blkio/a/b/blkio.throttle.write_bps_device", "254:0 18446744073709551615\n");
  file("v 1/blkio/a/blkio.throttle.read_iops_device", "254:0 10\n");
  EXPECT_EQ(disk_limits(), "200 reads/s (cgroup)");
  file("v 1/cpu/a/cpu.cfs_quota_us", "25000\n");
  file("v 1/cpu/a/cpu.cfs_period_us", "50000\n");
  file("v 1/cpu/a/b/cpu.cfs_quota_us", "-1\n");
  file("v 1/cpu/a/b/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(*groups().cpu_limit_us(Pid(7), {}), 500'000u);
}

TEST_F(MadeGroups, ThreadsInGroupsOfTheirOwnAreAddedUp) {
  mount();
  for (int thread = 8; thread <= 10; ++thread)
    file("proc/7/task/" + std::to_string(thread) + "/cgroup", "0::/vm/vcpu" + std::to_string(thread) + "\n");
  file("v2/vm/vcpu8/cpu.max", "50000 100000\n");
  file("v2/vm/vcpu9/cpu.max", "25000 100000\n");
  const std::vector<Tid> threads = {Tid(8), Tid(9), Tid(10), Tid(11)};  // the last one has ended
  EXPECT_EQ(*groups().cpu_limit_us(Pid(7), threads), 1'750'000u);
  file("v2/vm/cpu.max", "120000 100000\n");
  EXPECT_EQ(*groups().cpu_limit_us(Pid(7), threads), 1'200'000u);
}

TEST_F(MadeGroups, AGroupThatIsMountedElsewhereIsSaidToBeUnseen) {
  mount("/docker/x");
  file("proc/7/cgroup", "7:blkio:/docker/x/y\n");
  file("v 1/blkio/y/blkio.throttle.read_iops_device", "254:0 30\n");
  EXPECT_EQ(disk_limits(), "30 reads/s (cgroup)");
  for (const char* path : {"/docker/xy", "/other", "/../host"}) {
    file("proc/7/cgroup", std::string("7:blkio:") + path + "\n");
    EXPECT_EQ(disk_limits(), std::string("the control group ") + path + " cannot be seen from here");
  }
}

TEST_F(MadeGroups, WhatIsMissingOrNonsenseIsNoLimit) {
  mount();
  file("proc/7/cgroup", "7:blkio:/a\n0::/a\n:\nx");
  file("v 1/blkio/a/blkio.throttle.read_iops_device", "254:0\n254:0 many\n\n");
  file("v2/a/io.max", "254:0 rbps riops= =5 wiops=max\n");
  file("v2/a/cpu.max", "1 0\n");
  EXPECT_EQ(disk_limits(), "");
  EXPECT_EQ(*groups().cpu_limit_us(Pid(7), {}), 0u);
  EXPECT_FALSE(ControlGroups::find("/tmp/ivtrace-no-such-proc").ok());
}

TEST_F(MadeGroups, APartitionIsLimitedAsItsDiskAndAVolumeAsItselfToo) {
  file("dev/block/8:0/dev", "8:0\n");
  file("dev/block/8:0/sda3/dev", "8:3\n");
  file("dev/block/8:0/sda3/partition", "3\n");
  fs::create_symlink("8:0/sda3", directory_ / "dev/block/8:3");
  file("dev/block/253:1/dev", "253:1\n");
  fs::create_directories(directory_ / "dev/block/253:1/slaves");
  fs::create_symlink("../../8:0/sda3", directory_ / "dev/block/253:1/slaves/sda3");
  const auto devices = [&](unsigned major, unsigned minor) {
    return limited_devices(major << 8 | minor, directory_.string());
  };
  EXPECT_THAT(devices(8, 3), ElementsAre("8:0"));
  EXPECT_THAT(devices(253, 1), ElementsAre("253:1", "8:0"));
  EXPECT_THAT(devices(0, 40), IsEmpty());
}

/// A group of our own in this machine's hierarchy, with nothing in it; removed again.
TEST(RealGroups, ThisMachinesFilesAreUnderstood) {
  const std::string blkio = "/sys/fs/cgroup/blkio";
  const std::string group = blkio + "/ivtrace-test-" + std::to_string(getpid());
  struct Removed {
    std::string path;
    ~Removed() { rmdir(path.c_str()); }
  } removed{group};
  const auto disk = read_file("/sys/block/vda/dev", 64);
  if (!disk || mkdir(group.c_str(), 0755) != 0)
    GTEST_SKIP() << "no disk vda, or no blkio controller of version 1";
  const std::string device = disk->substr(0, disk->find('\n'));
  ASSERT_TRUE(write_control_file_at(AT_FDCWD, group + "/blkio.throttle.read_iops_device", device + " 123"));
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  const bool moved = write_control_file_at(AT_FDCWD, group + "/cgroup.procs", std::to_string(child)).ok();
  const auto limits = ControlGroups::find("/proc")->disk_limits(Pid(child), std::vector{device});
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  ASSERT_TRUE(moved);
  ASSERT_TRUE(limits.ok()) << limits.error().message;
  EXPECT_EQ(limits->iops_read, 123u);
  EXPECT_EQ(limits->by, "cgroup");
}

}  // namespace
}  // namespace ivtrace::hypervisor
