#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/exits_view.h"
#include "cli/text_table.h"

namespace ivtrace::cli {
namespace {

std::string task_text(const ExitReasonView& reason) {
  if (reason.tasks.empty()) return "-";
  const ExitTaskView& task = reason.tasks.front();
  const std::string name =
      task.comm.empty() ? std::to_string(task.pid) : fmt::format("{}-{}", task.comm, task.pid);
  return fmt::format("{} ({} %)", name, task.count * 100 / std::max<std::uint64_t>(reason.count, 1));
}

nlohmann::ordered_json reason_json(const ExitReasonView& reason) {
  using Json = nlohmann::ordered_json;
  Json tasks = Json::array();
  for (const ExitTaskView& task : reason.tasks) {
    tasks.push_back({{"pid", task.pid}, {"comm", task.comm}, {"count", task.count}});
  }
  return {{"reason", reason.reason},         {"count", reason.count},
          {"unfinished", reason.unfinished}, {"total_ns", reason.total_ns},
          {"mean_ns", reason.mean_ns},       {"p99_ns", reason.p99_ns},
          {"max_ns", reason.max_ns},         {"longest_at_ns", reason.longest_at_ns},
          {"share", reason.share},           {"tasks", std::move(tasks)}};
}

}  // namespace

std::string exits_text(const std::vector<VcpuExitsView>& vcpus) {
  constexpr auto kRight = TextTable::Align::kRight;
  std::string out;
  for (const VcpuExitsView& vcpu : vcpus) {
    const std::int64_t all = vcpu.guest_ns + vcpu.host_ns;
    if (!out.empty()) out += '\n';
    append_terminal_safe(
        out,
        fmt::format("{} vCPU {} (thread {}): {} in the guest ({:.1f} %), {} out of it", vcpu.machine,
                    vcpu.vcpu, vcpu.thread, format_duration(vcpu.guest_ns),
                    all > 0 ? 100.0 * static_cast<double>(vcpu.guest_ns) / static_cast<double>(all) : 0.0,
                    format_duration(vcpu.host_ns)));
    out += '\n';
    TextTable table({{"REASON"},
                     {"COUNT", kRight},
                     {"TOTAL", kRight},
                     {"SHARE", kRight},
                     {"MEAN", kRight},
                     {"P99", kRight},
                     {"MAX", kRight},
                     {"AT (s)", kRight},
                     {"MOSTLY HIT"}});
    for (const ExitReasonView& reason : vcpu.reasons) {
      table.add_row({reason.reason, grouped(reason.count), format_duration(reason.total_ns),
                     fmt::format("{:.1f} %", reason.share * 100), format_duration(reason.mean_ns),
                     format_duration(reason.p99_ns), format_duration(reason.max_ns),
                     fmt::format("{:.6f}", static_cast<double>(reason.longest_at_ns) / 1e9),
                     task_text(reason)});
    }
    table.append_to(out, "  ");
  }
  return out;
}

std::string exits_json(const std::vector<VcpuExitsView>& vcpus) {
  using Json = nlohmann::ordered_json;
  Json list = Json::array();
  for (const VcpuExitsView& vcpu : vcpus) {
    Json reasons = Json::array();
    for (const ExitReasonView& reason : vcpu.reasons) reasons.push_back(reason_json(reason));
    list.push_back({{"machine", vcpu.machine},
                    {"vcpu", vcpu.vcpu},
                    {"thread", vcpu.thread},
                    {"guest_ns", vcpu.guest_ns},
                    {"host_ns", vcpu.host_ns},
                    {"reasons", std::move(reasons)}});
  }
  const Json document = {{"vcpus", std::move(list)}};
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace ivtrace::cli
