#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <utility>

#include "base/text.h"
#include "cli/limits_view.h"
#include "cli/run_info.h"
#include "cli/text_table.h"
#include "cli/tracers_view.h"

namespace ivtrace::cli {
namespace {

void append_line(std::string& out, const std::string& text) {
  append_terminal_safe(out, text);
  out += '\n';
}

std::string error_text(const ClockInfo& clock) {
  if (!clock.error_ns) return "-";
  const double ns = *clock.error_ns;
  if (ns < 1000) return fmt::format("{:.0f} ns", ns);
  if (ns < 1e6) return fmt::format("{:.1f} us", ns / 1e3);
  return fmt::format("{:.1f} ms", ns / 1e6);
}

void append_head(std::string& out, const RunInfo& info) {
  append_line(out, fmt::format("{}: {} s, {} of events, recorded {} by ivtrace {}", info.path,
                               seconds_text(info.duration_ns), format_size(info.bytes), info.created,
                               info.tool_version));
  if (!info.command_line.empty()) append_line(out, "command: " + info.command_line);
  const char* const open_end = info.recording ? "not yet, it is being recorded" : "its recorder died";
  append_line(out, "ended:   " + (info.ended.empty() ? open_end : info.ended));
}

void append_machines(std::string& out, const RunInfo& info) {
  constexpr auto kRight = TextTable::Align::kRight;
  TextTable table({{"MACHINE"},
                   {"KIND"},
                   {"KERNEL"},
                   {"CPUS", kRight},
                   {"EVENTS", kRight},
                   {"BYTES", kRight},
                   {"LOST", kRight},
                   {"CLOCK"},
                   {"EPOCHS", kRight},
                   {"ERROR", kRight}});
  for (const MachineInfo& machine : info.machines) {
    table.add_row({machine.name, machine.kind, machine.kernel.empty() ? "?" : machine.kernel,
                   std::to_string(machine.cpus), grouped(machine.events), format_size(machine.bytes),
                   lost_text(machine.lost, machine.lost_more),
                   machine.clock.aligned ? machine.clock.source : "not aligned",
                   std::to_string(machine.clock.epochs), error_text(machine.clock)});
  }
  out += '\n';
  table.append_to(out);
  for (const MachineInfo& machine : info.machines) {
    if (!machine.clock.quality.empty()) append_line(out, machine.name + ": clock: " + machine.clock.quality);
    if (machine.clock.containment)
      append_line(out, machine.name + ": containment: " + containment_text(*machine.clock.containment));
    if (!machine.note.empty()) append_line(out, machine.name + ": " + machine.note);
    if (machine.cpu_limit_us != 0)
      append_line(out, machine.name + ": " + cpu_limit_text(machine.cpu_limit_us));
    for (const LimitedDisk& disk : machine.limited_disks) {
      append_line(out, fmt::format("{}: disk {} ({}) is limited to {}", machine.name, disk.device, disk.path,
                                   format::limits_text(disk.limits)));
    }
    if (machine.idle_lag_ns > 0) {
      append_line(out, fmt::format("{}: while quiet, its events may come up to {} ms late into the run",
                                   machine.name, machine.idle_lag_ns / 1'000'000));
    }
    for (const std::string& event : machine.rejected)
      append_line(out, machine.name + ": not recorded: " + event);
  }
}

std::string range_text(const LossInfo& loss) {
  if (!loss.from_ns && !loss.until_ns) return "?";
  return (loss.from_ns ? seconds_text(*loss.from_ns) : "?") + " .. " +
         (loss.until_ns ? seconds_text(*loss.until_ns) : "?");
}

void append_losses(std::string& out, const RunInfo& info) {
  if (info.losses.empty()) {
    if (info.damage.empty())
      out += info.recording ? "\nNothing is known to be lost so far.\n" : "\nNothing was lost.\n";
    return;
  }
  constexpr auto kRight = TextTable::Align::kRight;
  TextTable table({{"LOST"},
                   {"MACHINE"},
                   {"CPU", kRight},
                   {"EVENTS", kRight},
                   {"BYTES", kRight},
                   {"TIME (s)"},
                   {"WHAT TO DO"}});
  for (const LossInfo& loss : info.losses) {
    table.add_row({loss.reason, loss.machine, loss.cpu ? std::to_string(*loss.cpu) : "all",
                   loss.events ? grouped(*loss.events) : "?", loss.bytes ? grouped(*loss.bytes) : "-",
                   range_text(loss), loss.remedy});
  }
  out += '\n';
  table.append_to(out);
  for (const LossInfo& loss : info.losses) {
    if (!loss.detail.empty())
      append_line(out, fmt::format("{}: {}: {}", loss.machine, loss.reason, loss.detail));
  }
}

}  // namespace

std::string seconds_text(std::int64_t ns) {
  const std::uint64_t size = ns < 0 ? 0 - static_cast<std::uint64_t>(ns) : static_cast<std::uint64_t>(ns);
  return fmt::format("{}{}.{:09}", ns < 0 ? "-" : "", size / 1'000'000'000, size % 1'000'000'000);
}

std::string loss_remedy(const std::string& reason) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 22> kRemedies = {{
      {"overrun", "a larger --buffer-size, or fewer events"},
      {"dropped-events", "a larger --buffer-size, or fewer events"},
      {"commit-overrun", "a larger --buffer-size"},
      {"missed-events", "a larger --buffer-size, or fewer events"},
      {"unread-at-stop", "let the recording end in good order"},
      {"not-in-run", "let the recording end in good order"},
      {"missing-pages", "let the recording end in good order"},
      {"no-page-start", "let the recording end in good order"},
      {"write-failed", "see the kernel's log for errors of the disk"},
      {"disk-full", "make room, or write elsewhere with -o"},
      {"size-limit", "a larger --max-size"},
      {"guest-share", "a larger --max-size"},
      {"corrupt-chunk", "see whether anything else writes into the guest's ring"},
      {"sequence-gap", "see whether anything else writes into the guest's ring"},
      {"new-generation", "keep the guest's agent running"},
      {"mapping-lost", "leave the ring's file alone while recording"},
      {"agent-gone", "keep the guest's agent running"},
      {"probe-missed",
       "probe a function that is under way less often at once, or its beginning instead of its return"},
      {"agent-gave-up", "do not stop the recorder (SIGSTOP, a full disk that hangs) for so long"},
      {"qemu-gone", ""},
      {"tracer", "print less in the script, or a larger buffer of the tracer's"},
      {"recorder-died", "ivtrace cleanup salvages what is left"},
  }};
  for (const auto& [name, remedy] : kRemedies) {
    if (reason == name) return std::string(remedy);
  }
  return {};
}

std::string run_info_text(const RunInfo& info) {
  std::string out;
  append_head(out, info);
  append_machines(out, info);
  out += tracers_text(info.tracers, info.path);
  append_losses(out, info);
  for (const DamageInfo& damage : info.damage) {
    append_line(out, fmt::format("damaged: {}: {} ({} bytes)", damage.file, damage.reason, damage.bytes));
  }
  if (!info.notes.empty()) out += '\n';
  for (const NoteInfo& note : info.notes) {
    append_line(out, fmt::format("{}  {}{}{}", seconds_text(note.at_ns), note.machine,
                                 note.machine.empty() ? "" : ": ", note.text));
  }
  return out;
}

}  // namespace ivtrace::cli
