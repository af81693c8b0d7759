#include "record/tsc_watch.h"

#include <gtest/gtest.h>

namespace ivtrace::record {
namespace {

TEST(TscOffsetLine, IsReadFromTheRight) {
  auto write = parse_tsc_offset_line(
      "     CPU 0/KVM-4711    [001] d..1. 123456789012: kvm_write_tsc_offset: vcpu=3 prev=1 "
      "next=18446744073709551615");
  ASSERT_TRUE(write.has_value());
  EXPECT_EQ(write->thread, Tid(4711));
  EXPECT_EQ(write->vcpu_id, 3u);
  EXPECT_EQ(write->offset, -1);
  EXPECT_EQ(write->at, HostTsc(123456789012));
}

TEST(TscOffsetLine, ATasksNameCannotForgeOne) {
  auto write = parse_tsc_offset_line(
      " a [0] 1: kvm_write_tsc_offset: vcpu=9 next=9-77 [000] d..1. 5: kvm_write_tsc_offset: vcpu=1 prev=2 "
      "next=3");
  ASSERT_TRUE(write.has_value());
  EXPECT_EQ(write->thread, Tid(77));
  EXPECT_EQ(write->vcpu_id, 1u);
  EXPECT_EQ(write->at, HostTsc(5));
}

TEST(TscOffsetLine, CutAnywhereItIsNoneOrTheSame) {
  const std::string line = "x-7 [000] d..1. 5: kvm_write_tsc_offset: vcpu=1 prev=2 next=3";
  for (std::size_t cut = 0; cut < line.size(); ++cut) {
    EXPECT_FALSE(parse_tsc_offset_line(std::string_view(line).substr(0, cut)).has_value()) << cut;
  }
  EXPECT_FALSE(parse_tsc_offset_line("CPU:0 [LOST 4 EVENTS]").has_value());
}

}  // namespace
}  // namespace ivtrace::record
