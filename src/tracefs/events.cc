#include "tracefs/events.h"

#include <algorithm>
#include <cctype>
#include <iterator>

#include "base/fd.h"
#include "base/text.h"
#include "tracefs/lockdown.h"
#include "tracefs/probe_names.h"

namespace ivtrace::tracefs {
namespace {

constexpr std::size_t kMaxFormatsBytes = 32u << 20;

/// "system:name", "system:", "system" or "name" as the globs that can mean it.
std::vector<std::string> globs_of(const std::string& pattern) {
  const std::size_t colon = pattern.find(':');
  if (colon == pattern.npos) return {pattern + ":*", "*:" + pattern};
  if (colon + 1 == pattern.size()) return {pattern + "*"};
  return {pattern};
}

/// "nearest: a, b", or nothing when no name is near.
std::string nearest_events(const std::string& pattern, std::span<const std::string> available) {
  std::vector<std::string> near = nearest_names(pattern, available);
  if (near.empty() && pattern.find(':') == pattern.npos) {
    // A bare name is far from every "system:name" by edit distance: compare it with the names alone.
    std::vector<std::string> names;
    for (const std::string& event : available) names.push_back(event.substr(event.find(':') + 1));
    near = nearest_names(pattern, names);
  }
  std::string text;
  for (const std::string& name : near) text += (text.empty() ? "nearest: " : ", ") + name;
  return text;
}

std::string no_such_event(const std::string& pattern, std::span<const std::string> available) {
  const std::string nearest = nearest_events(pattern, available);
  return pattern + ": this kernel has no such event" + (nearest.empty() ? "" : "; " + nearest);
}

/// Whether an expression names this field.
bool names_field(std::string_view expression, std::string_view field) {
  const auto part_of_name = [&](std::size_t at) {
    return at < expression.size() &&
           (std::isalnum(static_cast<unsigned char>(expression[at])) != 0 || expression[at] == '_');
  };
  for (std::size_t at = expression.find(field); at != expression.npos; at = expression.find(field, at + 1)) {
    if ((at == 0 || !part_of_name(at - 1)) && !part_of_name(at + field.size())) return true;
  }
  return false;
}

/// Events that an interrupt can raise while any task runs.
bool hits_any_task(std::string_view event) {
  const std::string_view system = event.substr(0, event.find(':'));
  return system == "irq" || system == "irq_vectors" || system == "block" || system == "timer" ||
         system == "sched" || system == "kvm";
}

/// Appends one framed file, called `shown` in its frame. A name that is not there is left out: ftrace's own
/// formats differ between kernels.
Status append_file(std::string& out, const TraceDir& dir, const std::string& name, const std::string& shown) {
  const Result<std::string> text = read_file_at(dir.fd(), "events/" + name, 1u << 20);
  if (!text) {
    if (text.error().code == ErrorCode::kNotFound) return {};
    return explain_denied(text.error());
  }
  out += "file " + shown + " " + std::to_string(text->size()) + "\n" + *text + "\n";
  if (out.size() > kMaxFormatsBytes)
    return Error(ErrorCode::kExhausted, "the event formats are larger than 32 MiB");
  return {};
}

}  // namespace

Result<std::vector<std::string>> available_events(const TraceDir& dir) {
  Result<std::string> text = read_file_at(dir.fd(), "available_events");
  if (!text) return explain_denied(text.error());
  std::vector<std::string> events;
  for (std::string_view line : split(*text, '\n')) {
    if (!line.empty()) events.emplace_back(line);
  }
  std::sort(events.begin(), events.end());
  return events;
}

EventSelection select_events(std::span<const std::string> available, std::span<const std::string> patterns) {
  EventSelection selection;
  for (const std::string& pattern : patterns) {
    bool found = false;
    for (const std::string& glob : globs_of(pattern)) {
      for (const std::string& event : available) {
        if (event != glob && !glob_match(glob, event)) continue;
        selection.events.push_back(event);
        found = true;
      }
      if (found) break;
    }
    if (!found) selection.rejected.push_back(no_such_event(pattern, available));
  }
  std::sort(selection.events.begin(), selection.events.end());
  selection.events.erase(std::unique(selection.events.begin(), selection.events.end()),
                         selection.events.end());
  return selection;
}

Result<Filters> resolve_filters(std::span<const std::string> recorded, const Filters& filters) {
  Filters resolved;
  for (const auto& [pattern, expression] : filters) {
    const EventSelection meant = select_events(recorded, std::span(&pattern, 1));
    if (meant.events.empty()) {
      return Error(ErrorCode::kInvalid, "--filter " + pattern + ": no such event is recorded on this host",
                   nearest_events(pattern, recorded));
    }
    for (const std::string& event : meant.events) {
      if (hits_any_task(event) && names_field(expression, "common_pid")) {
        return Error(
            ErrorCode::kInvalid, "--filter " + pattern + ": " + event + " takes no filter on common_pid",
            "the kernel would also drop, uncounted, the interrupts that hit that task; record them all "
            "and use ivtrace report --pid");
      }
      const auto [place, fresh] = resolved.emplace(event, expression);
      if (!fresh && place->second != expression)
        return Error(ErrorCode::kInvalid, "two filters for " + event, "join them with && or ||");
    }
  }
  return resolved;
}

std::span<const Profile> profiles() {
  static const std::vector<std::string> kBlock = {
      "block:block_rq_insert", "block:block_rq_issue",  "block:block_rq_complete", "block:block_rq_requeue",
      "block:block_bio_queue", "block:block_bio_remap", "block:block_rq_merge"};
  static const std::vector<std::string> kIrq = {"irq:irq_handler_entry", "irq:irq_handler_exit"};
  // Rare, and without them nobody could name a task that began while recording.
  static const std::vector<std::string> kNames = {"task:task_newtask", "task:task_rename"};
  // As little of the scheduler as tells whether a thread waits for a CPU, and behind whom.
  static const std::vector<std::string> kSwitch = {"sched:sched_switch", "sched:sched_wakeup",
                                                   "sched:sched_wakeup_new", "sched:sched_migrate_task"};
  static const std::vector<std::string> kSched = {"sched:sched_switch",       "sched:sched_waking",
                                                  "sched:sched_wakeup",       "sched:sched_wakeup_new",
                                                  "sched:sched_migrate_task", "sched:sched_process_fork",
                                                  "sched:sched_process_exec", "sched:sched_process_exit",
                                                  "irq:softirq_entry",        "irq:softirq_exit"};
  static const std::vector<std::string> kIoCalls = {
      "syscalls:sys_*_pread64",       "syscalls:sys_*_pwrite64",       "syscalls:sys_*_preadv*",
      "syscalls:sys_*_pwritev*",      "syscalls:sys_*_io_submit",      "syscalls:sys_*_io_getevents",
      "syscalls:sys_*_io_pgetevents", "syscalls:sys_*_io_uring_enter", "syscalls:sys_*_fsync",
      "syscalls:sys_*_fdatasync"};
  static const auto joined = [](std::initializer_list<std::vector<std::string>> lists) {
    std::vector<std::string> all;
    for (const auto& list : lists) all.insert(all.end(), list.begin(), list.end());
    return all;
  };
  static const std::vector<Profile> kProfiles = {
      {"io", "block requests, interrupts, QEMU's reads and writes, and who had the CPUs",
       joined({kBlock, kIrq, kNames, {"sched:sched_switch"}}),
       joined({kSwitch, {"kvm:kvm_set_irq", "kvm:kvm_msi_set_irq"}}), kIoCalls},
      {"cpu",
       "scheduler, interrupts, and KVM's entries and exits",
       joined({kSched, kIrq, kNames}),
       {"kvm:kvm_entry", "kvm:kvm_exit", "kvm:kvm_vcpu_wakeup", "kvm:kvm_halt_poll_ns",
        "kvm:kvm_userspace_exit"},
       {}},
      {"all",
       "block, scheduler, interrupts, timers, KVM, and all system calls",
       joined({kBlock, kSched, kIrq, kNames, {"timer:hrtimer_expire_entry", "timer:hrtimer_expire_exit"}}),
       {"kvm:*"},
       {"raw_syscalls:sys_enter", "raw_syscalls:sys_exit"}},
  };
  return kProfiles;
}

const Profile* find_profile(std::string_view name) {
  for (const Profile& profile : profiles()) {
    if (profile.name == name) return &profile;
  }
  return nullptr;
}

bool is_syscall_event(std::string_view event) {
  return event.starts_with("syscalls:") || event.starts_with("raw_syscalls:");
}

Result<std::string> formats_text(const TraceDir& dir, std::span<const std::string> events) {
  std::string out;
  for (const char* name : {"header_page", "header_event", "ftrace/print/format", "ftrace/bprint/format",
                           "ftrace/bputs/format", "ftrace/raw_data/format"}) {
    IVT_RETURN_IF_ERROR(append_file(out, dir, name, name));
  }
  for (const std::string& event : events) {
    const std::size_t colon = event.find(':');
    if (colon == event.npos) continue;
    const std::string system = event.substr(0, colon);
    const std::string rest = "/" + event.substr(colon + 1) + "/format";
    IVT_RETURN_IF_ERROR(append_file(out, dir, system + rest, recorded_system(system) + rest));
  }
  return out;
}

}  // namespace ivtrace::tracefs
