#include "tracers/stap_cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

namespace ivtrace::tracers {
namespace {

namespace fs = std::filesystem;

class StapCacheTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(root_); }
  void TearDown() override { fs::remove_all(root_); }
  const fs::path root_ = fs::path("/tmp") / ("ivtrace-stap-cache-" + std::to_string(::getpid()));
};

TEST_F(StapCacheTest, what_a_killed_process_was_making_goes_with_the_next) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto made = ScratchDirectory::make(root_);
    ::_exit(made ? 0 : 1);  // no destructor runs
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  ASSERT_FALSE(fs::is_empty(root_));
  fs::create_directory(root_ / (".making-" + std::to_string(::getppid()) + "-x"));
  fs::create_directory(root_ / ".making-x");
  const auto one = ScratchDirectory::make(root_);
  const auto two = ScratchDirectory::make(root_);
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_TRUE(fs::exists(one->path()));
  const auto left = std::distance(fs::directory_iterator(root_), fs::directory_iterator());
  EXPECT_EQ(left, 4) << "both of ours, that of a living process, and what is no such name";
}

TEST_F(StapCacheTest, root_does_not_trust_where_others_can_write) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const fs::path home = root_ / "home";
  const fs::path cache = home / ".cache";
  fs::create_directories(cache);
  EXPECT_TRUE(only_root_writes(cache));
  EXPECT_TRUE(only_root_writes(cache / "not" / "yet"));
  ASSERT_EQ(::chmod(home.c_str(), 0757), 0);
  EXPECT_FALSE(only_root_writes(cache));
  ASSERT_EQ(::chmod(home.c_str(), 0755), 0);
  ASSERT_EQ(::chown(home.c_str(), 65534, 0), 0);
  EXPECT_FALSE(only_root_writes(cache)) << "as with sudo -E";
  EXPECT_FALSE(only_root_writes(home / "not" / "yet"));
  fs::create_directory_symlink("/var", root_ / "link");
  EXPECT_FALSE(only_root_writes(root_ / "link" / "cache"));
}

}  // namespace
}  // namespace ivtrace::tracers
