#include "tracers/program.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/tsc.h"

namespace ivtrace::tracers {
namespace {

constexpr int kWaitMs = 200;
constexpr auto kKillLimit = std::chrono::seconds(2);

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno_error(errno, "cannot make a pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

/// The child's side; async-signal-safe, as all between fork and exec must be. What fails is told through
/// `failed`, which exec closes.
[[noreturn]] void become(char* const* argv, const Pipe& out, const Pipe& err, int failed, pid_t parent) {
  ::setsid();
  // SIGTERM, not SIGKILL: a tracer must take out of the kernel what it put in.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing >= 0) ::dup2(nothing, STDIN_FILENO);
  ::dup2(out.write.get(), STDOUT_FILENO);
  ::dup2(err.write.get(), STDERR_FILENO);
  ::execvp(argv[0], argv);
  const int error = errno;
  [[maybe_unused]] const ssize_t told = ::write(failed, &error, sizeof error);
  ::_exit(127);
}

}  // namespace

Result<std::unique_ptr<Program>> Program::start(const std::vector<std::string>& arguments) {
  IVT_ASSIGN_OR_RETURN(Pipe out, make_pipe());
  IVT_ASSIGN_OR_RETURN(Pipe err, make_pipe());
  IVT_ASSIGN_OR_RETURN(Pipe failed, make_pipe());
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return errno_error(errno, "cannot run " + arguments[0]);
  if (pid == 0) become(argv.data(), out, err, failed.write.get(), parent);
  failed.write.reset();
  int error = 0;
  if (::read(failed.read.get(), &error, sizeof error) == sizeof error) {
    ::waitpid(pid, nullptr, 0);
    return errno_error(error, "cannot run " + arguments[0]);
  }
  return std::unique_ptr<Program>(new Program(pid, std::move(out.read), std::move(err.read)));
}

Program::Program(pid_t pid, UniqueFd out, UniqueFd err)
    : pid_(pid), streams_{std::move(out), std::move(err)}, reader_([this] { read_all(); }) {}

Program::~Program() {
  signal(SIGTERM);
  const auto give_up = std::chrono::steady_clock::now() + kKillLimit;
  while (!status() && std::chrono::steady_clock::now() < give_up)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  signal(SIGKILL);
  give_up_ = true;  // who was started by it may hold the pipes open
  reader_.join();
  while (!reaped_ && ::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
}

std::optional<PrintedLine> Program::take() {
  const std::lock_guard lock(mutex_);
  if (lines_.empty()) return std::nullopt;
  PrintedLine line = std::move(lines_.front());
  lines_.pop_front();
  held_ -= line.text.size() + kLineOverhead;
  return line;
}

// Not reaped yet, so the pid is still its own.
void Program::signal(int number) {
  const std::lock_guard lock(mutex_);
  if (!reaped_) ::kill(-pid_, number);
}

std::optional<int> Program::status() {
  const std::lock_guard lock(mutex_);
  if (!reaped_) {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
    reaped_ = true;
    status_ = status;
  }
  if (!read_to_end_) return std::nullopt;
  return status_;
}

void Program::read_all() {
  std::array<pollfd, 2> waits{pollfd{streams_[0].get(), POLLIN, 0}, pollfd{streams_[1].get(), POLLIN, 0}};
  std::array<char, 65536> chunk;
  while ((waits[0].fd >= 0 || waits[1].fd >= 0) && !give_up_) {
    if (::poll(waits.data(), waits.size(), kWaitMs) <= 0) continue;
    for (int which = 0; which < 2; ++which) {
      if (waits[which].revents == 0) continue;
      const ssize_t count = ::read(waits[which].fd, chunk.data(), chunk.size());
      if (count > 0) {
        take_bytes(which, chunk.data(), static_cast<std::size_t>(count));
      } else if (count == 0 || errno != EINTR) {
        if (!partial_[which].empty()) put(which);
        waits[which].fd = -1;
      }
    }
  }
  read_to_end_ = true;
}

void Program::take_bytes(int which, const char* bytes, std::size_t size) {
  while (size > 0) {
    const auto* const end = static_cast<const char*>(std::memchr(bytes, '\n', size));
    const std::size_t part = end == nullptr ? size : static_cast<std::size_t>(end - bytes);
    const std::size_t room = kMaxPrinted - partial_[which].size();
    partial_[which].append(bytes, std::min(part, room));
    cut_[which] = cut_[which] || part > room;
    if (end == nullptr) return;
    put(which);
    bytes += part + 1;
    size -= part + 1;
  }
}

void Program::put(int which) {
  PrintedLine line{read_tsc(), which == 1, std::exchange(cut_[which], false), std::move(partial_[which])};
  partial_[which].clear();
  const std::lock_guard lock(mutex_);
  if (held_ + line.text.size() + kLineOverhead > kMaxHeldBytes) {
    lost_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  held_ += line.text.size() + kLineOverhead;
  lines_.push_back(std::move(line));
}

}  // namespace ivtrace::tracers
