#include "probes/kernel_functions.h"

#include <gtest/gtest.h>

namespace ivtrace::probes {
namespace {

TEST(KernelFunctions, OnlyFunctionsAndTheNearestOfThem) {
  const auto functions = KernelFunctions::parse(
      "ffffffff81000000 T vfs_read\nffffffff81000010 t ext4_readdir\t[ext4]\nffffffff81000020 D vfs_data\n"
      "short\n\nffffffff81000030 W weak_one\n");
  EXPECT_TRUE(functions.require("vfs_read"));
  EXPECT_TRUE(functions.require("ext4_readdir"));
  EXPECT_TRUE(functions.require("weak_one"));
  EXPECT_FALSE(functions.require("vfs_data"));
  const auto wrong = functions.require("vfs_raed");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, "no function vfs_raed in this kernel; nearest: vfs_read");
}

}  // namespace
}  // namespace ivtrace::probes
