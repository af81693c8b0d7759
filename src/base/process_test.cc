#include "base/process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ivtrace {
namespace {

/// A child of that name, which waits to be killed. 0: it could not be made.
pid_t child_named(const char* name) {
  int ends[2];
  if (::pipe(ends) != 0) return 0;
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_NAME, name);
    ::close(ends[0]);
    ::close(ends[1]);
    for (;;) ::pause();
  }
  ::close(ends[1]);
  char byte = 0;
  const bool named = ::read(ends[0], &byte, 1) == 0;  // its end is closed once it has its name
  ::close(ends[0]);
  return named ? child : 0;
}

TEST(Process, IsAnIvtraceByItsNameWhileItLives) {
  EXPECT_TRUE(is_living_ivtrace(::getpid())) << "our own name";
  EXPECT_FALSE(is_other_living_ivtrace(::getpid()));
  EXPECT_FALSE(is_living_ivtrace(0));
  const pid_t agent = child_named("ivtrace-agent");
  const pid_t other = child_named("other");
  ASSERT_GT(agent, 0);
  ASSERT_GT(other, 0);
  EXPECT_TRUE(is_living_ivtrace(agent));
  EXPECT_TRUE(is_other_living_ivtrace(agent));
  EXPECT_FALSE(is_living_ivtrace(other));
  ::kill(agent, SIGKILL);
  ::kill(other, SIGKILL);
  siginfo_t ended{};
  ::waitid(P_PID, static_cast<id_t>(agent), &ended, WEXITED | WNOWAIT);
  EXPECT_FALSE(is_living_ivtrace(agent)) << "a zombie";
  ::waitpid(agent, nullptr, 0);
  ::waitpid(other, nullptr, 0);
  EXPECT_FALSE(is_living_ivtrace(agent));
}

}  // namespace
}  // namespace ivtrace
