#include "clock/handshake.h"

#include <immintrin.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <limits>

#include "base/tsc.h"

namespace ivtrace::clock {
namespace {

std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000ll + now.tv_nsec;
}

/// Paces a spin loop: a pause each turn, a look at the time every 64, and after a while the CPU to others,
/// since both sides may have to share one CPU.
class SpinLimit {
 public:
  explicit SpinLimit(Nanoseconds limit) : start_(now_ns()), limit_(limit.value) {}

  /// False once the time is over.
  bool spin() {
    _mm_pause();
    ++turns_;
    if (turns_ % 64 == 0 && now_ns() - start_ >= limit_) return false;
    if (turns_ >= kPoliteAfter && turns_ % 256 == 0) sched_yield();
    return true;
  }
  /// The other side moved.
  void progress() { turns_ = 0; }
  bool over() const { return now_ns() - start_ >= limit_; }

 private:
  static constexpr std::uint64_t kPoliteAfter = 8192;
  std::int64_t start_;
  std::int64_t limit_;
  std::uint64_t turns_ = 0;
};

}  // namespace

std::uint64_t answer_pings(format::MailboxControl& control, Nanoseconds limit) {
  SpinLimit spin(limit);
  std::uint64_t answered = 0;
  std::uint64_t last = control.pong_seq.load(std::memory_order_relaxed);
  bool seen_ping = false;
  while (true) {
    // Pairs with run_burst's release of ping_seq.
    const std::uint64_t ping = control.ping_seq.load(std::memory_order_acquire);
    if (ping == kPingEnd) {
      if (seen_ping) return answered;
    } else if (ping != last) {
      seen_ping = true;
      control.pong_tsc.store(read_tsc(), std::memory_order_relaxed);
      // Pairs with run_burst's acquire of pong_seq: whoever sees the number sees the TSC that belongs to it.
      control.pong_seq.store(ping, std::memory_order_release);
      last = ping;
      spin.progress();
      // A host that pings without end must not hold the guest's CPU beyond the limit.
      if (++answered % 64 == 0 && spin.over()) return answered;
      continue;
    }
    if (!spin.spin()) return answered;
  }
}

Burst run_burst(format::MailboxControl& control, std::uint64_t exchanges, Nanoseconds limit, CpuId cpu) {
  Burst burst;
  burst.cpu = cpu.value;
  burst.lower = std::numeric_limits<std::int64_t>::min();
  burst.upper = std::numeric_limits<std::int64_t>::max();
  SpinLimit spin(limit);
  std::uint64_t narrowest = ~0ull;
  std::uint64_t sequence = read_tsc() & ~(1ull << 63);  // never 0 in practice, never near kPingEnd
  bool in_time = true;
  while (in_time && burst.exchanges < exchanges) {
    ++sequence;
    const std::uint64_t t1 = read_tsc();
    // Pairs with answer_pings' acquire.
    control.ping_seq.store(sequence, std::memory_order_release);
    while (control.pong_seq.load(std::memory_order_acquire) != sequence) {
      in_time = spin.spin();
      if (!in_time) break;
    }
    if (!in_time) break;
    const std::uint64_t t2 = read_tsc();
    const std::uint64_t guest = control.pong_tsc.load(std::memory_order_relaxed);
    spin.progress();
    ++burst.exchanges;
    // The guest may have written anything: differences wrap, and only then are read as signed.
    burst.lower = std::max(burst.lower, static_cast<std::int64_t>(guest - t2));
    burst.upper = std::min(burst.upper, static_cast<std::int64_t>(guest - t1));
    if (t2 - t1 < narrowest) {
      narrowest = t2 - t1;
      burst.guest_tsc = GuestTsc(guest);
      burst.tight_t1 = HostTsc(t1);
      burst.tight_t2 = HostTsc(t2);
    }
    if (burst.exchanges % 64 == 0 && spin.over()) break;
  }
  control.ping_seq.store(kPingEnd, std::memory_order_release);
  burst.host_tsc = HostTsc(read_tsc());
  return burst;
}

}  // namespace ivtrace::clock
