#include "record/probe_filters.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "format/run_layout.h"

namespace ivtrace::record {
namespace {

struct TextSystem {
  const char* prefix;
  const char* hint;
};
constexpr std::array<TextSystem, 3> kTextSystems = {{
    {"stap:", "put the condition into the script"},
    {"bpftrace:", "put the condition into the script"},
    {"mark:", "programs mark what they like; choose when reading: ivtrace report --event"},
}};

bool may_give(const ProbeRequest& probe, const std::string& event) {
  const std::size_t colon = probe.spec.find(':');
  // The pack's name has no kind: its probes are of a program.
  return event.starts_with(colon == std::string::npos ? "uprobe:" : probe.spec.substr(0, colon + 1));
}

bool has(const std::vector<std::string>& events, const std::string& event) {
  return std::find(events.begin(), events.end(), event) != events.end();
}

std::string nearest(const std::string& event, const std::vector<std::string>& events) {
  std::string text;
  for (const std::string& name : nearest_names(event, events)) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "" : "nearest: " + text;
}

}  // namespace

bool may_be_of_probe(const std::vector<ProbeRequest>& probes, const std::string& event) {
  return std::any_of(probes.begin(), probes.end(),
                     [&](const ProbeRequest& probe) { return may_give(probe, event); });
}

Status refuse_text_filters(const tracefs::Filters& filters) {
  for (const auto& [event, expression] : filters) {
    for (const TextSystem& system : kTextSystems) {
      if (!event.starts_with(system.prefix)) continue;
      return Error(ErrorCode::kInvalid, "--filter " + event + ": the kernel has no such event to filter",
                   system.hint);
    }
  }
  return {};
}

Status check_host_filters(const tracefs::Filters& of_probes, const std::vector<ProbeRequest>& probes,
                          const std::vector<std::string>& host_events) {
  for (const auto& [event, expression] : of_probes) {
    const bool guests_may = std::any_of(probes.begin(), probes.end(), [&](const ProbeRequest& probe) {
      return probe.machine != format::kHostMachine && may_give(probe, event);
    });
    if (guests_may || has(host_events, event)) continue;
    return Error(ErrorCode::kInvalid, "--filter " + event + ": no probe of the host gives such an event",
                 nearest(event, host_events));
  }
  return {};
}

std::vector<std::string> unmet_filters(const tracefs::Filters& of_probes,
                                       const std::vector<std::string>& events) {
  std::vector<std::string> lines;
  for (const auto& [event, expression] : of_probes) {
    if (has(events, event)) continue;
    const std::string near = nearest(event, events);
    lines.push_back("--filter " + event + ": no machine has a probe that gives such an event" +
                    (near.empty() ? "" : " (" + near + ")"));
  }
  return lines;
}

}  // namespace ivtrace::record
