#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/text_table.h"
#include "cli/vcpus_view.h"

namespace ivtrace::cli {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t kPreemptorsShown = 5;
constexpr auto kRight = TextTable::Align::kRight;

std::vector<std::string> cells(std::string name, const StateTimeView& time) {
  return {std::move(name),
          format_duration(time.total_ns),
          fmt::format("{:.1f} %", time.share * 100),
          grouped(time.times),
          format_duration(time.times == 0 ? 0 : time.total_ns / static_cast<std::int64_t>(time.times)),
          format_duration(time.longest_ns),
          fmt::format("{:.6f}", static_cast<double>(time.longest_at_ns) / 1e9)};
}

std::string preemptor_name(const PreemptorView& by) {
  if (by.tid < 0) return "behind a task that is not known";
  if (by.tid == 0) return "on a CPU that was idle";
  return fmt::format("behind {}: {}-{}", by.machine, by.comm, by.tid);
}

std::string title(const VcpuTimesView& vcpu) {
  std::string text =
      fmt::format("{} vCPU{} {} (thread {}): {}", vcpu.machine, vcpu.vcpus.size() > 1 ? "s" : "",
                  fmt::join(vcpu.vcpus, ", "), vcpu.thread, format_duration(vcpu.known_ns));
  if (vcpu.unknown_ns > 0) text += ", and " + format_duration(vcpu.unknown_ns) + " without a known state";
  return text;
}

void append_table(std::string& out, const VcpuTimesView& vcpu) {
  TextTable table({{"STATE"},
                   {"TIME", kRight},
                   {"SHARE", kRight},
                   {"TIMES", kRight},
                   {"MEAN", kRight},
                   {"LONGEST", kRight},
                   {"AT (s)", kRight}});
  for (const VcpuStateView& state : vcpu.states) {
    table.add_row(cells(state.state, state.time));
    if (state.state != "preempted") continue;
    const std::size_t shown = std::min(vcpu.preempted_by.size(), kPreemptorsShown);
    for (std::size_t i = 0; i < shown; ++i) {
      table.add_row(cells("  " + preemptor_name(vcpu.preempted_by[i]), vcpu.preempted_by[i].time));
    }
    if (shown < vcpu.preempted_by.size())
      table.add_row({fmt::format("  {} more", vcpu.preempted_by.size() - shown)});
  }
  table.append_to(out, "  ");
}

Json time_json(const StateTimeView& time) {
  return {{"total_ns", time.total_ns},
          {"share", time.share},
          {"times", time.times},
          {"longest_ns", time.longest_ns},
          {"longest_at_ns", time.longest_at_ns}};
}

}  // namespace

std::string vcpus_text(const std::vector<VcpuTimesView>& vcpus) {
  std::string out;
  for (const VcpuTimesView& vcpu : vcpus) {
    if (!out.empty()) out += '\n';
    append_terminal_safe(out, title(vcpu));
    out += '\n';
    if (!vcpu.states.empty()) append_table(out, vcpu);
  }
  return out;
}

std::string vcpus_json(const std::vector<VcpuTimesView>& vcpus) {
  Json list = Json::array();
  for (const VcpuTimesView& vcpu : vcpus) {
    Json states = Json::object();
    for (const VcpuStateView& state : vcpu.states) states[state.state] = time_json(state.time);
    Json preemptors = Json::array();
    for (const PreemptorView& by : vcpu.preempted_by) {
      Json one = {{"tid", by.tid}, {"comm", by.comm}, {"machine", by.machine}};
      one.update(time_json(by.time));
      preemptors.push_back(std::move(one));
    }
    list.push_back({{"machine", vcpu.machine},
                    {"vcpus", vcpu.vcpus},
                    {"thread", vcpu.thread},
                    {"known_ns", vcpu.known_ns},
                    {"unknown_ns", vcpu.unknown_ns},
                    {"states", std::move(states)},
                    {"preempted_by", std::move(preemptors)}});
  }
  const Json document = {{"vcpus", std::move(list)}};
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace ivtrace::cli
