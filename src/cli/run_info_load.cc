// The books are done per buffer and CPU. Kernel counters of several generations (an agent that was started
// anew) add up, because the page file holds the events of all of them. What the counters name as lost gets
// the time range of the holes that the pages show; a hole that no counter explains is a loss of its own.
#include "cli/run_info_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

#include "cli/event_scan.h"
#include "cli/tracers_view.h"

namespace ivtrace::cli {
namespace {

/// The kernel's maxerror stops growing there when nothing sets its clock (NTP_PHASE_LIMIT).
constexpr std::int64_t kUnsynchronisedUs = 16'000'000;

/// Places times on the run's clock; what has no place stays empty.
class RunClock {
 public:
  explicit RunClock(const run::RunReader& run) : host_(host_clock_of(run)) {}

  std::optional<std::int64_t> to_ns(std::optional<HostTsc> tsc) const {
    if (!tsc || !host_) return std::nullopt;
    return host_->to_ns(*tsc).value;
  }
  const clock::HostClock* host() const { return host_ ? &*host_ : nullptr; }
  const Result<clock::HostClock>& result() const { return host_; }

 private:
  Result<clock::HostClock> host_;
};

/// A machine's own clock against the host's.
class MachineClock {
 public:
  explicit MachineClock(const run::Machine& machine) : is_host_(machine.info.kind == "host") {
    for (const clock::Epoch& epoch : machine.epochs) {
      if (!guest_.add(epoch)) ++refused_;
    }
  }

  std::optional<HostTsc> to_host(std::optional<std::uint64_t> native, std::uint32_t cpu) const {
    if (!native) return std::nullopt;
    if (is_host_) return HostTsc(*native);
    const std::optional<clock::HostTime> time = guest_.to_host(GuestTsc(*native), CpuId(cpu));
    return time ? std::optional(time->tsc) : std::nullopt;
  }
  bool is_host() const { return is_host_; }
  const clock::GuestClock& guest() const { return guest_; }
  std::uint64_t refused() const { return refused_; }

 private:
  bool is_host_;
  clock::GuestClock guest_;
  std::uint64_t refused_ = 0;
};

ClockInfo host_clock_info(const RunClock& clock, const run::RunReader& run) {
  ClockInfo info;
  if (clock.host() == nullptr) {
    info.source = "none";
    info.quality = clock.result().error().to_string();
    return info;
  }
  info.source = "host";
  info.epochs = 1;
  info.aligned = true;
  info.error_ns = static_cast<double>(clock.host()->worst_error().value);
  info.quality = fmt::format("{} anchors of TSC and time", run.anchors().size());
  if (const std::int64_t error = clock.host()->wall_maxerror_us(); error >= kUnsynchronisedUs) {
    info.quality += ", wall clock not synchronised";
  } else if (error >= 0) {
    info.quality += fmt::format(", wall clock within {:.1f} ms", static_cast<double>(error) / 1e3);
  }
  return info;
}

/// Does a handshake exclude the relation that the run uses at its time? To the tick, but for what the TSCs of
/// two host CPUs may be apart.
bool contradicts(const run::BurstRecord& record, const clock::GuestClock& guest) {
  constexpr std::int64_t kTscSkew = 64;
  const clock::Burst& burst = record.burst;
  if (burst.exchanges == 0 || burst.upper < burst.lower) return false;
  const auto first = guest.to_guest(burst.tight_t1, CpuId(burst.cpu));
  const auto last = guest.to_guest(burst.tight_t2, CpuId(burst.cpu));
  if (!first || !last) return false;
  const auto error =
      static_cast<std::int64_t>(std::min<std::uint64_t>(guest.worst_error().value_or(0), INT32_MAX)) +
      kTscSkew;
  const auto off = [](GuestTsc a, GuestTsc b) { return static_cast<std::int64_t>(a.value - b.value); };
  if (off(burst.guest_tsc, *first) < -error || off(burst.guest_tsc, *last) > error) return true;
  // At one speed all exchanges of the burst bound the same offset.
  const auto span = static_cast<std::int64_t>(burst.tight_t2.value - burst.tight_t1.value);
  if (off(*last, *first) != span) return false;
  const auto offset = static_cast<std::int64_t>(first->value - burst.tight_t1.value);
  return offset < burst.lower - error || offset > burst.upper + error;
}

ClockInfo guest_clock_info(const MachineClock& clock, const RunClock& run_clock,
                           const run::Machine& machine) {
  ClockInfo info;
  info.source = clock::to_string(clock.guest().source());
  info.epochs = clock.guest().epoch_count();
  info.aligned = clock.guest().aligned();
  if (machine.info.host_only) return info;
  if (const auto error = clock.guest().worst_error(); error && run_clock.host() != nullptr) {
    info.error_ns = static_cast<double>(run_clock.host()->ticks_to_ns(*error).value);
  }
  if (run_clock.host() != nullptr) {
    info.uncertain_ns =
        static_cast<double>(run_clock.host()->ticks_to_ns(clock.guest().ticks_in_doubt()).value);
  }
  std::map<std::string, std::uint64_t> verdicts;
  for (const run::BurstRecord& burst : machine.bursts) ++verdicts[burst.verdict];
  info.handshakes = machine.bursts.size();
  info.contradictions = static_cast<std::uint64_t>(
      std::count_if(machine.bursts.begin(), machine.bursts.end(),
                    [&](const run::BurstRecord& burst) { return contradicts(burst, clock.guest()); }));
  info.quality = info.aligned ? "" : "no trustworthy relation to the host's TSC: not merged; ";
  info.quality += fmt::format("{} handshakes", machine.bursts.size());
  for (const auto& [verdict, count] : verdicts) info.quality += fmt::format(", {} {}", count, verdict);
  if (info.contradictions > 0)
    info.quality += fmt::format("; {} CONTRADICT the clock that is used", info.contradictions);
  if (info.uncertain_ns > 0) {
    info.quality += fmt::format(", {:.0f} ms in which the clock changed are in doubt",
                                std::ceil(info.uncertain_ns / 1e6));
  }
  if (clock.refused() > 0) info.quality += fmt::format(", {} epochs make no sense", clock.refused());
  return info;
}

/// A machine's buffer on one CPU.
using StreamKey = std::pair<std::string, std::uint32_t>;

/// Every stream that has a page file or counters, with the index of its file. A CPU whose events were all
/// lost has counters only.
std::map<StreamKey, std::optional<std::size_t>> streams_of(const run::Machine& machine) {
  std::map<StreamKey, std::optional<std::size_t>> streams;
  for (const run::CountersRecord& record : machine.counters) {
    streams.try_emplace({record.buffer, record.counters.cpu});
  }
  for (std::size_t i = 0; i < machine.files.size(); ++i) {
    streams[{machine.files[i].buffer, machine.files[i].cpu}] = i;
  }
  return streams;
}

CpuBalance balance_of(const run::Machine& machine, const StreamKey& stream, const FileScan& scan,
                      std::uint64_t bytes) {
  CpuBalance balance;
  std::tie(balance.buffer, balance.cpu) = stream;
  balance.found = scan.events;
  balance.bytes = bytes;
  balance.final_counters = true;
  for (const run::CountersRecord& record : machine.counters) {
    if (record.buffer != balance.buffer || record.counters.cpu != balance.cpu) continue;
    balance.counted = true;
    balance.final_counters = balance.final_counters && record.final_counters;
    balance.delivered += record.counters.delivered;
    balance.overrun += record.counters.overrun;
    balance.dropped += record.counters.dropped;
    balance.commit_overrun += record.counters.commit_overrun;
    if (record.final_counters) balance.unread += record.counters.unread;
  }
  balance.final_counters = balance.final_counters && balance.counted;
  return balance;
}

/// Losses of one CPU that the recorder wrote down, events only; those of all CPUs count for each of them.
std::uint64_t journalled_loss(const run::Machine& machine, std::uint32_t cpu, bool& uncounted) {
  std::uint64_t events = 0;
  for (const run::LossRecord& loss : machine.losses) {
    if (loss.cpu && *loss.cpu != cpu) continue;
    // Those never came into the buffers that are balanced here.
    if (loss.reason == "probe-missed" || loss.reason == "tracer") continue;
    events += loss.events.value_or(0);
    uncounted = uncounted || !loss.events;
  }
  return events;
}

/// What one buffer's pages and counters show as lost, as ledger entries.
class BookKeeper {
 public:
  BookKeeper(const run::Machine& machine, const MachineClock& clock, const RunClock& run_clock,
             std::vector<LossInfo>& losses)
      : machine_(machine), clock_(clock), run_clock_(run_clock), losses_(losses) {}

  void add(const CpuBalance& balance, const FileScan& scan) {
    const std::uint64_t named = balance.overrun + balance.dropped + balance.commit_overrun;
    enter("overrun", balance, scan, balance.overrun);
    enter("dropped-events", balance, scan, balance.dropped);
    enter("commit-overrun", balance, scan, balance.commit_overrun);
    enter("unread-at-stop", balance, scan, balance.unread);
    if (scan.missed > named) enter("missed-events", balance, scan, scan.missed - named);
    bool uncounted = false;
    const std::uint64_t journalled = journalled_loss(machine_, balance.cpu, uncounted);
    if (scan.missed_uncounted > 0 && named == 0 && journalled == 0 && !uncounted) {
      losses_.push_back(entry("missed-events", balance, scan));
    }
    if (!balance.final_counters) {
      if (scan.missing_pages > 0) losses_.push_back(entry("missing-pages", balance, scan));
      return;
    }
    const std::uint64_t gap = balance.delivered > balance.found ? balance.delivered - balance.found : 0;
    const char* const reason = scan.missing_pages > 0 ? "missing-pages" : "not-in-run";
    if (gap > journalled) enter(reason, balance, scan, gap - journalled);
  }

 private:
  LossInfo entry(const std::string& reason, const CpuBalance& balance, const FileScan& scan) const {
    LossInfo loss;
    loss.machine = machine_.info.name;
    loss.reason = reason;
    loss.cpu = balance.cpu;
    loss.remedy = loss_remedy(reason);
    loss.detail = balance.buffer.empty() ? "" : "buffer " + balance.buffer;
    if (scan.has_holes()) {
      loss.from_ns = run_clock_.to_ns(clock_.to_host(scan.missed_from, balance.cpu));
      loss.until_ns = run_clock_.to_ns(clock_.to_host(scan.missed_until, balance.cpu));
    }
    return loss;
  }
  void enter(const std::string& reason, const CpuBalance& balance, const FileScan& scan,
             std::uint64_t events) {
    if (events == 0) return;
    losses_.push_back(entry(reason, balance, scan));
    losses_.back().events = events;
  }

  const run::Machine& machine_;
  const MachineClock& clock_;
  const RunClock& run_clock_;
  std::vector<LossInfo>& losses_;
};

LossInfo journal_entry(const run::LossRecord& record, const RunClock& clock) {
  LossInfo loss;
  loss.machine = record.machine;
  loss.reason = record.reason;
  loss.cpu = record.cpu;
  loss.events = record.events;
  loss.bytes = record.bytes;
  loss.from_ns = clock.to_ns(record.from);
  loss.until_ns = clock.to_ns(record.until);
  loss.detail = record.detail;
  loss.remedy = loss_remedy(record.reason);
  return loss;
}

/// `scans`: of the machine's files.
MachineInfo machine_info(const run::RunReader& run, const run::Machine& machine,
                         const std::vector<FileScan>& scans, const RunClock& run_clock, RunInfo& info) {
  MachineInfo out;
  const run::MachineRecord& record = machine.info;
  out.name = record.name;
  out.kind = record.kind;
  out.kernel = record.kernel_release;
  out.hostname = record.hostname;
  out.uuid = record.uuid;
  out.accel = record.accel;
  out.feed = record.feed;
  out.agent_version = record.agent_version;
  out.note = record.note;
  out.host_only = record.host_only;
  out.cpus = record.cpu_count;
  out.idle_lag_ns = record.idle_lag_ns;
  out.rejected = record.rejected;
  out.cpu_limit_us = record.cpu_limit_us;
  for (const run::DiskRecord& disk : machine.disks) {
    if (disk.limits.any()) out.limited_disks.push_back({disk.device, disk.path, disk.limits});
  }

  const MachineClock clock(machine);
  out.clock = clock.is_host() ? host_clock_info(run_clock, run) : guest_clock_info(clock, run_clock, machine);

  const std::size_t first_loss = info.losses.size();
  BookKeeper books(machine, clock, run_clock, info.losses);
  for (const auto& [stream, index] : streams_of(machine)) {
    const FileScan scan = index ? scans[*index] : FileScan();
    const std::uint64_t bytes = index ? machine.files[*index].size : 0;
    out.balance.push_back(balance_of(machine, stream, scan, bytes));
    out.events += scan.events;
    out.bytes += bytes;
    books.add(out.balance.back(), scan);
    if (!index) continue;
    const std::string& name = machine.files[*index].name;
    if (scan.damaged_bytes > 0) info.damage.push_back({name, "pages that do not decode", scan.damaged_bytes});
    if (scan.lost_mapping) info.damage.push_back({name, "shrank while it was read", 0});
  }
  for (const run::LossRecord& loss : machine.losses) info.losses.push_back(journal_entry(loss, run_clock));
  for (std::size_t i = first_loss; i < info.losses.size(); ++i) {
    out.lost += info.losses[i].events.value_or(0);
    out.lost_more = out.lost_more || !info.losses[i].events;
  }
  return out;
}

std::string joined(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  return line;
}

/// The run's last sign of life: its end, or else the last anchor.
std::optional<HostTsc> last_moment(const run::RunReader& run) {
  if (run.end()) return run.end()->tsc;
  std::optional<HostTsc> last;
  for (const clock::Anchor& anchor : run.anchors()) last = last ? std::max(*last, anchor.tsc) : anchor.tsc;
  return last;
}

}  // namespace

Result<clock::HostClock> host_clock_of(const run::RunReader& run) {
  const run::Machine* const host = run.find(format::kHostMachine);
  return clock::HostClock::create(run.anchors(), run.manifest().start_tsc,
                                  host != nullptr ? host->info.tsc_khz : 0);
}

RunInfo load_run_info(const run::RunReader& run, bool recording) {
  const RunClock clock(run);
  RunInfo info;
  info.path = run.path();
  info.tool_version = run.manifest().tool_version;
  info.created = run.manifest().created;
  info.command_line = joined(run.manifest().command_line);
  info.profile = run.manifest().profile;
  info.recording = recording;
  info.tracers = tracers_in(run);
  if (run.end()) info.ended = run.end()->reason;
  info.duration_ns = clock.to_ns(last_moment(run)).value_or(0);
  for (const run::Damage& damage : run.damage()) {
    info.damage.push_back({damage.file, damage.reason, damage.bytes.value_or(0)});
  }
  if (run.damage_total() > run.damage().size()) {
    info.damage.push_back({"", fmt::format("and {} more", run.damage_total() - run.damage().size()), 0});
  }
  if (!run.end() && !recording) {
    LossInfo loss;
    loss.machine = format::kHostMachine;
    loss.reason = "recorder-died";
    loss.from_ns = clock.to_ns(last_moment(run));
    loss.remedy = loss_remedy(loss.reason);
    info.losses.push_back(std::move(loss));
  }
  const std::vector<std::vector<FileScan>> scans = scan_files(run);
  for (std::size_t i = 0; i < scans.size(); ++i)
    info.machines.push_back(machine_info(run, run.machines()[i], scans[i], clock, info));
  if (clock.host() != nullptr) {
    Containments containments = containment_of(run, *clock.host());
    for (MachineInfo& machine : info.machines) {
      if (const auto found = containments.find(machine.name); found != containments.end())
        machine.clock.containment = found->second;
    }
  }
  for (const MachineInfo& machine : info.machines) info.bytes += machine.bytes;
  for (const run::NoteRecord& note : run.notes()) {
    info.notes.push_back({clock.to_ns(note.tsc).value_or(0), note.machine, note.text});
  }
  return info;
}

}  // namespace ivtrace::cli
