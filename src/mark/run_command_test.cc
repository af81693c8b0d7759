#include "mark/run_command.h"

#include <gtest/gtest.h>

namespace ivtrace::mark {
namespace {

TEST(RunCommand, EndsAsTheCommandDoes) {
  EXPECT_EQ(run_command({"true"}), 0);
  EXPECT_EQ(run_command({"sh", "-c", "exit 7"}), 7);
  EXPECT_EQ(run_command({"sh", "-c", "kill -TERM $$"}), 128 + 15);
  EXPECT_EQ(run_command({"/no/such/program"}), 127);
  EXPECT_EQ(run_command({"/"}), 126);
}

}  // namespace
}  // namespace ivtrace::mark
