#include "view/connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ivtrace::view {

Connection::Connection(UniqueFd socket, int ending, const HttpLimits& limits)
    : socket_(std::move(socket)), ending_(ending), limits_(limits) {}

bool Connection::wait(short events, Clock::time_point until) const {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left <= 0) return false;
    std::array<pollfd, 2> both = {pollfd{socket_.get(), events, 0}, pollfd{ending_, POLLIN, 0}};
    const int ready = ::poll(both.data(), both.size(), static_cast<int>(left));
    if (ready < 0 && errno == EINTR) continue;
    return ready > 0 && both[1].revents == 0;
  }
}

bool Connection::fill(Clock::time_point until) {
  if (!wait(POLLIN, until)) return false;
  const ssize_t got = ::recv(socket_.get(), buffer_.data(), buffer_.size(), 0);
  begin_ = 0;
  end_ = got > 0 ? static_cast<std::size_t>(got) : 0;
  return got > 0;
}

bool Connection::wait_for_request() {
  left_ = limits_.head_bytes;
  const bool is_there = begin_ < end_ || fill(Clock::now() + (has_asked_ ? limits_.idle : limits_.first));
  has_asked_ = true;
  deadline_ = Clock::now() + limits_.arriving;
  return is_there;
}

ssize_t Connection::read(char* into, std::size_t size) {
  if (left_ == 0) return -1;
  if (begin_ == end_ && !fill(deadline_)) return -1;
  const std::size_t count = std::min({size, end_ - begin_, left_});
  std::memcpy(into, buffer_.data() + begin_, count);
  begin_ += count;
  left_ -= count;
  return static_cast<ssize_t>(count);
}

bool Connection::is_writable() const { return wait(POLLOUT, Clock::now() + limits_.leaving); }

ssize_t Connection::write(const char* from, std::size_t size) {
  for (;;) {
    if (!is_writable()) return -1;
    const ssize_t sent = ::send(socket_.get(), from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return sent;
    if (errno != EAGAIN && errno != EINTR) return -1;
  }
}

void Connection::close_gently() {
  constexpr std::chrono::milliseconds kPatience{500};
  constexpr std::size_t kMost = 4 << 20;  // a body that was too large
  ::shutdown(socket_.get(), SHUT_WR);
  const Clock::time_point until = Clock::now() + kPatience;
  std::size_t thrown_away = 0;
  while (thrown_away < kMost && fill(until)) thrown_away += end_;
}

// Nobody asks: there is one end, this machine.
void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip = "127.0.0.1";
  port = 0;
}
void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  ip = "127.0.0.1";
  port = 0;
}

}  // namespace ivtrace::view
