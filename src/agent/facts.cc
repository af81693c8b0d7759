#include "agent/facts.h"

#include <cpuid.h>
#include <sched.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "base/fd.h"
#include "base/text.h"
#include "base/tsc.h"
#include "format/ivring.h"
#include "tracefs/cpus.h"

namespace ivtrace::agent {
namespace {

constexpr std::size_t kMaskBytes = format::kMaxCpus / 8;
constexpr std::int64_t kLeastSpanNs = 50'000'000;

std::uint32_t apic_id_here() {
  unsigned a, b, c, d;
  if (__get_cpuid_count(0x0b, 0, &a, &b, &c, &d) != 0 && b != 0)
    return d;  // x2APIC ID (Intel SDM vol. 2, CPUID)
  __cpuid(1, a, b, c, d);
  return b >> 24;
}

std::string one_line(const char* path) {
  const Result<std::string> text = read_file(path, 4096);
  return text ? std::string(trim(*text)) : std::string();
}

/// TSC and CLOCK_MONOTONIC_RAW at one moment: of several tries the one with the narrowest bracket.
std::pair<std::uint64_t, std::int64_t> sample() {
  std::uint64_t best_width = ~0ull;
  std::pair<std::uint64_t, std::int64_t> best{};
  for (int i = 0; i < 8; ++i) {
    timespec now{};
    const std::uint64_t before = read_tsc();
    ::clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    const std::uint64_t after = read_tsc();
    if (after - before >= best_width) continue;
    best_width = after - before;
    best = {before + best_width / 2, now.tv_sec * 1'000'000'000ll + now.tv_nsec};
  }
  return best;
}

}  // namespace

PinnedThread::PinnedThread(CpuId cpu) : saved_(kMaskBytes) {
  auto* saved = reinterpret_cast<cpu_set_t*>(saved_.data());
  if (cpu.value >= format::kMaxCpus || ::sched_getaffinity(0, saved_.size(), saved) != 0) {
    saved_.clear();
    return;
  }
  std::vector<std::byte> one(kMaskBytes);
  CPU_SET_S(cpu.value, one.size(), reinterpret_cast<cpu_set_t*>(one.data()));
  ok_ = ::sched_setaffinity(0, one.size(), reinterpret_cast<cpu_set_t*>(one.data())) == 0;
}

PinnedThread::~PinnedThread() {
  if (ok_) ::sched_setaffinity(0, saved_.size(), reinterpret_cast<cpu_set_t*>(saved_.data()));
}

std::vector<format::AgentCpu> cpu_facts() {
  std::vector<format::AgentCpu> cpus;
  const Result<std::vector<CpuId>> possible = tracefs::possible_cpus();
  const Result<std::vector<CpuId>> online = tracefs::online_cpus();
  if (!possible || !online) return cpus;
  for (const CpuId cpu : *possible) {
    format::AgentCpu fact;
    fact.cpu = cpu.value;
    fact.online = std::find(online->begin(), online->end(), cpu) != online->end();
    if (fact.online) {
      const PinnedThread pinned(cpu);
      if (pinned.ok()) fact.apic_id = apic_id_here();
    }
    cpus.push_back(fact);
  }
  return cpus;
}

TscFrequency::TscFrequency() { std::tie(tsc_, raw_ns_) = sample(); }

std::uint64_t TscFrequency::khz() const {
  auto [tsc, raw_ns] = sample();
  if (raw_ns - raw_ns_ < kLeastSpanNs) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(kLeastSpanNs - (raw_ns - raw_ns_)));
    std::tie(tsc, raw_ns) = sample();
  }
  const auto ticks = static_cast<unsigned __int128>(tsc - tsc_) * 1'000'000;
  const auto span = static_cast<std::uint64_t>(raw_ns - raw_ns_);
  return static_cast<std::uint64_t>((ticks + span / 2) / span);
}

format::Reply machine_facts(const TscFrequency& frequency) {
  format::Reply reply;
  reply.protocol = format::kMailboxProtocol;
  reply.agent_version = IVTRACE_VERSION;
  utsname names{};
  if (::uname(&names) == 0) {
    reply.kernel_release = names.release;
    reply.hostname = names.nodename;
  }
  reply.machine_id = one_line("/sys/class/dmi/id/product_uuid");
  reply.boot_id = one_line("/proc/sys/kernel/random/boot_id");
  reply.agent_pid = ::getpid();
  reply.tsc_khz = frequency.khz();
  reply.cpus = cpu_facts();
  return reply;
}

}  // namespace ivtrace::agent
