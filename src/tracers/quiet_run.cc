#include "tracers/quiet_run.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/fd.h"
#include "base/text.h"

namespace ivtrace::tracers {
namespace {

constexpr std::chrono::milliseconds kNap{10};
constexpr std::chrono::seconds kEndLimit{2};
constexpr std::size_t kMaxOutput = 64u << 20;
constexpr std::size_t kMaxErrors = 1u << 20;
constexpr const char* kSystemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The first `max_bytes` of a file; what cannot be read is empty.
std::string head_of(const std::string& path, std::size_t max_bytes) {
  std::string text;
  const Result<UniqueFd> fd = open_file(path, O_RDONLY);
  if (!fd) return text;
  text.resize(max_bytes);
  std::size_t size = 0;
  while (size < max_bytes) {
    const ssize_t count = ::read(fd->get(), text.data() + size, max_bytes - size);
    if (count <= 0) break;
    size += static_cast<std::size_t>(count);
  }
  text.resize(size);
  return text;
}

Result<pid_t> spawn(const std::vector<std::string>& arguments, const std::string& directory,
                    const std::string& out, const std::string& err) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                     0600);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                     0600);
  ::posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);  // a Ctrl-C is ours to pass on
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return errno_error(error, "cannot run " + arguments[0]);
  return pid;
}

/// Asked first, so that it removes what it had made, then killed; with all that it started.
void end(pid_t pid) {
  const auto give_up = std::chrono::steady_clock::now() + kEndLimit;
  int status = 0;
  ::kill(-pid, SIGTERM);
  while (::waitpid(pid, &status, WNOHANG) == 0 && std::chrono::steady_clock::now() < give_up)
    std::this_thread::sleep_for(kNap);
  ::kill(-pid, SIGKILL);
  ::waitpid(pid, &status, 0);  // fails when it has been taken in already
}

}  // namespace

Result<QuietRun> run_quietly(const std::vector<std::string>& argv, const std::string& directory,
                             const std::function<bool()>& go_on) {
  const std::string out = directory + "/stdout";
  const std::string err = directory + "/stderr";
  IVT_ASSIGN_OR_RETURN(const pid_t pid, spawn(argv, directory, out, err));
  int status = 0;
  while (::waitpid(pid, &status, WNOHANG) == 0) {
    std::this_thread::sleep_for(kNap);
    if (go_on()) continue;
    end(pid);
    return Error(ErrorCode::kGone, argv[0] + " was ended before it had finished");
  }
  QuietRun run;
  run.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  run.output = head_of(out, kMaxOutput);
  run.errors = head_of(err, kMaxErrors);
  return run;
}

std::string find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  const std::string places = (path != nullptr ? std::string(path) + ":" : std::string()) + kSystemPath;
  for (const std::string_view place : split(places, ':')) {
    if (place.empty()) continue;
    const std::string file = std::string(place) + "/" + name;
    if (::access(file.c_str(), X_OK) == 0) return file;
  }
  return "";
}

}  // namespace ivtrace::tracers
