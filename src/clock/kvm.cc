#include "clock/kvm.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "base/tsc.h"
#include "clock/relation.h"
#include "format/ivring.h"

namespace ivtrace::clock {
namespace {

constexpr std::size_t kMaxValueBytes = 256;
constexpr std::size_t kMaxVcpus = format::kMaxCpus;

// linux/mount.h clashes with sys/mount.h of this glibc, and glibc 2.36 has the wrappers but older ones do
// not: these four numbers are all that is needed of it.
constexpr unsigned kFsopenCloexec = 1;
constexpr unsigned kFsconfigCmdCreate = 6;
constexpr unsigned kFsmountCloexec = 1;

Result<UniqueFd> mount_debugfs_privately() {
  UniqueFd context(static_cast<int>(syscall(SYS_fsopen, "debugfs", kFsopenCloexec)));
  if (!context.valid())
    return errno_error(errno, "cannot open debugfs", "be root; the kernel needs CONFIG_DEBUG_FS");
  if (syscall(SYS_fsconfig, context.get(), kFsconfigCmdCreate, nullptr, nullptr, 0) != 0) {
    return errno_error(errno, "cannot set up debugfs");
  }
  UniqueFd mount(static_cast<int>(syscall(SYS_fsmount, context.get(), kFsmountCloexec, 0)));
  if (!mount.valid()) return errno_error(errno, "cannot mount debugfs");
  return mount;
}

Result<std::uint64_t> read_number(int dir, const std::string& name) {
  IVT_ASSIGN_OR_RETURN(const std::string text, read_file_at(dir, name, kMaxValueBytes));
  return parse_u64(trim(text));
}

// Is the vCPU in its own guest (0) or in a nested one (1)? Kernels before 5.13 have no such file and say
// nothing.
Result<bool> runs_nested(int dir) {
  auto value = read_number(dir, "guest_mode");
  if (value) return *value != 0;
  if (value.error().code == ErrorCode::kNotFound) return false;
  return value.error();
}

Result<TscRelation> read_relation(int dir) {
  TscRelation relation;
  IVT_ASSIGN_OR_RETURN(const std::string text, read_file_at(dir, "tsc-offset", kMaxValueBytes));
  IVT_ASSIGN_OR_RETURN(relation.offset, parse_i64(trim(text)));
  auto ratio = read_number(dir, "tsc-scaling-ratio");
  if (!ratio) {
    if (ratio.error().code == ErrorCode::kNotFound) return relation;  // this CPU does not scale
    return ratio.error();
  }
  IVT_ASSIGN_OR_RETURN(const std::uint64_t frac_bits, read_number(dir, "tsc-scaling-ratio-frac-bits"));
  if (*ratio == 0 || frac_bits > kMaxFracBits) {
    return Error(ErrorCode::kCorrupt, "KVM tells a TSC ratio that cannot be: " + std::to_string(*ratio) +
                                          " with " + std::to_string(frac_bits) + " fraction bits");
  }
  relation.ratio = *ratio;
  relation.frac_bits = static_cast<std::uint32_t>(frac_bits);
  return relation;
}

void read_vcpu(int dir, std::uint32_t apic_id, KvmReading& reading) {
  const auto complain = [&](const Error& error) {
    reading.unreadable.push_back("vcpu" + std::to_string(apic_id) + ": " + error.message);
  };
  const auto nested_before = runs_nested(dir);
  if (!nested_before) return complain(nested_before.error());
  const auto relation = read_relation(dir);
  if (!relation) return complain(relation.error());
  const auto nested_after = runs_nested(dir);
  if (!nested_after) return complain(nested_after.error());
  if (*nested_before || *nested_after) {
    reading.nested.push_back(apic_id);
  } else {
    reading.vcpus.push_back({apic_id, *relation});
  }
}

std::optional<std::uint32_t> number_behind(const std::string& name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  const auto number = parse_u64(std::string_view(name).substr(prefix.size()));
  if (!number || *number > ~0u) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

}  // namespace

Result<KvmDebugfs> KvmDebugfs::open() {
  if (auto mounted = open_directory("/sys/kernel/debug/kvm")) return mounted;
  IVT_ASSIGN_OR_RETURN(const UniqueFd debugfs, mount_debugfs_privately());
  IVT_ASSIGN_OR_RETURN(UniqueFd kvm, open_at(debugfs.get(), "kvm", O_RDONLY | O_DIRECTORY));
  return KvmDebugfs(std::move(kvm));
}

Result<KvmDebugfs> KvmDebugfs::open_directory(const std::string& path) {
  IVT_ASSIGN_OR_RETURN(UniqueFd directory, open_file(path, O_RDONLY | O_DIRECTORY));
  return KvmDebugfs(std::move(directory));
}

Result<KvmReading> KvmDebugfs::read(Pid qemu) const {
  KvmReading reading;
  reading.before = HostTsc(read_tsc());
  IVT_ASSIGN_OR_RETURN(const auto machines, list_directory_at(directory_.get(), "."));
  const std::string prefix = std::to_string(qemu.value) + "-";
  bool found = false;
  for (const std::string& machine : machines) {
    if (!machine.starts_with(prefix)) continue;
    // The machine may end between any two of these steps; what is gone then is simply not in the reading.
    const auto dir = open_at(directory_.get(), machine, O_RDONLY | O_DIRECTORY);
    if (!dir) continue;
    found = true;
    const auto names = list_directory_at(dir->get(), ".");
    if (!names) continue;
    for (const std::string& name : *names) {
      const auto apic_id = number_behind(name, "vcpu");
      if (!apic_id || reading.vcpus.size() >= kMaxVcpus) continue;
      const auto vcpu = open_at(dir->get(), name, O_RDONLY | O_DIRECTORY);
      if (vcpu) read_vcpu(vcpu->get(), *apic_id, reading);
    }
  }
  reading.after = HostTsc(read_tsc());
  if (!found) {
    return Error(ErrorCode::kNotFound,
                 "process " + std::to_string(qemu.value) + " has no virtual machine in KVM");
  }
  return reading;
}

std::vector<ExactRelation> relations_of(const KvmReading& reading, std::span<const format::AgentCpu> cpus,
                                        HostTsc since) {
  std::vector<ExactRelation> relations;
  if (reading.vcpus.empty()) return relations;
  ExactRelation exact{reading.vcpus.front().relation, ClockSource::kKvmDebugfs, std::nullopt, since,
                      reading.after};
  const bool all_equal =
      std::all_of(reading.vcpus.begin(), reading.vcpus.end(),
                  [&](const KvmVcpuClock& vcpu) { return vcpu.relation == exact.relation; });
  if (all_equal) {
    // A vCPU that could not be read may differ: then nothing is said of all, and the next reading may tell.
    if (!reading.nested.empty() || !reading.unreadable.empty()) return relations;
    return {exact};
  }
  for (const KvmVcpuClock& vcpu : reading.vcpus) {
    const auto cpu = std::find_if(cpus.begin(), cpus.end(), [&](const format::AgentCpu& agent_cpu) {
      return agent_cpu.online && agent_cpu.apic_id == vcpu.apic_id;
    });
    if (cpu == cpus.end()) continue;
    exact.relation = vcpu.relation;
    exact.cpu = cpu->cpu;
    relations.push_back(exact);
  }
  return relations;
}

}  // namespace ivtrace::clock
