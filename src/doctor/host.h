// What this host has and lacks for recording. What tracing itself needs is tried by the tracefs room (guests
// ask the same of themselves); what a host needs besides is here: its facts are read by one function and
// judged by another, so that every verdict can be tested without a machine that lacks the thing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "format/mailbox_message.h"

namespace ivtrace::doctor {

/// What was found on the host, unjudged. A plain value, owns everything.
struct HostFacts {
  std::string kernel_release;       ///< uname -r
  std::string cpu_flags;            ///< the flags line of /proc/cpuinfo
  std::string clocksource;          ///< the kernel's current clocksource
  bool kvm_device = false;          ///< /dev/kvm is there
  std::string kvm_problem;          ///< why KVM's own values cannot be read; empty when they can
  std::string output_directory;     ///< where the free space was measured
  std::string disk_problem;         ///< why it could not be measured
  std::uint64_t disk_free = 0;      ///< bytes an ordinary file may take there
  std::uint64_t disk_floor = 0;     ///< bytes that record leaves free
  std::vector<std::string> guests;  ///< "name (pid N)" of the running QEMU guests
  std::string guests_problem;       ///< why they could not be listed
};

/// Reads the facts. Never fails: what cannot be read is told in them. `output_directory` is where a run would
/// be written.
HostFacts gather_host_facts(const std::string& output_directory);

/// One check per fact, in the order in which a person would fix them.
std::vector<format::Check> judge_host(const HostFacts& facts);

/// All of this host's checks: tracing first, then the above.
std::vector<format::Check> check_host(const std::string& output_directory);

/// Major and minor of a kernel release as one number (6.10 → 6010); 0 when it is none.
std::uint32_t kernel_version(std::string_view release);

}  // namespace ivtrace::doctor
