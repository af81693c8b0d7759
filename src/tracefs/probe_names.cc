#include "tracefs/probe_names.h"

#include <algorithm>

#include "base/text.h"

namespace ivtrace::tracefs {
namespace {

constexpr std::string_view kPrefix = "ivtrace_";
constexpr std::uint64_t kMaxPid = 0x7fffffff;

}  // namespace

std::string probe_group_name(const ProbeGroup& group) {
  return std::string(kPrefix) + std::to_string(group.pid) + "_" + group.kind;
}

std::optional<ProbeGroup> parse_probe_group(std::string_view name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  const std::size_t end = name.find('_');
  if (end == name.npos) return std::nullopt;
  const auto pid = parse_u64(name.substr(0, end));
  const std::string_view kind = name.substr(end + 1);
  const bool plain = std::all_of(kind.begin(), kind.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  if (!pid || *pid == 0 || *pid > kMaxPid || kind.empty() || !plain) return std::nullopt;
  return ProbeGroup{static_cast<std::int32_t>(*pid), std::string(kind)};
}

std::string recorded_system(std::string_view system) {
  const auto group = parse_probe_group(system);
  return group ? group->kind : std::string(system);
}

std::string recorded_event(std::string_view event) {
  const std::size_t colon = event.find(':');
  if (colon == event.npos) return std::string(event);
  return recorded_system(event.substr(0, colon)) + std::string(event.substr(colon));
}

std::vector<std::string> recorded_events(const std::vector<std::string>& events) {
  std::vector<std::string> recorded;
  recorded.reserve(events.size());
  for (const std::string& event : events) recorded.push_back(recorded_event(event));
  return recorded;
}

}  // namespace ivtrace::tracefs
