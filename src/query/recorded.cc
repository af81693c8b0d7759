#include "query/recorded.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "clock/clock_map.h"

namespace ivtrace::query {
namespace {

constexpr std::size_t kMaxGaps = 4;

/// A group of events that all have to be there.
struct EventGroup {
  const char* what;
  std::vector<std::string> events;
  const char* profile;  ///< the smallest one that has them
};

std::vector<EventGroup> groups_of(bool host) {
  std::vector<EventGroup> groups = {{"block", {"block:block_rq_issue", "block:block_rq_complete"}, "io"},
                                    {"irq", {"irq:irq_handler_entry", "irq:irq_handler_exit"}, "io"},
                                    {"sched", {"sched:sched_switch"}, host ? "io" : "cpu"}};
  if (host) groups.push_back({"exits", {"kvm:kvm_entry", "kvm:kvm_exit"}, "cpu"});
  return groups;
}

/// Calls that QEMU serves its guests' requests by; any of them will do, it depends on the disks' AIO mode.
const std::vector<std::string> kCalls = {
    "raw_syscalls:sys_enter",      "syscalls:sys_enter_pread64",   "syscalls:sys_enter_pwrite64",
    "syscalls:sys_enter_preadv",   "syscalls:sys_enter_pwritev",   "syscalls:sys_enter_preadv2",
    "syscalls:sys_enter_pwritev2", "syscalls:sys_enter_io_submit", "syscalls:sys_enter_io_uring_enter"};

bool has_event(const run::Machine& machine, const std::string& event) {
  const auto& events = machine.info.events;
  return std::find(events.begin(), events.end(), event) != events.end();
}

/// Was its kernel's buffer taken at all? A machine on which nothing happened has no pages, but a feed.
bool has_events(const run::Machine& machine) {
  return !machine.info.feed.empty() || std::any_of(machine.files.begin(), machine.files.end(),
                                                   [](const run::PagesFile& file) { return file.size > 0; });
}

/// Makes the rows of one machine.
class Teller {
 public:
  Teller(const run::RunReader& run, const run::Machine& machine, std::vector<Recorded>& out)
      : run_(run), machine_(machine), is_host_(machine.info.name == format::kHostMachine), out_(out) {}

  void tell() {
    tell_events();
    if (!is_host_) if_it_has_events("clock", [this] { tell_clock(); });
    for (const EventGroup& group : groups_of(is_host_))
      if_it_has_events(group.what, [&] { tell_group(group); });
    if (is_host_) if_it_has_events("syscalls", [this] { tell_calls(); });
    if (!is_host_) tell_images();
    if_it_has_events("counters", [this] { tell_counters(); });
  }

 private:
  void put(const char* what, bool recorded, std::string reason = {}, std::string option = {}) {
    out_.push_back({machine_.info.name, what, recorded, std::move(reason), std::move(option)});
  }

  /// Of a machine without events there is nothing else, and for the same reason.
  template <class Tell>
  void if_it_has_events(const char* what, Tell tell) {
    if (has_events(machine_)) return tell();
    put(what, false, why_no_events_, no_events_option_);
  }

  void tell_events() {
    if (has_events(machine_)) return put("events", true);
    const run::MachineRecord& info = machine_.info;
    why_no_events_ = info.note.empty() ? "no event of it was recorded" : info.note;
    // An agent that answered has said what hinders it.
    if (!is_host_ && info.agent_version.empty())
      no_events_option_ = "start ivtrace-agent in the guest (ivtrace attach --deploy)";
    put("events", false, why_no_events_, no_events_option_);
  }

  void tell_clock() {
    clock::GuestClock clock;
    for (const clock::Epoch& epoch : machine_.epochs) (void)clock.add(epoch);
    std::set<std::uint32_t> lost;
    for (const run::PagesFile& file : machine_.files) {
      if (file.size > 0 && !clock.aligned(CpuId(file.cpu))) lost.insert(file.cpu);
    }
    const std::string reason = "no trustworthy relation to the host's TSC was found";
    if (!clock.aligned()) return put("clock", false, reason);
    if (lost.empty()) return put("clock", true);
    put("clock", false, fmt::format("{} for its CPUs {}", reason, fmt::join(lost, ", ")));
  }

  /// Events that are missing, and the smallest profile that asks for them.
  void put_missing(const char* what, const std::vector<std::string>& missing, const std::string& profile) {
    std::string reason =
        fmt::format("{} {} not recorded", fmt::join(missing, ", "), missing.size() == 1 ? "was" : "were");
    const std::string& used = run_.manifest().profile;
    if (used == profile || used == "all")
      return put(what, false, reason + ", though asked for: its kernel may not have it");
    put(what, false, std::move(reason),
        used.empty() ? fmt::format("record --events with {}", fmt::join(missing, ","))
                     : "record --profile all");  // which has what this run has, too
  }

  void tell_group(const EventGroup& group) {
    std::vector<std::string> missing;
    for (const std::string& event : group.events) {
      if (!has_event(machine_, event)) missing.push_back(event);
    }
    if (missing.empty()) return put(group.what, true);
    put_missing(group.what, missing, group.profile);
  }

  void tell_calls() {
    const bool asked = std::any_of(kCalls.begin(), kCalls.end(),
                                   [this](const std::string& event) { return has_event(machine_, event); });
    if (!asked) return put_missing("syscalls", {kCalls.front()}, "io");
    const bool followed = std::any_of(run_.machines().begin(), run_.machines().end(),
                                      [](const run::Machine& machine) { return machine.info.qemu_pid > 0; });
    if (followed) return put("syscalls", true);
    put("syscalls", false, "they are recorded of QEMU's threads only, and none is in the run");
  }

  void tell_images() {
    if (machine_.info.qemu_pid == 0) return put("images", false, "its QEMU process is not known");
    if (machine_.disks.empty()) {
      return put("images", false, "no disk of it is known",
                 "start QEMU with a monitor (-qmp unix:PATH,server=on,wait=off)");
    }
    std::vector<std::string> gaps;
    bool any = false;
    for (const run::DiskRecord& disk : machine_.disks) {
      const run::ExtentsRecord* last = nullptr;  // what was missing at first may be there at the end
      for (const run::ExtentsRecord& record : machine_.extents) {
        if (record.device != disk.device) continue;
        last = &record;
        any = any || !record.file.empty();
      }
      if (last == nullptr) gaps.push_back(disk.device + ": it was not mapped");
      if (last == nullptr) continue;
      for (const std::string& gap : last->gaps) gaps.push_back(disk.device + ": " + gap);
    }
    if (gaps.size() > kMaxGaps) {
      const std::size_t more = gaps.size() - kMaxGaps;
      gaps.resize(kMaxGaps);
      gaps.push_back(fmt::format("and {} more", more));
    }
    put("images", any, fmt::format("{}", fmt::join(gaps, "; ")));
  }

  void tell_counters() {
    using Stream = std::pair<std::string, std::uint32_t>;
    std::set<Stream> uncounted;
    for (const run::PagesFile& file : machine_.files) uncounted.emplace(file.buffer, file.cpu);
    bool all_final = true;
    for (const run::CountersRecord& record : machine_.counters) {
      uncounted.erase({record.buffer, record.counters.cpu});
      all_final = all_final && record.final_counters;
    }
    if (all_final && uncounted.empty() && !machine_.counters.empty()) return put("counters", true);
    if (!run_.end()) {
      return put("counters", false, "the recording has not ended, or its recorder died",
                 "let the recording end; ivtrace cleanup after its recorder's death");
    }
    put("counters", false, "its trace buffers were not counted at the end");
  }

  const run::RunReader& run_;
  const run::Machine& machine_;
  const bool is_host_;
  std::vector<Recorded>& out_;
  std::string why_no_events_;
  std::string no_events_option_;
};

Recorded guests_of(const run::RunReader& run) {
  Recorded row{"", "guest", false, "no guest was recorded", ""};
  row.recorded = std::any_of(run.machines().begin(), run.machines().end(), [](const run::Machine& machine) {
    return machine.info.name != format::kHostMachine;
  });
  if (row.recorded) {
    row.reason.clear();
    return row;
  }
  const auto& line = run.manifest().command_line;
  const bool unwanted = std::find(line.begin(), line.end(), "--no-guests") != line.end();
  row.option =
      unwanted ? "record without --no-guests" : "record while a guest runs (ivtrace guests lists them)";
  return row;
}

}  // namespace

std::vector<Recorded> recorded_of(const run::RunReader& run) {
  std::vector<Recorded> rows = {guests_of(run)};
  // A run so damaged that it does not tell of its host has none.
  run::Machine nothing;
  nothing.info.name = format::kHostMachine;
  if (run.find(format::kHostMachine) == nullptr) Teller(run, nothing, rows).tell();
  for (const run::Machine& machine : run.machines()) Teller(run, machine, rows).tell();
  return rows;
}

}  // namespace ivtrace::query
