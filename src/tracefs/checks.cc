#include "tracefs/checks.h"

#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "tracefs/cpus.h"
#include "tracefs/events.h"
#include "tracefs/instance.h"
#include "tracefs/lockdown.h"
#include "tracefs/page_reader.h"

namespace ivtrace::tracefs {
namespace {

using format::Check;

Check from_status(const std::string& name, const Status& status, const std::string& detail) {
  if (status) return {name, "ok", detail, ""};
  return {name, "missing", status.error().message, status.error().hint};
}

Check check_lockdown() {
  const Lockdown state = lockdown_state();
  switch (state) {
    case Lockdown::kNone:
      return {"lockdown", "ok", "off", ""};
    case Lockdown::kIntegrity:
      return {"lockdown", "warning", "integrity: mapping a PCI device's memory is forbidden",
              "in a guest with an ivshmem ring: turn Secure Boot off, or boot without lockdown="};
    case Lockdown::kConfidentiality:
      return {"lockdown", "missing", "confidentiality: tracing is forbidden",
              "boot with lockdown=integrity or none"};
    case Lockdown::kUnknown:
      break;
  }
  return {"lockdown", "warning", "unknown: securityfs cannot be read", "run it as root"};
}

/// The groups of events that ivtrace's profiles live on, and the kernel option that gives each.
void check_events(const TraceDir& dir, std::vector<Check>& checks) {
  struct Group {
    const char* system;
    const char* option;
    bool needed;
  };
  static constexpr Group kGroups[] = {
      {"block", "CONFIG_BLOCK and CONFIG_EVENT_TRACING", true},
      {"sched", "CONFIG_EVENT_TRACING", true},
      {"irq", "CONFIG_EVENT_TRACING", true},
      {"raw_syscalls", "CONFIG_FTRACE_SYSCALLS", false},
      {"syscalls", "CONFIG_FTRACE_SYSCALLS", false},
      {"kvm", "CONFIG_KVM and the kvm module loaded (only a host of KVM guests has it)", false},
  };
  const Result<std::vector<std::string>> available = available_events(dir);
  if (!available) {
    checks.push_back({"events", "missing", available.error().message, available.error().hint});
    return;
  }
  for (const Group& group : kGroups) {
    const std::string prefix = std::string(group.system) + ":";
    const auto count = std::count_if(available->begin(), available->end(),
                                     [&](const std::string& event) { return event.starts_with(prefix); });
    if (count > 0) {
      checks.push_back({prefix + "*", "ok", std::to_string(count) + " events", ""});
    } else {
      checks.push_back({prefix + "*", group.needed ? "missing" : "warning", "this kernel has no such events",
                        std::string("needs ") + group.option});
    }
  }
}

Check check_mapping(const Instance& instance) {
  const Result<std::vector<CpuId>> cpus = online_cpus();
  if (!cpus || cpus->empty()) return {"mapped buffers", "warning", "the list of CPUs cannot be read", ""};
  const auto reader = MappedReader::open(instance, cpus->front());
  if (reader) return {"mapped buffers", "ok", "trace_pipe_raw can be mapped", ""};
  return {"mapped buffers", "warning", reader.error().message + ": read() is used instead",
          reader.error().hint};
}

}  // namespace

std::vector<Check> check_tracing(std::uint64_t buffer_kb, const std::string& instance_name) {
  std::vector<Check> checks;
  checks.push_back(::geteuid() == 0 ? Check{"root", "ok", "", ""}
                                    : Check{"root", "missing", "not root", "run it as root, or with sudo"});
  checks.push_back(check_lockdown());
  const Result<TraceDir> dir = TraceDir::open();
  if (!dir) {
    checks.push_back({"tracefs", "missing", dir.error().message, dir.error().hint});
    return checks;
  }
  checks.push_back({"tracefs", "ok", dir->where(), ""});
  check_events(*dir, checks);
  Result<Instance> instance = Instance::create(
      *dir, instance_name.empty() ? "ivtrace-" + std::to_string(::getpid()) + "-check" : instance_name);
  if (!instance) {
    checks.push_back({"private instance", "missing", instance.error().message, instance.error().hint});
    return checks;
  }
  checks.push_back({"private instance", "ok", "", ""});
  checks.push_back(from_status("x86-tsc clock", instance->set_clock("x86-tsc"), "offered"));
  checks.push_back(from_status("buffer memory", instance->set_buffer_kb(buffer_kb),
                               format_size(buffer_kb * 1024) + " per CPU"));
  checks.push_back(check_mapping(*instance));
  const Status removed = instance->remove();
  if (!removed) checks.push_back(from_status("removal of an instance", removed, ""));
  return checks;
}

}  // namespace ivtrace::tracefs
