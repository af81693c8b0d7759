#include "model/vcpu_events.h"

#include <algorithm>

#include "format/run_layout.h"

namespace ivtrace::model {
namespace {

/// The guest's number of the vCPU with that APIC ID.
std::optional<CpuId> guest_cpu(const run::Machine& machine, const run::VcpuRecord& vcpu) {
  const auto& cpus = machine.info.cpus;
  if (vcpu.apic_id >= 0) {
    const auto found = std::find_if(cpus.begin(), cpus.end(), [&](const format::AgentCpu& cpu) {
      return cpu.apic_id == static_cast<std::uint32_t>(vcpu.apic_id);
    });
    if (found != cpus.end()) return CpuId(found->cpu);
    return std::nullopt;
  }
  // QEMU did not tell the APIC ID (its monitor was busy): with one of each there is nothing to confuse.
  if (machine.vcpus.size() == 1 && cpus.size() == 1) return CpuId(cpus.front().cpu);
  return std::nullopt;
}

}  // namespace

std::size_t host_machine(const run::RunReader& run) {
  const auto& machines = run.machines();
  const auto host = std::find_if(machines.begin(), machines.end(), [](const run::Machine& machine) {
    return machine.info.name == format::kHostMachine;
  });
  return host == machines.end() ? 0 : static_cast<std::size_t>(host - machines.begin());
}

std::vector<Vcpu> run_vcpus(const run::RunReader& run) {
  std::vector<Vcpu> vcpus;
  for (std::size_t i = 0; i < run.machines().size(); ++i) {
    const run::Machine& machine = run.machines()[i];
    if (machine.info.kind == "host") continue;
    for (const run::VcpuRecord& record : machine.vcpus) {
      if (record.thread > 0)
        vcpus.push_back({i, record.index, Tid(record.thread), guest_cpu(machine, record)});
    }
  }
  return vcpus;
}

std::vector<Vcpu> kvm_vcpus(const run::RunReader& run) {
  std::vector<Vcpu> vcpus = run_vcpus(run);
  std::erase_if(vcpus, [&](const Vcpu& vcpu) { return run.machines()[vcpu.machine].info.accel == "tcg"; });
  return vcpus;
}

VcpuEvents::VcpuEvents(const run::RunReader& run, const merge::RunEvents& events)
    : vcpus_(kvm_vcpus(run)), host_(host_machine(run)) {
  if (run.machines().empty()) return;
  if (const decode::FormatTable* formats = events.formats(host_); formats != nullptr) {
    entry_ = formats->find("kvm", "kvm_entry");
    exit_ = formats->find("kvm", "kvm_exit");
    if (exit_ != nullptr) reason_ = decode::IntegerReader(exit_->find("exit_reason"));
  }
  for (std::size_t i = 0; i < vcpus_.size(); ++i) {
    // A thread's first vCPU counts.
    if (auto* const vcpu = by_thread_.make(vcpus_[i].thread.value); vcpu != nullptr && !*vcpu)
      *vcpu = static_cast<std::uint32_t>(i);
    if (vcpus_[i].cpu) by_cpu_.emplace(std::pair(vcpus_[i].machine, vcpus_[i].cpu->value), i);
  }
}

VcpuEvents::Seen VcpuEvents::look(const merge::MergedEvent& event) const {
  Seen seen;
  if (event.loss != nullptr || event.stream->machine != host_) return seen;
  const bool is_entry = entry_ != nullptr && event.id == entry_->id;
  if (!is_entry && (exit_ == nullptr || event.id != exit_->id)) return seen;
  const auto* const vcpu = by_thread_.find(decode::event_pid(event.record));
  if (vcpu == nullptr || !*vcpu) return seen;
  seen.step = is_entry ? Step::kEntry : Step::kExit;
  seen.vcpu = **vcpu;
  if (!is_entry) seen.reason = static_cast<std::uint32_t>(reason_.read(event.record, 0));
  return seen;
}

std::optional<std::size_t> VcpuEvents::vcpu_of(const merge::MergedEvent& event) const {
  if (event.loss != nullptr || event.stream->machine == host_) return std::nullopt;
  const auto found = by_cpu_.find({event.stream->machine, event.stream->cpu.value});
  if (found == by_cpu_.end()) return std::nullopt;
  return found->second;
}

}  // namespace ivtrace::model
