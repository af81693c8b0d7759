// One guest's clock while it is recorded: asks the agent for handshake bursts and KVM for what it knows, and
// journals the epochs that follow from them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "clock/estimator.h"
#include "clock/kvm.h"
#include "record/run_log.h"
#include "ring/consumer.h"
#include "ring/mailbox.h"

namespace ivtrace::record {

/// The clock of one life of one guest's agent. Borrows everything. One thread.
class GuestClockKeeper {
 public:
  /// `kvm` may be null: KVM is then not asked.
  GuestClockKeeper(std::string machine, ring::HostRing& host, ring::MailboxClient& mailbox, RunLog& log,
                   const clock::KvmDebugfs* kvm, std::optional<Pid> qemu, std::vector<format::AgentCpu> cpus);

  /// A long burst on the first CPU and a shorter one on each other: the first epochs.
  void start(const std::function<bool()>& stopped);
  /// A short burst on one CPU, each time another one, and a look at KVM's files. About once a second. The
  /// agent should just have answered something else: it is awake then, and the host need not spin for it.
  void tick();
  /// The guest stood still until now, or may have: asks at once.
  void resumed();
  /// As the agent tells them now: those that are online are asked.
  void set_cpus(std::vector<format::AgentCpu> cpus);
  /// The agent's heartbeats since the last call; before tick() or resumed().
  void on_heartbeats(const std::vector<ring::Heartbeat>& heartbeats);
  /// A change that KVM's tracepoint told, with its time.
  void on_tracepoint(const clock::ExactRelation& exact);

  const clock::Estimator& estimator() const { return estimator_; }
  /// KVM's ratio of the vCPU with that APIC ID as last read; unscaled when it is not known.
  clock::TscRelation last_relation(std::uint32_t apic_id) const;

 private:
  CpuId next_cpu();
  clock::Outcome burst(CpuId cpu, std::uint64_t exchanges, std::chrono::microseconds limit);
  void burst_with_follow_ups(CpuId cpu, std::uint64_t exchanges, std::chrono::microseconds limit);
  void read_kvm();
  void journal(const clock::Outcome& outcome);

  std::string machine_;
  ring::HostRing& host_;
  ring::MailboxClient& mailbox_;
  RunLog& log_;
  const clock::KvmDebugfs* kvm_;
  std::optional<Pid> qemu_;
  std::vector<format::AgentCpu> cpus_;
  clock::Estimator estimator_;
  std::size_t next_cpu_ = 0;
  unsigned failures_ = 0;    // bursts without an answer, in a row
  unsigned skip_ticks_ = 0;  // after failures: spinning for nobody costs a CPU
  std::map<std::uint32_t, clock::TscRelation> kvm_relations_;
  HostTsc kvm_seen_;   // when the last reading began
  HostTsc kvm_since_;  // when the last reading that told something else began
};

}  // namespace ivtrace::record
