#include "hypervisor/qmp.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

namespace ivtrace::hypervisor {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

/// Events that may stand before an answer; a server that sends more of them is not answering.
constexpr int kMaxSkipped = 1000;

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

Result<UniqueFd> connect_to(const std::string& path, Clock::time_point end) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Error(ErrorCode::kInvalid, "the monitor's path does not fit a socket address: " + path);
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return errno_error(errno, "cannot make a socket");
  while (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return errno_error(errno, "cannot connect to " + path);
    // A full backlog: others are already waiting for the monitor.
    if (Clock::now() >= end) return Error(ErrorCode::kBusy, path + " is held by another client");
    poll(nullptr, 0, 10);
  }
  return fd;
}

/// ": what QEMU says about it", one line of bounded length; for people.
std::string reason_of(const json& message) {
  constexpr std::size_t kMaxReason = 300;
  const auto error = message.find("error");
  if (error == message.end() || !error->is_object()) return {};
  const auto text = error->find("desc");
  if (text == error->end() || !text->is_string()) return {};
  std::string reason = ": " + text->get<std::string>().substr(0, kMaxReason);
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  return reason;
}

}  // namespace

QmpConnection::QmpConnection(UniqueFd fd, Nanoseconds step_limit, Time end)
    : fd_(std::move(fd)), step_limit_(step_limit), end_(end) {}

QmpConnection::Time QmpConnection::step_end() const {
  return std::min(end_, Clock::now() + std::chrono::nanoseconds(step_limit_.value));
}

Result<QmpConnection> QmpConnection::open(const std::string& path, Nanoseconds step_limit,
                                          Nanoseconds total_limit) {
  const Time end = Clock::now() + std::chrono::nanoseconds(total_limit.value);
  const Time step_end = std::min(end, Clock::now() + std::chrono::nanoseconds(step_limit.value));
  IVT_ASSIGN_OR_RETURN(UniqueFd fd, connect_to(path, step_end));
  QmpConnection connection(std::move(fd), step_limit, end);
  auto greeting = connection.read_message(step_end);
  if (!greeting) {
    // The kernel accepts for a server that is busy with another client; that one never gets to greet us.
    if (greeting.error().code == ErrorCode::kTimeout && connection.buffer_.empty()) {
      return Error(ErrorCode::kBusy, path + " is held by another client");
    }
    return greeting.error();
  }
  if (!greeting->contains("QMP")) return Error(ErrorCode::kCorrupt, path + " is no QMP monitor");
  if (auto capabilities = connection.execute("qmp_capabilities"); !capabilities) return capabilities.error();
  return connection;
}

Result<json> QmpConnection::execute(const std::string& command, const std::string& arguments) {
  if (!usable()) return Error(ErrorCode::kGone, "the monitor's connection has ended");
  const Time end = step_end();
  const std::uint64_t id = next_id_++;
  std::string text = "{\"execute\":" + json(command).dump() + ",\"id\":" + std::to_string(id);
  if (!arguments.empty()) text += ",\"arguments\":" + arguments;
  text += "}\n";
  Status sent = send(text, end);
  if (!sent) {
    fd_.reset();
    return sent.error();
  }
  for (int skipped = 0; skipped < kMaxSkipped; ++skipped) {
    auto message = read_message(end);
    if (!message) {
      fd_.reset();
      return message.error();
    }
    const auto reply_id = message->find("id");
    if (reply_id == message->end() || !reply_id->is_number_unsigned() || reply_id->get<std::uint64_t>() != id)
      continue;
    if (const auto value = message->find("return"); value != message->end()) return json(std::move(*value));
    return Error(ErrorCode::kNotFound, "QMP command " + command + " failed" + reason_of(*message));
  }
  fd_.reset();
  return Error(ErrorCode::kCorrupt, "the monitor talks without answering");
}

Status QmpConnection::send(const std::string& text, Time end) {
  std::size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t count = ::send(fd_.get(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (count > 0) {
      sent += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN) {
      if (!wait_for(fd_.get(), POLLOUT, end))
        return Error(ErrorCode::kTimeout, "the monitor takes no command");
    } else if (errno != EINTR) {
      return Error(ErrorCode::kGone, "the monitor closed the connection");
    }
  }
  return {};
}

Result<std::string> QmpConnection::read_line(Time end) {
  std::size_t searched = 0;
  while (true) {
    if (const std::size_t newline = buffer_.find('\n', searched); newline != std::string::npos) {
      std::string line = buffer_.substr(0, newline);
      buffer_.erase(0, newline + 1);
      return line;
    }
    searched = buffer_.size();
    if (buffer_.size() > kMaxReply) return Error(ErrorCode::kCorrupt, "the monitor's reply is too long");
    if (!wait_for(fd_.get(), POLLIN, end)) return Error(ErrorCode::kTimeout, "the monitor does not answer");
    char chunk[16384];
    const ssize_t count = recv(fd_.get(), chunk, sizeof chunk, 0);
    if (count > 0) {
      buffer_.append(chunk, static_cast<std::size_t>(count));
    } else if (count == 0) {
      return Error(ErrorCode::kGone, "the monitor closed the connection");
    } else if (errno != EAGAIN && errno != EINTR) {
      return errno_error(errno, "cannot read from the monitor");
    }
  }
}

Result<json> QmpConnection::read_message(Time end) {
  IVT_ASSIGN_OR_RETURN(const std::string line, read_line(end));
  json message = json::parse(line, nullptr, false);
  if (!message.is_object()) return Error(ErrorCode::kCorrupt, "the monitor's answer is no JSON object");
  return message;
}

}  // namespace ivtrace::hypervisor
