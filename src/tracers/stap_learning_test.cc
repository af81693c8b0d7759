#include "tracers/stap_learning.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace ivtrace::tracers {
namespace {

namespace fs = std::filesystem;

class StapLearningTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "ivtrace-learning-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    fs::create_directories(root_ / "ours");
    fs::create_directories(root_ / "cache" / "4a");
    ::setenv("SYSTEMTAP_DIR", root_.c_str(), 1);
    old_ = learn("old", "");
    fs::last_write_time(old_, fs::file_time_type::clock::now() - std::chrono::hours(1));
  }
  void TearDown() override {
    ::unsetenv("SYSTEMTAP_DIR");
    fs::remove_all(root_);
  }

  /// A file as stap makes it for a header.
  fs::path learn(const std::string& header, const std::string& content) {
    const fs::path path = root_ / "cache" / "4a" / ("tracequery_" + header + ".o");
    std::ofstream(path) << content;
    return path;
  }
  StapLearning begin() {
    auto learning = StapLearning::begin(root_ / "ours");
    EXPECT_TRUE(learning.ok());
    return *std::move(learning);
  }
  bool has_markers() const { return !fs::is_empty(root_ / "ours"); }

  fs::path root_;
  fs::path old_;
};

TEST_F(StapLearningTest, what_came_to_its_end_stays) {
  fs::path empty;
  {
    StapLearning learning = begin();
    EXPECT_TRUE(has_markers());
    empty = learn("empty", "");
    learning.end();
  }
  EXPECT_TRUE(fs::exists(empty));
  EXPECT_FALSE(has_markers());
}

TEST_F(StapLearningTest, of_what_was_cut_short_the_empty_files_go) {
  fs::path empty;
  fs::path full;
  {
    const StapLearning learning = begin();
    empty = learn("empty", "");
    full = learn("full", "x");
  }
  EXPECT_FALSE(fs::exists(empty));
  EXPECT_TRUE(fs::exists(full));
  EXPECT_TRUE(fs::exists(old_));
  EXPECT_FALSE(has_markers());
}

TEST_F(StapLearningTest, what_a_killed_process_learnt_by_halves_goes_with_the_next) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto learning = StapLearning::begin(root_ / "ours");
    learn("empty", "");
    ::_exit(learning.ok() ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  ASSERT_TRUE(has_markers());
  StapLearning next = begin();
  next.end();
  EXPECT_FALSE(fs::exists(root_ / "cache" / "4a" / "tracequery_empty.o"));
  EXPECT_TRUE(fs::exists(old_));
}

}  // namespace
}  // namespace ivtrace::tracers
