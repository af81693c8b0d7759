#include "hypervisor/run_tool.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <mutex>
#include <thread>

#include "base/fd.h"
#include "base/text.h"

namespace ivtrace::hypervisor {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kKillLimit{1};

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno_error(errno, "cannot make a pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<pid_t> spawn(const std::vector<std::string>& arguments, const Pipe& output, const Pipe& errors) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output.write.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, errors.write.get(), STDERR_FILENO);
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return errno_error(error, "cannot run " + arguments[0]);
  return pid;
}

/// Appends what is there; false at the end of the stream.
bool take(int fd, std::string& text) {
  std::array<char, 65536> chunk;
  const ssize_t count = ::read(fd, chunk.data(), chunk.size());
  if (count < 0) return errno == EINTR || errno == EAGAIN;
  text.append(chunk.data(), static_cast<std::size_t>(count));
  return count > 0;
}

/// Reads both streams to their ends; false when a limit was passed.
bool read_both(const Pipe& output, const Pipe& errors, Clock::time_point end, std::size_t max_bytes,
               std::string& out, std::string& err) {
  std::array<pollfd, 2> items{pollfd{output.read.get(), POLLIN, 0}, pollfd{errors.read.get(), POLLIN, 0}};
  while (items[0].fd >= 0 || items[1].fd >= 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left <= 0 || out.size() > max_bytes) return false;
    if (::poll(items.data(), items.size(), static_cast<int>(std::min<long>(left, 1000))) <= 0) continue;
    if (items[0].revents != 0 && !take(items[0].fd, out)) items[0].fd = -1;
    if (items[1].revents != 0 && !take(items[1].fd, err)) items[1].fd = -1;
    if (err.size() > 4096) err.erase(0, err.size() - 4096);
  }
  return true;
}

/// False when it has not ended by then.
bool wait_until(pid_t pid, Clock::time_point end, int& status) {
  while (true) {
    const pid_t ended = ::waitpid(pid, &status, WNOHANG);
    if (ended == pid) return true;
    if (ended < 0 && errno != EINTR) return false;
    if (Clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

/// Programs that did not even end when they were killed: storage that hangs holds them. They are reaped when
/// another program is run after it let them go.
class LeftBehind {
 public:
  void add(pid_t pid) {
    const std::lock_guard lock(mutex_);
    pids_.push_back(pid);
  }
  void reap() {
    const std::lock_guard lock(mutex_);
    std::erase_if(pids_, [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
  }

 private:
  std::mutex mutex_;
  std::vector<pid_t> pids_;
};

LeftBehind& left_behind() {
  static LeftBehind* const all = new LeftBehind;  // never destroyed: threads that are left behind use it
  return *all;
}

}  // namespace

Result<std::string> run_tool(const std::vector<std::string>& arguments, Nanoseconds limit,
                             std::size_t max_bytes) {
  left_behind().reap();
  const auto end = Clock::now() + std::chrono::nanoseconds(limit.value);
  IVT_ASSIGN_OR_RETURN(Pipe output, make_pipe());
  IVT_ASSIGN_OR_RETURN(Pipe errors, make_pipe());
  IVT_ASSIGN_OR_RETURN(const pid_t pid, spawn(arguments, output, errors));
  output.write.reset();
  errors.write.reset();
  std::string out, err;
  int status = 0;
  const bool complete = read_both(output, errors, end, max_bytes, out, err) && wait_until(pid, end, status);
  if (!complete) {
    ::kill(pid, SIGKILL);
    if (!wait_until(pid, Clock::now() + kKillLimit, status)) left_behind().add(pid);
  }
  if (!complete) {
    return out.size() > max_bytes ? Error(ErrorCode::kExhausted, arguments[0] + " wrote more than is taken")
                                  : Error(ErrorCode::kTimeout, arguments[0] + " did not end in time");
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return Error(ErrorCode::kIo, arguments[0] + " failed: " + std::string(trim(err)));
  return out;
}

}  // namespace ivtrace::hypervisor
