// The QEMU guest agent (qemu-ga) of a guest: files written and programs run in it from outside (QEMU
// docs/interop/qemu-ga-ref). It is part of the guest and trusted as little: replies are bounded, nothing is
// believed about their types, each step has a limit.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "hypervisor/inventory.h"

namespace ivtrace::hypervisor {

/// The way to a guest agent: its socket, or libvirt. One thread.
class AgentChannel {
 public:
  virtual ~AgentChannel() = default;
  /// The reply's text to a command's.
  virtual Result<std::string> exchange(const std::string& command, Nanoseconds limit) = 0;
};

/// How a program in the guest ended.
struct ProgramEnd {
  std::int64_t exit_code = -1;  ///< -1: by a signal
  std::string output;           ///< of both streams, when it was asked for; any bytes
};

/// A guest agent that has answered. One thread; nobody else can ask it meanwhile where it is on a socket.
class GuestAgent {
 public:
  /// Synchronises with it and asks whether it offers what is used here.
  ///   kUnsupported  the guest has no port for it, or it forbids one of the commands: the hint says how to
  ///                 allow them
  ///   kTimeout, kNotFound  it does not answer
  static Result<GuestAgent> open(const Guest& guest, Nanoseconds step_limit = Nanoseconds(5'000'000'000));

  /// Writes a new file, or over an old one; `progress` gets the bytes that are there.
  Status write_file(const std::string& path, std::span<const std::byte> bytes,
                    const std::function<void(std::uint64_t)>& progress = {});
  /// Runs a shell script with arguments and waits for its end; kTimeout leaves it running.
  Result<ProgramEnd> run_script(const std::string& script, const std::vector<std::string>& arguments,
                                Nanoseconds limit);
  /// Starts one and does not wait: its process in the guest.
  Result<std::int64_t> start_script(const std::string& script, const std::vector<std::string>& arguments);
  /// How that process ended; nothing while it runs.
  Result<std::optional<ProgramEnd>> end_of(std::int64_t process);

 private:
  GuestAgent(std::unique_ptr<AgentChannel> channel, Nanoseconds step_limit)
      : channel_(std::move(channel)), step_limit_(step_limit) {}

  Result<nlohmann::json> ask(const std::string& command, const nlohmann::json& arguments);
  Status check_commands();
  Status write_chunks(std::int64_t handle, std::span<const std::byte> bytes,
                      const std::function<void(std::uint64_t)>& progress);
  Result<std::int64_t> start(const std::string& script, const std::vector<std::string>& arguments,
                             bool capture);

  std::unique_ptr<AgentChannel> channel_;
  Nanoseconds step_limit_;
};

}  // namespace ivtrace::hypervisor
