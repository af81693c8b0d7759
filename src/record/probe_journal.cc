#include "record/probe_journal.h"

#include "base/text.h"
#include "base/tsc.h"

namespace ivtrace::record {

std::vector<std::string> probes_for(const std::vector<ProbeRequest>& requests, const std::string& machine) {
  std::vector<std::string> specs;
  for (const ProbeRequest& request : requests) {
    if (request.machine == machine || glob_match(request.machine, machine)) specs.push_back(request.spec);
  }
  return specs;
}

run::LossRecord missed_hits(const std::string& machine, const std::string& event, std::uint64_t missed) {
  run::LossRecord loss;
  loss.machine = machine;
  loss.reason = "probe-missed";
  loss.events = missed;
  loss.until = HostTsc(read_tsc());
  loss.detail = event + ": hits while the kernel had no place to keep the call, or was in a probe already";
  return loss;
}

void ProbeJournal::begun(const std::vector<format::ProbeState>& probes) {
  for (const Probe& probe : probes_) {
    if (probe.missed != 0) earlier_[probe.state.event] += probe.missed;
  }
  probes_.clear();
  for (const format::ProbeState& state : probes) probes_.push_back({state, 0});
  write("armed");
}

void ProbeJournal::counted(std::size_t probe, std::uint64_t missed) {
  if (probe < probes_.size()) probes_[probe].missed = missed;
}

void ProbeJournal::ended() {
  write("ended");
  for (const Probe& probe : probes_) {
    if (const std::uint64_t missed = missed_of(probe); missed != 0)
      log_.put(missed_hits(machine_, probe.state.event, missed));
  }
  probes_.clear();
  earlier_.clear();
}

std::uint64_t ProbeJournal::missed() const {
  std::uint64_t sum = 0;
  for (const auto& [event, count] : earlier_) sum += count;
  for (const Probe& probe : probes_) sum += probe.missed;
  return sum;
}

std::uint64_t ProbeJournal::missed_of(const Probe& probe) const {
  const auto before = earlier_.find(probe.state.event);
  return probe.missed + (before == earlier_.end() ? 0 : before->second);
}

void ProbeJournal::write(const std::string& state) {
  std::uint32_t id = 0;
  for (const Probe& probe : probes_) {
    const bool failed = !probe.state.error.empty();
    run::TracerRecord record;
    record.machine = machine_;
    record.kind = "probe";
    record.id = id++;
    record.name = probe.state.event;
    record.source = probe.state.spec;
    record.state = failed ? "failed" : state;
    record.detail = failed ? probe.state.error : probe.state.definition;
    if (!failed) record.events = {probe.state.event};
    record.lost = missed_of(probe);
    log_.put(record);
  }
}

}  // namespace ivtrace::record
