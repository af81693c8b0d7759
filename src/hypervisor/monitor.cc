#include "hypervisor/monitor.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "hypervisor/libvirt.h"
#include "hypervisor/qmp.h"

namespace ivtrace::hypervisor {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

/// A domain's monitor, which libvirt holds. libvirt waits for QEMU without an end of its own; the limits are
/// those of Libvirt's calls.
class LibvirtMonitor : public MonitorConnection {
 public:
  LibvirtMonitor(const Monitor& monitor, Nanoseconds step_limit, Nanoseconds total_limit)
      : libvirt_(monitor.libvirt),
        domain_(monitor.domain),
        step_limit_(step_limit),
        end_(Clock::now() + std::chrono::nanoseconds(total_limit.value)) {}

  Result<json> execute(const std::string& command, const std::string& arguments) override {
    if (!usable_) return Error(ErrorCode::kGone, "the monitor's connection has ended");
    const std::int64_t left = std::chrono::nanoseconds(end_ - Clock::now()).count();
    auto text = libvirt_->monitor_command(domain_, qmp_command(command, arguments, 0),
                                          Nanoseconds(std::clamp<std::int64_t>(left, 0, step_limit_.value)));
    usable_ = text.ok();
    if (!text) return text.error();
    json reply = json::parse(*text, nullptr, false);
    usable_ = reply.is_object();
    if (!usable_) return Error(ErrorCode::kCorrupt, "the monitor's answer is no JSON object");
    return qmp_outcome(std::move(reply), command);
  }
  bool usable() const override { return usable_; }

 private:
  std::shared_ptr<Libvirt> libvirt_;
  std::string domain_;
  Nanoseconds step_limit_;
  Clock::time_point end_;
  bool usable_ = true;
};

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

std::string Monitor::describe() const { return libvirt ? "libvirt at " + libvirt->uri() : "QMP at " + path; }

std::string qmp_command(const std::string& command, const std::string& arguments, std::uint64_t id) {
  std::string text = "{\"execute\":" + json(command).dump();
  if (id != 0) text += ",\"id\":" + std::to_string(id);
  if (!arguments.empty()) text += ",\"arguments\":" + arguments;
  return text + "}";
}

Result<json> qmp_outcome(json reply, const std::string& command) {
  if (const auto value = reply.find("return"); value != reply.end()) return json(std::move(*value));
  return Error(ErrorCode::kNotFound, "QMP command " + command + " failed" + reason_of(reply));
}

Result<std::unique_ptr<MonitorConnection>> open_monitor(const Monitor& monitor, Nanoseconds step_limit,
                                                        Nanoseconds total_limit) {
  if (monitor.libvirt) {
    return std::unique_ptr<MonitorConnection>(
        std::make_unique<LibvirtMonitor>(monitor, step_limit, total_limit));
  }
  if (monitor.path.empty()) return Error(ErrorCode::kUnsupported, "there is no QMP monitor on a socket");
  IVT_ASSIGN_OR_RETURN(QmpConnection connection, QmpConnection::open(monitor.path, step_limit, total_limit));
  return std::unique_ptr<MonitorConnection>(std::make_unique<QmpConnection>(std::move(connection)));
}

}  // namespace ivtrace::hypervisor
