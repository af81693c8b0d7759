#include "tracers/quiet_run.h"

#include <signal.h>
#include <sys/prctl.h>
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

/// What the child needs, as plain text: nothing may be allocated between fork and exec.
struct Birth {
  char* const* argv = nullptr;
  const char* directory = nullptr;
  const char* out = nullptr;
  const char* err = nullptr;
  pid_t parent = 0;
};

bool redirect(int number, const char* path, int flags) {
  const int fd = ::open(path, flags | O_CLOEXEC, 0600);
  return fd >= 0 && ::dup2(fd, number) >= 0;
}

/// The child's side; async-signal-safe. What fails is told through `failed`, which exec closes.
[[noreturn]] void become(const Birth& birth, int failed) {
  ::setpgid(0, 0);  // a Ctrl-C is ours to pass on
  // SIGTERM, not SIGKILL: stap then ends make and the compiler, too. It comes when the calling thread ends,
  // which is in run_quietly() until the program has ended.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != birth.parent) ::_exit(1);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  constexpr int kAnew = O_WRONLY | O_CREAT | O_TRUNC;
  if (redirect(STDIN_FILENO, "/dev/null", O_RDONLY) && redirect(STDOUT_FILENO, birth.out, kAnew) &&
      redirect(STDERR_FILENO, birth.err, kAnew) && ::chdir(birth.directory) == 0) {
    ::execvp(birth.argv[0], birth.argv);
  }
  const int error = errno;
  [[maybe_unused]] const ssize_t told = ::write(failed, &error, sizeof error);
  ::_exit(127);
}

Result<pid_t> spawn(const std::vector<std::string>& arguments, const std::string& directory,
                    const std::string& out, const std::string& err) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const Birth birth{argv.data(), directory.c_str(), out.c_str(), err.c_str(), ::getpid()};
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error(errno, "cannot make a pipe");
  const UniqueFd failed(ends[0]);
  UniqueFd childs_end(ends[1]);
  const pid_t pid = ::fork();
  if (pid < 0) return errno_error(errno, "cannot run " + arguments[0]);
  if (pid == 0) become(birth, childs_end.get());
  childs_end.reset();
  int error = 0;
  if (::read(failed.get(), &error, sizeof error) == sizeof error) {
    ::waitpid(pid, nullptr, 0);
    return errno_error(error, "cannot run " + arguments[0]);
  }
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
