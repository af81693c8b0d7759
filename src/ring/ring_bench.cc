// The ring between two processes, against memcpy of the same bytes by one: the producer (a fork) pushes whole
// sub-buffers out of a buffer that plays the kernel's, the consumer copies each piece into a buffer that
// plays the run's page cache.
//
//   ring_bench --benchmark_filter=Ring     counters: ring_MBps, memcpy_MBps and their ratio, measured in one
//   run
//
// The ring makes two copies of each byte and memcpy one, so with a core for each side the ratio can come near
// 1, and on one core near 0.5.
#include <benchmark/benchmark.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "ring/ring_fixture.h"

namespace ivtrace::ring {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kTarget = 64u << 20;    // plays the page cache: larger than the CPU's caches
constexpr std::uint64_t kRound = 256u << 20;  // payload bytes per iteration

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class CopyingSink : public PageSink {
 public:
  CopyingSink() : target_(kTarget) {}
  Status on_piece(const PagePiece& piece) override {
    if (at_ + piece.bytes.size() > target_.size()) at_ = 0;
    std::memcpy(target_.data() + at_, piece.bytes.data(), piece.bytes.size());
    at_ += piece.bytes.size();
    return {};
  }
  Status on_loss(const PlaneLoss& loss) override { return Error(ErrorCode::kCorrupt, loss.detail); }

 private:
  std::vector<std::byte> target_;
  std::size_t at_ = 0;
};

// The producer's whole life: pushes page after page from a source as large as a kernel buffer of 4 MiB.
[[noreturn]] void produce(TestRing& ring, std::size_t page_bytes) {
  const auto source = page_image(0, 0, 4u << 20);
  CpuProducer& cpu = ring.producer->cpu(CpuId(0));
  for (std::uint64_t page = 0;; ++page) {
    const std::size_t from = page * page_bytes % (source.size() - page_bytes);
    while (!cpu.push(page, 0, std::span(source).subspan(from, page_bytes), format::kChunkSealed))
      ::sched_yield();
  }
}

double copy_plainly(std::size_t page_bytes) {
  const auto source = page_image(0, 0, 4u << 20);
  std::vector<std::byte> target(kTarget);
  const auto copy_round = [&](std::uint64_t bytes) {
    for (std::uint64_t done = 0; done < bytes; done += page_bytes) {
      std::memcpy(target.data() + done % (kTarget - page_bytes),
                  source.data() + done % (source.size() - page_bytes), page_bytes);
      benchmark::ClobberMemory();
    }
  };
  copy_round(kTarget);  // pages in
  const auto start = Clock::now();
  copy_round(kRound);
  return seconds_since(start);
}

void BM_RingBetweenProcesses(benchmark::State& state) {
  const auto page_bytes = static_cast<std::size_t>(state.range(0));
  TestRing ring(1, 4u << 20);
  auto consumer = ring.attach();
  const pid_t producer = ::fork();
  if (producer == 0) produce(ring, page_bytes);
  CopyingSink sink;
  const auto take_round = [&](std::uint64_t bytes) {
    for (std::uint64_t done = 0; done < bytes;) {
      const auto progress = consumer->poll(sink, 1u << 20);
      if (!progress) return false;
      done += progress->bytes;
      if (progress->pieces == 0) ::sched_yield();
    }
    return true;
  };
  double ring_seconds = 0;
  double memcpy_seconds = 0;
  take_round(kTarget);  // pages in
  for (auto _ : state) {
    const auto start = Clock::now();
    if (!take_round(kRound)) {
      state.SkipWithError("the ring delivered a loss");
      break;
    }
    ring_seconds += seconds_since(start);
    state.PauseTiming();
    ::kill(producer, SIGSTOP);  // memcpy is measured alone
    memcpy_seconds += copy_plainly(page_bytes);
    ::kill(producer, SIGCONT);
    state.ResumeTiming();
  }
  ::kill(producer, SIGKILL);
  ::waitpid(producer, nullptr, 0);
  const double megabytes = static_cast<double>(state.iterations()) * static_cast<double>(kRound) / 1e6;
  state.counters["ring_MBps"] = megabytes / ring_seconds;
  state.counters["memcpy_MBps"] = megabytes / memcpy_seconds;
  state.counters["ratio"] = memcpy_seconds / ring_seconds;
}
BENCHMARK(BM_RingBetweenProcesses)
    ->Arg(256)
    ->Arg(1024)
    ->Arg(4096)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

void BM_IdlePoll(benchmark::State& state) {
  TestRing ring(static_cast<std::uint32_t>(state.range(0)));
  auto consumer = ring.attach();
  CopyingSink sink;
  for (auto _ : state) benchmark::DoNotOptimize(consumer->poll(sink, 1u << 20).ok());
}
BENCHMARK(BM_IdlePoll)->Arg(2)->Arg(32);

}  // namespace
}  // namespace ivtrace::ring
