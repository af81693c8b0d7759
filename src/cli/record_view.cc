#include "cli/record_view.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <cmath>

#include "base/text.h"
#include "cli/text_table.h"

namespace ivtrace::cli {
namespace {

std::string reason_text(const std::string& reason) {
  if (reason == "duration") return "ended after the given time";
  if (reason == "command") return "ended with the program";
  if (reason == "signal") return "ended by signal";
  if (reason == "size-limit") return "ended at its size limit (see --max-size)";
  if (reason == "disk-full") return "ended because the disk is full";
  return "ended: " + reason;
}

std::string command_text(int status) {
  if (WIFEXITED(status)) {
    return WEXITSTATUS(status) == 0 ? ""
                                    : fmt::format("the program ended with status {}", WEXITSTATUS(status));
  }
  if (WIFSIGNALED(status)) return fmt::format("the program was ended by signal {}", WTERMSIG(status));
  return "the program still runs";
}

void append_line(std::string& out, const std::string& text) {
  append_terminal_safe(out, text);
  out += '\n';
}

std::string total(double per_second, double seconds) {
  return grouped(static_cast<unsigned long long>(std::llround(std::max(0.0, per_second * seconds))));
}

}  // namespace

std::string record_summary_text(const record::RecordSummary& summary, const Containments& containments) {
  const double seconds = static_cast<double>(summary.elapsed.value) / 1e9;
  std::string out;
  append_line(out, fmt::format("{}: {:.1f} s, {}, {}", summary.path, seconds, format_size(summary.bytes),
                               reason_text(summary.reason)));
  if (!summary.detail.empty()) append_line(out, summary.detail);
  if (summary.command_status) {
    const std::string text = command_text(*summary.command_status);
    if (!text.empty()) append_line(out, text);
  }
  constexpr auto kRight = TextTable::Align::kRight;
  TextTable table(
      {{"MACHINE"}, {"EVENTS", kRight}, {"EVENTS/S", kRight}, {"MB/S", kRight}, {"LOST", kRight}, {""}});
  for (const record::MachineProgress& machine : summary.machines) {
    table.add_row({machine.name, total(machine.events_per_second, seconds),
                   total(machine.events_per_second, 1), fmt::format("{:.2f}", machine.bytes_per_second / 1e6),
                   lost_text(machine.lost, machine.lost_more), machine.state});
  }
  table.append_to(out, "  ");
  for (const auto& [guest, containment] : containments)
    append_line(out, guest + ": containment: " + containment_text(containment));
  out += summary.lost_anything ? "Some events are lost: " : "Nothing was lost. Next: ";
  append_line(out, summary.lost_anything
                       ? "ivtrace info " + summary.path + " says where and why"
                       : "ivtrace info " + summary.path + ", ivtrace report " + summary.path);
  return out;
}

}  // namespace ivtrace::cli
