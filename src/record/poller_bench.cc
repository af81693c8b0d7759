// What draining costs the host: idle rings, and rings with events.
#include <benchmark/benchmark.h>
#include <stdlib.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>
#include <vector>

#include "base/tsc.h"
#include "record/guest_link.h"
#include "ring/producer.h"

namespace ivtrace::record {
namespace {

constexpr std::size_t kRingFile = 2u << 20;
constexpr std::size_t kImage = 4096;
constexpr double kBytesPerEvent = 48;  // a sched_switch or block event with its header is of about that size

double cpu_seconds() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

/// A run and `count` formatted rings of two CPUs, attached.
struct Host {
  explicit Host(std::size_t count) {
    std::string pattern = std::filesystem::temp_directory_path() / "ivtrace_bench_XXXXXX";
    IVT_CHECK(::mkdtemp(pattern.data()) != nullptr);
    scratch = pattern;
    writer = *run::RunWriter::create(scratch + "/run.ivt", run::Manifest{});
    space.emplace(*SpaceBudget::create(scratch, ~0ull, 0));
    log.emplace(*writer, *space);
    for (std::size_t i = 0; i < count; ++i) {
      const std::string path = scratch + "/ring" + std::to_string(i);
      IVT_CHECK(replace_file(path, "").ok());
      std::filesystem::resize_file(path, kRingFile);
      auto fd = *open_file(path, O_RDWR);
      memories.push_back(*Mapping::of_fd(fd.get(), 0, kRingFile, Mapping::Access::kReadWrite, path));
      producers.push_back(*ring::Producer::format(memories.back().bytes(), 2, ring::random_nonce()));
      links.push_back(
          std::make_shared<GuestLink>("vm" + std::to_string(i), *ring::HostRing::open(path), *log));
      IVT_CHECK(links.back()->attach(GuestLink::From::kNextRecording).ok());
      links.back()->expect_recording(1);
    }
  }
  ~Host() {
    links.clear();
    std::filesystem::remove_all(scratch);
  }

  std::string scratch;
  std::unique_ptr<run::RunWriter> writer;
  std::optional<SpaceBudget> space;
  std::optional<RunLog> log;
  std::vector<Mapping> memories;
  std::vector<ring::Producer> producers;
  std::vector<std::shared_ptr<GuestLink>> links;
};

// CPU of the pollers alone, as a share of one core, while nothing comes.
void BM_IdleRings(benchmark::State& state) {
  Host host(static_cast<std::size_t>(state.range(0)));
  std::vector<std::unique_ptr<RingPoller>> pollers;
  for (const auto& link : host.links) {
    if (pollers.empty() || !pollers.back()->add(link)) {
      pollers.push_back(std::make_unique<RingPoller>());
      IVT_CHECK(pollers.back()->add(link));
    }
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // until all have backed off
  double cpu = 0, wall = 0;
  for (auto _ : state) {
    const double before = cpu_seconds();
    const auto begin = std::chrono::steady_clock::now();
    for (int beat = 0; beat < 2; ++beat) {
      std::this_thread::sleep_for(std::chrono::seconds(1));
      for (ring::Producer& producer : host.producers) producer.heartbeat();
    }
    cpu += cpu_seconds() - before;
    wall += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  state.counters["cpu_percent"] = 100 * cpu / wall;
}
BENCHMARK(BM_IdleRings)->Arg(1)->Arg(8)->Arg(32)->Iterations(2)->Unit(benchmark::kMillisecond);

// CPU of taking full sub-buffers out of a ring and into the run's files.
void BM_Drain(benchmark::State& state) {
  Host host(1);
  ring::CpuProducer& cpu = host.producers[0].cpu(CpuId(0));
  std::vector<std::byte> image(kImage, std::byte{0x5a});
  std::uint64_t page = 0;
  double seconds = 0;
  for (auto _ : state) {
    state.PauseTiming();
    while (cpu.push(page, 0, image, format::kChunkSealed)) ++page;
    state.ResumeTiming();
    const double before = cpu_seconds();
    while (host.links[0]->poll()) continue;
    seconds += cpu_seconds() - before;
  }
  const double bytes = static_cast<double>(page) * kImage;
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
  state.counters["cpu_ms_per_million_events"] = seconds * 1e3 / (bytes / kBytesPerEvent / 1e6);
}
BENCHMARK(BM_Drain)->Iterations(400);

}  // namespace
}  // namespace ivtrace::record
