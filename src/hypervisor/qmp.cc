#include "hypervisor/qmp.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

namespace ivtrace::hypervisor {
namespace {

using nlohmann::json;
using Clock = LineSocket::Clock;

/// Events that may stand before an answer; a server that sends more of them is not answering.
constexpr int kMaxSkipped = 1000;

}  // namespace

QmpConnection::QmpConnection(LineSocket socket, Nanoseconds step_limit, Time end)
    : socket_(std::move(socket)), step_limit_(step_limit), end_(end) {}

QmpConnection::Time QmpConnection::step_end() const {
  return std::min(end_, Clock::now() + std::chrono::nanoseconds(step_limit_.value));
}

Result<QmpConnection> QmpConnection::open(const std::string& path, Nanoseconds step_limit,
                                          Nanoseconds total_limit) {
  const Time end = Clock::now() + std::chrono::nanoseconds(total_limit.value);
  const Time step_end = std::min(end, Clock::now() + std::chrono::nanoseconds(step_limit.value));
  IVT_ASSIGN_OR_RETURN(LineSocket socket, LineSocket::connect(path, "the monitor", step_end));
  QmpConnection connection(std::move(socket), step_limit, end);
  auto greeting = connection.read_message(step_end);
  if (!greeting) {
    // The kernel accepts for a server that is busy with another client; that one never gets to greet us.
    if (greeting.error().code == ErrorCode::kTimeout && !connection.socket_.has_part()) {
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
  const Status sent = socket_.send(qmp_command(command, arguments, id) + "\n", end);
  if (!sent) {
    socket_.close();
    return sent.error();
  }
  for (int skipped = 0; skipped < kMaxSkipped; ++skipped) {
    auto message = read_message(end);
    if (!message) {
      socket_.close();
      return message.error();
    }
    const auto reply_id = message->find("id");
    if (reply_id == message->end() || !reply_id->is_number_unsigned() || reply_id->get<std::uint64_t>() != id)
      continue;
    return qmp_outcome(*std::move(message), command);
  }
  socket_.close();
  return Error(ErrorCode::kCorrupt, "the monitor talks without answering");
}

Result<json> QmpConnection::read_message(Time end) {
  IVT_ASSIGN_OR_RETURN(const std::string line, socket_.read_line(end));
  json message = json::parse(line, nullptr, false);
  if (!message.is_object()) return Error(ErrorCode::kCorrupt, "the monitor's answer is no JSON object");
  return message;
}

}  // namespace ivtrace::hypervisor
