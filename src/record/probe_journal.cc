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

run::LossRecord missed_hits(const std::string& machine, const format::ProbeState& probe) {
  run::LossRecord loss;
  loss.machine = machine;
  loss.reason = "probe-missed";
  loss.events = probe.missed;
  loss.until = HostTsc(read_tsc());
  loss.detail = probe.event + ": hits while the kernel had no place to keep the call, or was in a probe already";
  return loss;
}

void ProbeJournal::begun(const std::vector<format::ProbeState>& probes) {
  for (const format::ProbeState& probe : latest_) {
    if (probe.missed != 0) earlier_[probe.event] += probe.missed;
  }
  latest_ = probes;
  for (format::ProbeState& probe : latest_) probe.missed = 0;
  write("armed");
}

void ProbeJournal::counted(const std::vector<format::ProbeState>& probes) {
  for (std::size_t i = 0; i < probes.size() && i < latest_.size(); ++i) {
    if (probes[i].event == latest_[i].event) latest_[i].missed = probes[i].missed;
  }
}

void ProbeJournal::ended() {
  write("ended");
  for (format::ProbeState probe : latest_) {
    if (const auto before = earlier_.find(probe.event); before != earlier_.end()) probe.missed += before->second;
    if (probe.missed != 0) log_.put(missed_hits(machine_, probe));
  }
  latest_.clear();
  earlier_.clear();
}

std::uint64_t ProbeJournal::missed() const {
  std::uint64_t sum = 0;
  for (const auto& [event, count] : earlier_) sum += count;
  for (const format::ProbeState& probe : latest_) sum += probe.missed;
  return sum;
}

void ProbeJournal::write(const std::string& state) {
  std::uint32_t id = 0;
  for (const format::ProbeState& probe : latest_) {
    const bool failed = !probe.error.empty();
    run::TracerRecord record;
    record.machine = machine_;
    record.kind = "probe";
    record.id = id++;
    record.name = probe.event;
    record.source = probe.spec;
    record.state = failed ? "failed" : state;
    record.detail = failed ? probe.error : probe.definition;
    if (!failed) record.events = {probe.event};
    record.lost = probe.missed;
    if (const auto before = earlier_.find(probe.event); before != earlier_.end()) record.lost += before->second;
    log_.put(record);
  }
}

}  // namespace ivtrace::record
