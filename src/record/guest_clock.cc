#include "record/guest_clock.h"

#include <algorithm>
#include <thread>

#include "base/tsc.h"
#include "clock/handshake.h"

namespace ivtrace::record {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::uint64_t kLongBurst = 10'000;
constexpr std::uint64_t kShortBurst = 500;
constexpr microseconds kLongLimit = milliseconds(2000);
constexpr microseconds kShortLimit = milliseconds(100);
// What the agent may take to see the request, and to say that it is done.
constexpr microseconds kAgentLatency = milliseconds(150);
constexpr int kMaxFollowUps = 8;
constexpr unsigned kMaxSkip = 15;

}  // namespace

GuestClockKeeper::GuestClockKeeper(std::string machine, ring::HostRing& host, ring::MailboxClient& mailbox,
                                   RunLog& log, const clock::KvmDebugfs* kvm, std::optional<Pid> qemu,
                                   std::vector<format::AgentCpu> cpus)
    : machine_(std::move(machine)), host_(host), mailbox_(mailbox), log_(log), kvm_(kvm), qemu_(qemu) {
  set_cpus(std::move(cpus));
}

void GuestClockKeeper::set_cpus(std::vector<format::AgentCpu> cpus) {
  cpus_ = std::move(cpus);
  std::erase_if(cpus_, [](const format::AgentCpu& cpu) { return !cpu.online; });
}

CpuId GuestClockKeeper::next_cpu() {
  next_cpu_ = (next_cpu_ + 1) % cpus_.size();
  return CpuId(cpus_[next_cpu_].cpu);
}

void GuestClockKeeper::start(const std::function<bool()>& stopped) {
  read_kvm();
  std::uint64_t exchanges = kLongBurst;
  microseconds limit = kLongLimit;
  const std::vector<format::AgentCpu> all = cpus_;  // a burst may find one offline
  for (const format::AgentCpu& cpu : all) {
    burst_with_follow_ups(CpuId(cpu.cpu), exchanges, limit);
    if (stopped() || failures_ > 0) return;
    exchanges = kShortBurst;
    limit = kShortLimit;
  }
}

void GuestClockKeeper::tick() {
  read_kvm();
  if (skip_ticks_ > 0) {
    --skip_ticks_;
    return;
  }
  if (cpus_.empty()) return;
  burst_with_follow_ups(next_cpu(), kShortBurst, kShortLimit);
}

void GuestClockKeeper::resumed() {
  skip_ticks_ = 0;
  const clock::Outcome outcome = estimator_.on_resumed(HostTsc(read_tsc()));
  journal(outcome);
  tick();
}

void GuestClockKeeper::on_heartbeats(const std::vector<ring::Heartbeat>& heartbeats) {
  for (const ring::Heartbeat& beat : heartbeats) {
    estimator_.on_sighting({beat.guest_tsc, beat.not_before, beat.not_after});
  }
}

void GuestClockKeeper::on_tracepoint(const clock::ExactRelation& exact) {
  journal(estimator_.on_exact(exact));
}

clock::TscRelation GuestClockKeeper::last_relation(std::uint32_t apic_id) const {
  const auto found = kvm_relations_.find(apic_id);
  return found == kvm_relations_.end() ? clock::TscRelation{} : found->second;
}

// Between two bursts on a CPU that excluded what stands, another one is asked: whether all changed, or only
// that one.
void GuestClockKeeper::burst_with_follow_ups(CpuId cpu, std::uint64_t exchanges, microseconds limit) {
  clock::Outcome outcome = burst(cpu, exchanges, limit);
  for (int i = 0; i < kMaxFollowUps; ++i) {
    if (outcome.read_exact) read_kvm();
    if (!outcome.follow_up || cpus_.empty()) return;
    const bool excluded = outcome.verdict == clock::Verdict::kExcludes;
    if (excluded && cpus_.size() > 1 && i % 2 == 0) {
      CpuId other = next_cpu();
      if (other == cpu) other = next_cpu();
      if (burst(other, kShortBurst, kShortLimit).read_exact) read_kvm();
    }
    outcome = burst(cpu, std::max(exchanges, kShortBurst), limit);
  }
}

clock::Outcome GuestClockKeeper::burst(CpuId cpu, std::uint64_t exchanges, microseconds limit) {
  format::Request request;
  request.op = format::Op::kClock;
  request.clock_cpu = cpu.value;
  request.clock_limit_us = static_cast<std::uint64_t>(limit.count());
  if (!mailbox_.post(request)) return {};
  const Nanoseconds host_limit(std::chrono::nanoseconds(limit + kAgentLatency).count());
  const clock::Burst burst = clock::run_burst(host_.memory().mailbox(), exchanges, host_limit, cpu);
  // The agent replies when it has seen the burst's end; until then it must not be asked anything else.
  const auto give_up = std::chrono::steady_clock::now() + limit + kAgentLatency;
  for (;;) {
    auto reply = mailbox_.take();
    if (reply && reply->has_value() && !(*reply)->ok) {
      // That CPU is offline: no silence of the guest, and nothing to ask of it until the agent names its CPUs
      // again.
      std::erase_if(cpus_, [&](const format::AgentCpu& one) { return one.cpu == cpu.value; });
      return {};
    }
    if (!reply || reply->has_value() || std::chrono::steady_clock::now() > give_up) break;
    std::this_thread::sleep_for(microseconds(200));
  }
  clock::Outcome outcome = estimator_.on_burst(burst);
  failures_ = outcome.verdict == clock::Verdict::kFailed ? failures_ + 1 : 0;
  skip_ticks_ = failures_ == 0 ? 0 : std::min(kMaxSkip, 1u << std::min(failures_, 4u));
  log_.put(run::BurstRecord{machine_, burst, clock::to_string(outcome.verdict)});
  journal(outcome);
  return outcome;
}

void GuestClockKeeper::read_kvm() {
  if (kvm_ == nullptr || !qemu_.has_value()) return;
  auto reading = kvm_->read(*qemu_);
  if (!reading) return;
  std::map<std::uint32_t, clock::TscRelation> relations;
  for (const clock::KvmVcpuClock& vcpu : reading->vcpus) relations[vcpu.apic_id] = vcpu.relation;
  if (relations != kvm_relations_) {
    kvm_relations_ = std::move(relations);
    kvm_since_ = kvm_seen_;
  }
  kvm_seen_ = reading->before;
  for (const clock::ExactRelation& exact : clock::relations_of(*reading, cpus_, kvm_since_)) {
    journal(estimator_.on_exact(exact));
  }
}

void GuestClockKeeper::journal(const clock::Outcome& outcome) {
  for (const clock::Epoch& epoch : outcome.epochs) log_.put(run::EpochRecord{machine_, epoch});
  for (const std::string& finding : outcome.findings) log_.note(machine_, finding);
}

}  // namespace ivtrace::record
