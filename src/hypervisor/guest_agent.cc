#include "hypervisor/guest_agent.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "hypervisor/guest_agent_channel.h"
#include "hypervisor/qmp_facts.h"

namespace ivtrace::hypervisor {
namespace {

using nlohmann::json;

/// Bytes of a file in one command: a multiple of three, so that none but the last is padded.
constexpr std::size_t kChunk = 96u << 10;
constexpr std::size_t kMaxOutput = 1u << 20;
constexpr std::size_t kMaxReason = 300;
constexpr int kLookEveryMs = 50;
constexpr const char* kNeeded[] = {"guest-file-open",  "guest-file-write", "guest-file-flush",
                                   "guest-file-close", "guest-exec",       "guest-exec-status"};
constexpr const char* kAllowHint =
    "allow it in the guest: the list of blocked RPCs is in /etc/qemu/qemu-ga.conf or /etc/sysconfig/qemu-ga";

std::string reason_of(const json& reply) {
  const auto error = reply.find("error");
  std::string reason = error == reply.end() ? "no reason given" : text_of(*error, "desc");
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  return reason.substr(0, kMaxReason);
}

Result<std::int64_t> number_of(const json& value, const std::string& command) {
  if (value.is_number_integer()) return value.get<std::int64_t>();
  return Error(ErrorCode::kCorrupt, "the guest agent's answer to " + command + " is no number");
}

std::string decoded(const json& status, const char* key) {
  const auto found = status.find(key);
  if (found == status.end() || !found->is_string()) return {};
  const auto bytes = base64_decode(found->get_ref<const std::string&>());
  return bytes ? bytes->substr(0, kMaxOutput) : std::string();
}

}  // namespace

Result<GuestAgent> GuestAgent::open(const Guest& guest, Nanoseconds step_limit) {
  IVT_ASSIGN_OR_RETURN(std::unique_ptr<AgentChannel> channel, open_agent_channel(guest, step_limit));
  GuestAgent agent(std::move(channel), step_limit);
  if (Status usable = agent.check_commands(); !usable) {
    Error error = usable.error();
    error.message = guest.name + ": " + error.message;
    if (error.hint.empty()) error.hint = "start qemu-guest-agent in the guest";
    return error;
  }
  return agent;
}

Result<json> GuestAgent::ask(const std::string& command, const json& arguments) {
  json text = {{"execute", command}};
  if (!arguments.empty()) text["arguments"] = arguments;
  IVT_ASSIGN_OR_RETURN(
      const std::string answer,
      channel_->exchange(text.dump(-1, ' ', false, json::error_handler_t::replace), step_limit_));
  json reply = json::parse(answer, nullptr, false);
  if (!reply.is_object()) return Error(ErrorCode::kCorrupt, "the guest agent's answer is no JSON object");
  if (const auto value = reply.find("return"); value != reply.end()) return json(std::move(*value));
  return Error(ErrorCode::kIo, command + " in the guest: " + reason_of(reply));
}

Status GuestAgent::check_commands() {
  IVT_ASSIGN_OR_RETURN(const json info, ask("guest-info", json::object()));
  const auto list = info.is_object() ? info.find("supported_commands") : info.end();
  if (!info.is_object() || list == info.end() || !list->is_array())
    return Error(ErrorCode::kCorrupt, "the guest agent does not tell its commands");
  for (const char* needed : kNeeded) {
    const auto offers = [&](const json& command) {
      if (text_of(command, "name") != needed) return false;
      const auto enabled = command.find("enabled");
      return enabled != command.end() && enabled->is_boolean() && enabled->get<bool>();
    };
    if (std::any_of(list->begin(), list->end(), offers)) continue;
    return Error(ErrorCode::kUnsupported, "the guest agent does not allow " + std::string(needed),
                 kAllowHint);
  }
  return {};
}

Status GuestAgent::write_chunks(std::int64_t handle, std::span<const std::byte> bytes,
                                const std::function<void(std::uint64_t)>& progress) {
  std::size_t written = 0;
  while (written < bytes.size()) {
    const auto chunk = bytes.subspan(written, std::min(kChunk, bytes.size() - written));
    IVT_ASSIGN_OR_RETURN(const json answer,
                         ask("guest-file-write", {{"handle", handle}, {"buf-b64", base64_encode(chunk)}}));
    const auto count = answer.is_object() ? answer.find("count") : answer.end();
    if (!answer.is_object() || count == answer.end() || !count->is_number_unsigned() ||
        count->get<std::uint64_t>() == 0 || count->get<std::uint64_t>() > chunk.size())
      return Error(ErrorCode::kCorrupt, "the guest agent does not tell how much it wrote");
    written += count->get<std::uint64_t>();
    if (progress) progress(written);
  }
  // What the agent's own buffer holds is what may find the disk full.
  const auto flushed = ask("guest-file-flush", {{"handle", handle}});
  return flushed ? Status() : flushed.error();
}

Status GuestAgent::write_file(const std::string& path, std::span<const std::byte> bytes,
                              const std::function<void(std::uint64_t)>& progress) {
  IVT_ASSIGN_OR_RETURN(const json opened, ask("guest-file-open", {{"path", path}, {"mode", "w"}}));
  IVT_ASSIGN_OR_RETURN(const std::int64_t handle, number_of(opened, "guest-file-open"));
  const Status written = write_chunks(handle, bytes, progress);
  const auto closed = ask("guest-file-close", {{"handle", handle}});
  IVT_RETURN_IF_ERROR(written);
  return closed ? Status() : closed.error();
}

Result<std::int64_t> GuestAgent::start(const std::string& script, const std::vector<std::string>& arguments,
                                       bool capture) {
  json list = {"-c", script, "sh"};
  for (const std::string& argument : arguments) list.push_back(argument);
  IVT_ASSIGN_OR_RETURN(
      const json answer,
      ask("guest-exec", {{"path", "/bin/sh"}, {"arg", std::move(list)}, {"capture-output", capture}}));
  const auto pid = answer.is_object() ? answer.find("pid") : answer.end();
  if (!answer.is_object() || pid == answer.end())
    return Error(ErrorCode::kCorrupt, "the guest agent does not tell what it started");
  return number_of(*pid, "guest-exec");
}

Result<std::int64_t> GuestAgent::start_script(const std::string& script,
                                              const std::vector<std::string>& arguments) {
  return start(script, arguments, false);
}

Result<std::optional<ProgramEnd>> GuestAgent::end_of(std::int64_t process) {
  IVT_ASSIGN_OR_RETURN(const json status, ask("guest-exec-status", {{"pid", process}}));
  const auto exited = status.is_object() ? status.find("exited") : status.end();
  if (!status.is_object() || exited == status.end() || !exited->is_boolean())
    return Error(ErrorCode::kCorrupt, "the guest agent does not tell whether a program runs");
  if (!exited->get<bool>()) return std::optional<ProgramEnd>();
  ProgramEnd end;
  if (const auto code = status.find("exitcode"); code != status.end() && code->is_number_integer())
    end.exit_code = code->get<std::int64_t>();
  end.output = decoded(status, "out-data") + decoded(status, "err-data");
  return std::optional(std::move(end));
}

Result<ProgramEnd> GuestAgent::run_script(const std::string& script,
                                          const std::vector<std::string>& arguments, Nanoseconds limit) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::nanoseconds(limit.value);
  IVT_ASSIGN_OR_RETURN(const std::int64_t process, start(script, arguments, true));
  while (true) {
    IVT_ASSIGN_OR_RETURN(std::optional<ProgramEnd> end, end_of(process));
    if (end) return *std::move(end);
    if (std::chrono::steady_clock::now() >= give_up)
      return Error(ErrorCode::kTimeout, "a script in the guest does not come to its end");
    ::poll(nullptr, 0, kLookEveryMs);
  }
}

}  // namespace ivtrace::hypervisor
