// What the agent tells of its machine: kernel, names, CPUs, TSC frequency.
#pragma once

#include <cstdint>
#include <vector>

#include "base/units.h"
#include "format/mailbox_message.h"

namespace ivtrace::agent {

/// Pins the calling thread to one CPU for its lifetime. Owns nothing else.
class PinnedThread {
 public:
  explicit PinnedThread(CpuId cpu);
  ~PinnedThread();
  PinnedThread(const PinnedThread&) = delete;
  PinnedThread& operator=(const PinnedThread&) = delete;

  /// False: that CPU is offline or not ours to run on.
  bool ok() const { return ok_; }

 private:
  std::vector<std::byte> saved_;  // the mask from before, of the kernel's own size
  bool ok_ = false;
};

/// Every possible CPU with its APIC ID as CPUID tells it on that CPU itself; 0 while it is offline.
std::vector<format::AgentCpu> cpu_facts();

/// The TSC's frequency, against CLOCK_MONOTONIC_RAW: which the kernel derives from the TSC where it trusts
/// it, so that this is the kernel's own idea of it. Made at start, asked later: the longer in between, the
/// finer.
class TscFrequency {
 public:
  TscFrequency();
  /// kHz. Waits if less than 50 ms have passed.
  std::uint64_t khz() const;

 private:
  std::uint64_t tsc_;
  std::int64_t raw_ns_;
};

/// The part of a kHello reply that is about the machine.
format::Reply machine_facts(const TscFrequency& frequency);

}  // namespace ivtrace::agent
