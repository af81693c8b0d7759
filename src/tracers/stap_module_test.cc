#include "tracers/stap_module.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ivtrace::tracers {
namespace {

using ::testing::HasSubstr;

std::string module_of(const std::string& name, const std::string& vermagic) {
  std::string bytes = "\177ELF and code";
  for (const char* text : {"license=GPL", "depends="}) bytes += '\0' + std::string(text);
  bytes += '\0' + ("name=" + name);
  bytes += '\0' + ("vermagic=" + vermagic) + '\0';
  return bytes;
}

const std::string kOurs = "ivtrace_0123456789abcdef";

std::string refusal(const std::string& bytes) {
  const auto name = usable_stap_module(bytes, "/x/disk.ko", "6.1.0-9-test");
  EXPECT_FALSE(name.ok());
  return name ? "" : name.error().to_string();
}

TEST(StapModule, tells_its_name_and_its_kernel) {
  const auto info = module_info(module_of("ext4", "6.1.0-9-test SMP preempt mod_unload "));
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->name, "ext4");
  EXPECT_EQ(info->release, "6.1.0-9-test");
}

TEST(StapModule, of_ours_for_that_kernel_is_taken_under_its_own_name) {
  const auto name = usable_stap_module(module_of(kOurs, "6.1.0-9-test SMP"), "/x/disk.ko", "6.1.0-9-test");
  ASSERT_TRUE(name.ok()) << name.error().to_string();
  EXPECT_EQ(*name, kOurs);
}

TEST(StapModule, of_another_kernel_or_maker_is_refused_with_what_to_do) {
  EXPECT_THAT(
      refusal(module_of(kOurs, "6.1.0-10-test SMP")),
      HasSubstr("/x/disk.ko is for the kernel 6.1.0-10-test, not for 6.1.0-9-test (make it with: ivtrace "
                "compile --kernel 6.1.0-9-test"));
  EXPECT_THAT(refusal(module_of("stap_1", "6.1.0-9-test SMP")), HasSubstr("none of ivtrace's"));
  EXPECT_THAT(refusal("probe begin { }\n"), HasSubstr("it is no kernel module"));
  EXPECT_THAT(refusal(""), HasSubstr("it is no kernel module"));
}

TEST(StapModule, cut_anywhere_is_no_module_or_told_as_another_one) {
  const std::string whole = module_of(kOurs, "6.1.0-9-test SMP");
  const std::size_t end = whole.find("6.1.0-9-test") + std::string("6.1.0-9-test").size();
  for (std::size_t size = 0; size < end; ++size) refusal(whole.substr(0, size));
}

TEST(StapModule, a_hostile_one_is_printed_clean) {
  EXPECT_EQ(refusal(module_of("\x1b[2J" + std::string(1000, 'x'), "6.1.0-9-test")).find('\x1b'),
            std::string::npos);
}

}  // namespace
}  // namespace ivtrace::tracers
