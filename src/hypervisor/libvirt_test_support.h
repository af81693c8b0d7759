// A scripted libvirt for tests.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "hypervisor/libvirt.h"

namespace ivtrace::hypervisor {

/// Knows one domain. What it was asked and told is there to look at.
class FakeLibvirt : public Libvirt {
 public:
  explicit FakeLibvirt(Domain domain) : domain_(std::move(domain)) {}

  /// The reply to a QMP command, as a whole ({"return":…}); an Error is libvirt's own.
  std::function<Result<nlohmann::json>(const nlohmann::json& command)> qmp;
  std::function<Result<nlohmann::json>(const nlohmann::json& command)> agent;
  std::function<Status(const std::string& xml)> attach;
  std::function<Status(const std::string& alias)> detach;
  std::vector<std::string> asked;  ///< names of the QMP commands
  std::vector<DomainEvent> events;

  const std::string& uri() const override { return uri_; }
  Result<std::vector<Domain>> domains(Nanoseconds) override { return std::vector<Domain>{domain_}; }
  Result<std::string> monitor_command(const std::string& domain, const std::string& text,
                                      Nanoseconds) override {
    const auto command = nlohmann::json::parse(text);
    asked.push_back(command["execute"]);
    return reply(qmp, domain, command);
  }
  Result<std::string> agent_command(const std::string& domain, const std::string& text,
                                    Nanoseconds) override {
    return reply(agent, domain, nlohmann::json::parse(text));
  }
  Status attach_device(const std::string&, const std::string& xml, Nanoseconds) override {
    return attach(xml);
  }
  Status detach_device(const std::string&, const std::string& alias, Nanoseconds) override {
    return detach(alias);
  }
  std::vector<DomainEvent> take_events() override { return std::exchange(events, {}); }

 private:
  Result<std::string> reply(const std::function<Result<nlohmann::json>(const nlohmann::json&)>& answer,
                            const std::string& domain, const nlohmann::json& command) const {
    if (domain != domain_.uuid) return Error(ErrorCode::kNotFound, "no domain " + domain);
    IVT_ASSIGN_OR_RETURN(const nlohmann::json value, answer(command));
    return value.dump();
  }

  const std::string uri_ = "fake:///";
  Domain domain_;
};

}  // namespace ivtrace::hypervisor
