// What a machine's dynamic probes became, as the run's journal tells it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "format/mailbox_message.h"
#include "record/recorder.h"
#include "record/run_log.h"
#include "run/journal.h"

namespace ivtrace::record {

/// The specs that are meant for this machine.
std::vector<std::string> probes_for(const std::vector<ProbeRequest>& requests, const std::string& machine);

/// Hits that an event's probe missed, as a loss of its machine.
run::LossRecord missed_hits(const std::string& machine, const std::string& event, std::uint64_t missed);

/// One machine's. Borrows the log. One thread at a time.
class ProbeJournal {
 public:
  ProbeJournal(std::string machine, RunLog& log) : machine_(std::move(machine)), log_(log) {}

  /// They are set, or are not: one record each. Again, when an agent was started again.
  void begun(const std::vector<format::ProbeState>& probes);
  /// What the probe at that place has missed so far.
  void counted(std::size_t probe, std::uint64_t missed);
  /// The recording has ended: the last counts, and what was missed as a loss.
  void ended();

  /// Hits that could not be recorded so far.
  std::uint64_t missed() const;

 private:
  struct Probe {
    format::ProbeState state;
    std::uint64_t missed = 0;
  };
  /// With the agent's earlier lives.
  std::uint64_t missed_of(const Probe& probe) const;
  void write(const std::string& state);

  std::string machine_;
  RunLog& log_;
  std::vector<Probe> probes_;
  std::map<std::string, std::uint64_t> earlier_;  // event → missed, in the agent's earlier lives
};

}  // namespace ivtrace::record
