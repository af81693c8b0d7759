#include "tracefs/texts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tracefs/instance.h"
#include "tracefs/test_support.h"

namespace ivtrace::tracefs {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class TaskNamesTest : public TracefsTest {
 protected:
  /// The line of a thread that had that name, did what an instance records, and has ended.
  std::string line_of_ended(const char* name) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::prctl(PR_SET_NAME, name);
      ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
    return "\n" + std::to_string(child) + " " + name + "\n";
  }

  std::string names(const TaskNames& from) {
    const auto text = from.text();
    EXPECT_TRUE(text.ok());
    return text ? "\n" + *text : "";
  }
};

TEST_F(TaskNamesTest, threads_that_live_and_those_that_were_recorded_and_ended) {
  auto instance = Instance::create(*dir_, "ivtrace-names-" + std::to_string(::getpid()));
  ASSERT_TRUE(instance.ok()) << instance.error().to_string();
  ASSERT_TRUE(instance->set_events(std::vector<std::string>{"sched:sched_process_exit"}).empty());
  ASSERT_TRUE(instance->set_tracing(true).ok());
  const std::string before = line_of_ended("iv-before");
  const TaskNames names_since(*dir_);
  const std::string since = line_of_ended("iv-since");
  EXPECT_THAT(names(names_since), HasSubstr("\n" + std::to_string(::gettid()) + " "));
  EXPECT_THAT(names(names_since), HasSubstr(since));
  EXPECT_THAT(names(names_since), Not(HasSubstr(before)));
}

}  // namespace
}  // namespace ivtrace::tracefs
