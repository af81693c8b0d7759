#include "tracers/quiet_run.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "base/fd.h"

namespace ivtrace::tracers {
namespace {

namespace fs = std::filesystem;

class QuietRunTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directory(dir_); }
  void TearDown() override { fs::remove_all(dir_); }
  static bool go_on() { return true; }
  const std::string dir_ = "/tmp/ivtrace-quiet-" + std::to_string(::getpid());
};

TEST_F(QuietRunTest, tells_output_errors_and_exit_code) {
  const auto run = run_quietly({"sh", "-c", "pwd; echo bad >&2; exit 3"}, dir_, go_on);
  ASSERT_TRUE(run.ok()) << run.error().to_string();
  EXPECT_EQ(run->output, dir_ + "\n");
  EXPECT_EQ(run->errors, "bad\n");
  EXPECT_EQ(run->status, 3);
}

TEST_F(QuietRunTest, what_cannot_be_run_is_told) {
  const auto missing = run_quietly({"/nowhere/program"}, dir_, go_on);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound) << missing.error().to_string();
}

TEST_F(QuietRunTest, a_program_ends_with_who_runs_it) {
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);  // the program of a dead child is ours to wait for
  const pid_t runner = ::fork();
  if (runner == 0) {
    const auto run = run_quietly({"sh", "-c", "echo $$; exec sleep 30"}, dir_, go_on);
    ::_exit(run.ok());
  }
  std::string told;
  for (int tries = 0; tries < 10'000 && !told.ends_with('\n'); ++tries) {
    ::usleep(1000);
    if (const auto text = read_file(dir_ + "/stdout")) told = *text;
  }
  ::kill(runner, SIGKILL);
  ASSERT_EQ(::waitpid(runner, nullptr, 0), runner);
  ASSERT_TRUE(told.ends_with('\n'));
  int status = 0;
  EXPECT_GT(::waitpid(std::stoi(told), &status, 0), 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << status;
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

}  // namespace
}  // namespace ivtrace::tracers
