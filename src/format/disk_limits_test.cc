#include "format/disk_limits.h"

#include <gtest/gtest.h>

namespace ivtrace::format {
namespace {

DiskLimits by_qemu(std::uint64_t iops, std::uint64_t bps_read = 0) {
  DiskLimits limits;
  limits.iops = iops;
  limits.bps_read = bps_read;
  limits.by = "qemu";
  return limits;
}

DiskLimits by_cgroup(std::uint64_t iops, std::uint64_t iops_read = 0) {
  DiskLimits limits;
  limits.iops = iops;
  limits.iops_read = iops_read;
  limits.by = "cgroup";
  return limits;
}

TEST(DiskLimits, TheSmallerHoldsAndNamesWhoSetIt) {
  EXPECT_EQ(tightest(by_qemu(200), DiskLimits()), by_qemu(200));
  EXPECT_EQ(tightest(DiskLimits(), by_qemu(200)), by_qemu(200));
  EXPECT_EQ(tightest(by_qemu(200), by_cgroup(100)), by_cgroup(100));
  EXPECT_EQ(tightest(by_qemu(200), by_qemu(100)), by_qemu(100));
  EXPECT_EQ(tightest(by_qemu(200), by_cgroup(200)).by, "qemu, cgroup");
  const DiskLimits both = tightest(by_qemu(200, 4096), by_cgroup(300, 50));
  EXPECT_EQ(both.iops, 200u);
  EXPECT_EQ(both.iops_read, 50u);
  EXPECT_EQ(both.bps_read, 4096u);
  EXPECT_EQ(both.by, "qemu, cgroup");
  EXPECT_FALSE(tightest(DiskLimits(), DiskLimits()).any());
  EXPECT_EQ(tightest(DiskLimits(), DiskLimits()).by, "");
}

TEST(DiskLimits, ReadAsWords) {
  EXPECT_EQ(limits_text(DiskLimits()), "");
  EXPECT_EQ(limits_text(by_qemu(200, 1u << 20)), "200 requests/s, 1.0 MiB/s of reads (qemu)");
  EXPECT_EQ(limits_text(by_cgroup(0, 50)), "50 reads/s (cgroup)");
}

}  // namespace
}  // namespace ivtrace::format
