// The two ways to a guest agent. On its socket we synchronise ourselves (guest-sync-delimited: a reply begins
// with the byte 0xFF, which no JSON text has), since an earlier client may have left half a command in the
// port, and the agent may still answer that client's last one. libvirt does that before each command.
#include "hypervisor/guest_agent_channel.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <random>

#include "hypervisor/line_socket.h"

namespace ivtrace::hypervisor {
namespace {

using nlohmann::json;
using Clock = LineSocket::Clock;

constexpr char kDelimiter = '\xff';
constexpr int kMaxStale = 100;  ///< answers to others that may stand before ours
constexpr const char* kStartHint =
    "start qemu-guest-agent in the guest; only one program at a time can talk to it";

class SocketAgent : public AgentChannel {
 public:
  explicit SocketAgent(LineSocket socket) : socket_(std::move(socket)) {}

  Status synchronise(Clock::time_point end) {
    // Each client its own number, or an answer to the one before would do.
    const std::uint64_t id = std::random_device()() >> 1;
    const std::string command =
        json{{"execute", "guest-sync-delimited"}, {"arguments", {{"id", id}}}}.dump() + "\n";
    IVT_RETURN_IF_ERROR(socket_.send(kDelimiter + command, end));
    for (int stale = 0; stale < kMaxStale; ++stale) {
      IVT_ASSIGN_OR_RETURN(const std::string line, socket_.read_line(end));
      const std::size_t delimiter = line.rfind(kDelimiter);
      if (delimiter == std::string::npos) continue;
      const json reply = json::parse(line.substr(delimiter + 1), nullptr, false);
      if (!reply.is_object()) continue;
      const auto value = reply.find("return");
      if (value != reply.end() && value->is_number_unsigned() && value->get<std::uint64_t>() == id) return {};
    }
    return Error(ErrorCode::kCorrupt, "the guest agent talks without answering");
  }

  Result<std::string> exchange(const std::string& command, Nanoseconds limit) override {
    if (!socket_.open()) return Error(ErrorCode::kGone, "the connection to the guest agent has ended");
    const auto end = Clock::now() + std::chrono::nanoseconds(limit.value);
    if (Status sent = socket_.send(command + "\n", end); !sent) {
      socket_.close();
      return sent.error();
    }
    auto line = socket_.read_line(end);
    if (!line) socket_.close();
    return line;
  }

 private:
  LineSocket socket_;
};

class LibvirtAgent : public AgentChannel {
 public:
  explicit LibvirtAgent(const Monitor& monitor) : libvirt_(monitor.libvirt), domain_(monitor.domain) {}
  Result<std::string> exchange(const std::string& command, Nanoseconds limit) override {
    return libvirt_->agent_command(domain_, command, limit);
  }

 private:
  std::shared_ptr<Libvirt> libvirt_;
  std::string domain_;
};

}  // namespace

Result<std::unique_ptr<AgentChannel>> open_agent_channel(const Guest& guest, Nanoseconds limit) {
  if (guest.qmp.libvirt) return std::unique_ptr<AgentChannel>(std::make_unique<LibvirtAgent>(guest.qmp));
  if (guest.agent_socket.empty()) {
    return Error(
        ErrorCode::kUnsupported,
        guest.name + (guest.has_agent_port ? ": the program that started QEMU holds the guest agent's port"
                                           : " has no port for the QEMU guest agent"),
        guest.has_agent_port ? "for a domain of libvirt see --connect"
                             : "start QEMU with -device virtio-serial -chardev "
                               "socket,path=PATH,server=on,wait=off,id=qga0 -device "
                               "virtserialport,chardev=qga0,name=org.qemu.guest_agent.0");
  }
  const auto end = Clock::now() + std::chrono::nanoseconds(limit.value);
  IVT_ASSIGN_OR_RETURN(LineSocket socket, LineSocket::connect(guest.agent_socket, "the guest agent", end));
  auto agent = std::make_unique<SocketAgent>(std::move(socket));
  if (Status synchronised = agent->synchronise(end); !synchronised) {
    Error error = synchronised.error();
    error.message = guest.name + ": " + error.message;
    error.hint = kStartHint;
    return error;
  }
  return std::unique_ptr<AgentChannel>(std::move(agent));
}

}  // namespace ivtrace::hypervisor
