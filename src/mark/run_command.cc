#include "mark/run_command.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace ivtrace::mark {
namespace {

[[noreturn]] void become(const std::vector<std::string>& command) {
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execvp(words[0], words.data());
  const int error = errno;
  std::fprintf(stderr, "ivtrace-mark: cannot run %s: %s\n", words[0], std::strerror(error));
  ::_exit(error == ENOENT ? 127 : 126);
}

}  // namespace

int run_command(const std::vector<std::string>& command) {
  struct sigaction ignore {
  }, interrupt{}, quit{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGINT, &ignore, &interrupt);
  ::sigaction(SIGQUIT, &ignore, &quit);
  const pid_t child = ::fork();
  if (child == 0) {
    ::sigaction(SIGINT, &interrupt, nullptr);
    ::sigaction(SIGQUIT, &quit, nullptr);
    become(command);
  }
  int status = 0;
  const bool ended = child > 0 && TEMP_FAILURE_RETRY(::waitpid(child, &status, 0)) == child;
  const int error = errno;
  ::sigaction(SIGINT, &interrupt, nullptr);
  ::sigaction(SIGQUIT, &quit, nullptr);
  if (!ended) {
    std::fprintf(stderr, "ivtrace-mark: cannot run %s: %s\n", command[0].c_str(), std::strerror(error));
    return 126;
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace ivtrace::mark
