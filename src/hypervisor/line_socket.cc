#include "hypervisor/line_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ivtrace::hypervisor {
namespace {

using Clock = LineSocket::Clock;

/// False when the time is over.
bool wait_for(int fd, short events, Clock::time_point end) {
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left <= 0) return false;
    pollfd item{fd, events, 0};
    const int ready = poll(&item, 1, static_cast<int>(std::min<long long>(left, 60'000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

}  // namespace

Result<LineSocket> LineSocket::connect(const std::string& path, std::string peer, Clock::time_point end) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Error(ErrorCode::kInvalid, "the path of " + peer + " does not fit a socket address: " + path);
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return errno_error(errno, "cannot make a socket");
  while (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return errno_error(errno, "cannot connect to " + path);
    // A full backlog: others are already waiting for it.
    if (Clock::now() >= end) return Error(ErrorCode::kBusy, path + " is held by another client");
    poll(nullptr, 0, 10);
  }
  return LineSocket(std::move(fd), std::move(peer));
}

Status LineSocket::send(const std::string& text, Clock::time_point end) {
  std::size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t count = ::send(fd_.get(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (count > 0) {
      sent += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN) {
      if (!wait_for(fd_.get(), POLLOUT, end)) return Error(ErrorCode::kTimeout, peer_ + " takes no command");
    } else if (errno != EINTR) {
      return Error(ErrorCode::kGone, peer_ + " closed the connection");
    }
  }
  return {};
}

Result<std::string> LineSocket::read_line(Clock::time_point end) {
  std::size_t searched = 0;
  while (true) {
    if (const std::size_t newline = buffer_.find('\n', searched); newline != std::string::npos) {
      std::string line = buffer_.substr(0, newline);
      buffer_.erase(0, newline + 1);
      return line;
    }
    searched = buffer_.size();
    if (buffer_.size() > kMaxLine)
      return Error(ErrorCode::kCorrupt, "the reply of " + peer_ + " is too long");
    if (!wait_for(fd_.get(), POLLIN, end)) return Error(ErrorCode::kTimeout, peer_ + " does not answer");
    char chunk[16384];
    const ssize_t count = recv(fd_.get(), chunk, sizeof chunk, 0);
    if (count > 0) {
      buffer_.append(chunk, static_cast<std::size_t>(count));
    } else if (count == 0) {
      return Error(ErrorCode::kGone, peer_ + " closed the connection");
    } else if (errno != EAGAIN && errno != EINTR) {
      return errno_error(errno, "cannot read from " + peer_);
    }
  }
}

}  // namespace ivtrace::hypervisor
