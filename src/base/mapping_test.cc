#include "base/mapping.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"

namespace ivtrace {
namespace {

TEST(GuardedMapping, AFileThatShrinksReadsAsZeroesAndIsSaid) {
  const UniqueFd fd(::memfd_create("shrinking", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(fd.get(), 8192), 0);
  auto mapping = Mapping::guarded(fd.get(), 0, 8192, Mapping::Access::kReadWrite, "test file");
  ASSERT_TRUE(mapping);
  auto* bytes = reinterpret_cast<volatile unsigned char*>(mapping->data());
  bytes[5000] = 7;
  EXPECT_FALSE(mapping->lost());
  ASSERT_EQ(::ftruncate(fd.get(), 0), 0);
  EXPECT_EQ(bytes[5000], 0);
  EXPECT_TRUE(mapping->lost());
  bytes[0] = 1;  // and stores do not kill either
}

TEST(GuardedMapping, AnUnguardedFaultStillKills) {
  const auto fault = [] {
    const UniqueFd fd(::memfd_create("unguarded", MFD_CLOEXEC));
    auto mapping = Mapping::of_fd(fd.get(), 0, 4096, Mapping::Access::kRead, "test file");
    const auto guard = Mapping::guarded(fd.get(), 0, 4096, Mapping::Access::kRead, "another");
    const volatile auto byte = *reinterpret_cast<volatile unsigned char*>(mapping->data());
    _exit(byte);
  };
  EXPECT_EXIT(fault(), ::testing::KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace ivtrace
