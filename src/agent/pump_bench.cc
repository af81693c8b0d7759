// What the agent costs: CPU per MB that it moves from the kernel's buffer into the ring, by either feed, and
// what its pumps cost while nothing happens. CPU time of the moving thread only: neither the workload's nor
// the host's is in it.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <optional>
#include <thread>

#include "agent/pump.h"
#include "ring/consumer.h"
#include "tracefs/cpus.h"

namespace ivtrace::agent {
namespace {

double cpu_seconds(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

class Discard : public ring::PageSink {
 public:
  Status on_piece(const ring::PagePiece&) override { return {}; }
  Status on_loss(const ring::PlaneLoss&) override { return {}; }
};

/// A ring in anonymous memory with both of its ends, and a tracing instance of this process.
struct Rig {
  std::unique_ptr<ring::HostRing> host;
  std::optional<ring::Producer> producer;
  std::unique_ptr<ring::CopyRing> plane;
  std::optional<tracefs::Instance> instance;
  std::vector<CpuId> cpus;

  /// An empty string, or why it cannot be had here.
  std::string build(std::uint64_t buffer_kb) {
    auto dir = tracefs::TraceDir::open();
    if (!dir) return dir.error().to_string();
    auto online = tracefs::online_cpus();
    if (!online || online->empty()) return "no CPUs";
    cpus = *online;
    auto memory = Mapping::anonymous(64u << 20);
    if (!memory) return memory.error().to_string();
    auto formatted = ring::Producer::format(memory->bytes(), cpus.back().value + 1, ring::random_nonce());
    if (!formatted) return formatted.error().to_string();
    host = ring::HostRing::of_mapping(std::move(*memory), "bench");
    producer.emplace(std::move(*formatted));
    auto attached = ring::CopyRing::attach(*host);
    if (!attached) return attached.error().to_string();
    plane = std::move(*attached);
    plane->skip_all();
    auto made = tracefs::Instance::create(*dir, "ivtrace-bench-" + std::to_string(::getpid()));
    if (!made) return made.error().to_string();
    instance.emplace(std::move(*made));
    if (!instance->set_clock("x86-tsc") || !instance->set_buffer_kb(buffer_kb)) return "no buffer";
    return {};
  }
};

void move_into_the_ring(benchmark::State& state, tracefs::Feed feed) {
  Rig rig;
  if (const std::string why = rig.build(8192); !why.empty()) return state.SkipWithError(why.c_str());
  const CpuId cpu = rig.cpus.back();
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu.value, &one);
  ::sched_setaffinity(0, sizeof one, &one);
  auto marker = open_at(rig.instance->dir_fd(), "trace_marker", O_WRONLY);
  if (!marker || !rig.instance->set_tracing(true)) return state.SkipWithError("no marker");
  if (auto probe = tracefs::open_reader(*rig.instance, cpu, feed); !probe) {
    return state.SkipWithError(probe.error().message.c_str());
  }
  Lane lane(*rig.instance, rig.producer->cpu(cpu), feed);
  Discard sink;
  const std::string line(32, 'x');  // as long as an event of sched or block
  std::uint64_t bytes = 0;
  double cpu_time = 0;
  for (auto _ : state) {
    for (int i = 0; i < 40'000; ++i) {
      if (::write(marker->get(), line.data(), line.size()) < 0)
        return state.SkipWithError("cannot write the marker");
    }
    const std::uint64_t before = lane.bytes();
    const double start = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
    const auto progress = lane.drain(~0ull);
    const double took = cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    if (!progress || progress->stalled) return state.SkipWithError("the ring is full");
    state.SetIterationTime(took);
    cpu_time += took;
    bytes += lane.bytes() - before;
    while (rig.plane->poll(sink, ~0ull)->more) {
    }
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
  state.counters["cpu_ms_per_MB"] = cpu_time * 1e3 / (static_cast<double>(bytes) / 1e6);
  marker->reset();
}

/// Pumps of all CPUs with the scheduler's events on, for two seconds in which only the rest of the machine
/// does anything.
void idle_pumps(benchmark::State& state, tracefs::Feed feed) {
  Rig rig;
  if (const std::string why = rig.build(4096); !why.empty()) return state.SkipWithError(why.c_str());
  static_cast<void>(rig.instance->set_buffer_percent(25));
  const std::vector<std::string> events = {"sched:sched_switch", "sched:sched_waking", "sched:sched_wakeup",
                                           "irq:softirq_entry", "irq:softirq_exit"};
  if (!rig.instance->set_events(events).empty()) return state.SkipWithError("no scheduler events");
  for (auto _ : state) {
    std::vector<std::unique_ptr<Lane>> lanes;
    for (const CpuId cpu : rig.cpus) {
      lanes.push_back(std::make_unique<Lane>(*rig.instance, rig.producer->cpu(cpu), feed));
    }
    Pump pump(std::move(lanes), *rig.producer, 4u << 20);
    if (!rig.instance->set_tracing(true)) return state.SkipWithError("no tracing");
    const double start = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
    pump.go();
    std::this_thread::sleep_for(std::chrono::seconds(2));
    state.counters["cpu_ms_per_s"] = (cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - start) * 1e3 / 2;
    state.counters["wakeups_per_s"] = static_cast<double>(pump.wakeups()) / 2;
    static_cast<void>(rig.instance->set_tracing(false));
    pump.abandon();
    pump.join();
    std::uint64_t bytes = 0;
    for (const auto& lane : pump.lanes()) bytes += lane->bytes();
    state.counters["KB_per_s"] = static_cast<double>(bytes) / 2e3;
    state.SetIterationTime(2);
  }
}

BENCHMARK_CAPTURE(move_into_the_ring, map, tracefs::Feed::kMap)
    ->UseManualTime()
    ->Iterations(30)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(move_into_the_ring, read, tracefs::Feed::kRead)
    ->UseManualTime()
    ->Iterations(30)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(idle_pumps, map, tracefs::Feed::kMap)->UseManualTime()->Iterations(1);
BENCHMARK_CAPTURE(idle_pumps, read, tracefs::Feed::kRead)->UseManualTime()->Iterations(1);

}  // namespace
}  // namespace ivtrace::agent
