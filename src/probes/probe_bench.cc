// What a hit of a probe costs, against something that everybody knows, in the same run.
//
// The probes are set on this program itself as a recording sets them, and recorded by an instance of its own
// whose buffer wraps, filtered as a recorder's. `of_getpid` is the time of a call of the probed function over
// that of the cheapest system call, the median of pairs measured one after the other: a uprobe, too, is a way
// into the kernel and back. The rows: nothing is set; a USDT point while nobody listens, as its semaphore
// says; a probe without fields; the same on a function whose first instruction has to be stepped over; one
// with a number, with a text of 7 bytes; a return; the USDT point while somebody listens.
//
// The kernel must know uprobes; what it lacks is said and left out.
#include <benchmark/benchmark.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "probes/probe_set.h"
#include "tracefs/instance.h"
#include "tracefs/mount.h"
#include "tracefs/probe_filter.h"

extern "C" {
unsigned short bench_point_semaphore __attribute__((section(".probes"))) = 0;

void bench_function(std::uint64_t number, const char* text);
void bench_stepped(std::uint64_t number, const char* text);
__attribute__((noinline)) void bench_point_function(std::uint64_t number, const char* text) {
  if (*static_cast<volatile unsigned short*>(&bench_point_semaphore) != 0)
    DTRACE_PROBE2(bench, point, number, text);
}
}

// Their first instruction is what counts: the kernel itself does what a push would, and lets the processor
// step over a mov in a copy, which takes it a second trap.
asm(R"(
  .pushsection .text
  .type bench_function, @function
bench_function:
  push %rbp
  pop %rbp
  ret
  .size bench_function, . - bench_function
  .type bench_stepped, @function
bench_stepped:
  mov %rdi, %rax
  ret
  .size bench_stepped, . - bench_stepped
  .popsection
)");

namespace ivtrace::probes {
namespace {

constexpr int kPairs = 31;
constexpr int kTimes = 5'000;
constexpr std::uint64_t kBufferKb = 256;

using Probed = void (*)(std::uint64_t, const char*);

template <class Work>
double seconds(Work work) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kTimes; ++i) work(i);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void compare(benchmark::State& state, Probed probed) {
  std::vector<double> ratios, ns;
  for (auto _ : state) {
    for (int pair = 0; pair < kPairs; ++pair) {
      const double one = seconds([probed](int i) { probed(static_cast<std::uint64_t>(i), "request"); });
      ratios.push_back(one / seconds([](int) { ::syscall(SYS_getpid); }));
      ns.push_back(one / kTimes * 1e9);
    }
  }
  state.counters["of_getpid"] = median(ratios);
  state.counters["ns"] = median(ns);
}

/// A probe of this program that is recorded, once set() has succeeded.
class Recorded {
 public:
  /// `what`: "uprobe", …; `place` and fields as in a spec, behind the program's path.
  Status set(const std::string& what, const std::string& place) {
    ::prctl(PR_SET_NAME,
            "ivtrace-bench");  // a recorder that starts meanwhile leaves alone what is of its like
    IVT_ASSIGN_OR_RETURN(tracefs::TraceDir dir, tracefs::TraceDir::open());
    dir_.emplace(std::move(dir));
    probes_.emplace(*dir_, ::getpid());
    const std::string spec =
        what + ":" + std::filesystem::read_symlink("/proc/self/exe").string() + ":" + place;
    probes_->add(std::span(&spec, 1));
    const format::ProbeState& state = probes_->states().front();
    if (!state.error.empty()) return Error(ErrorCode::kUnsupported, state.error);
    IVT_ASSIGN_OR_RETURN(tracefs::Instance instance,
                         tracefs::Instance::create(*dir_, "ivtrace-bench-" + std::to_string(::getpid())));
    instance_.emplace(std::move(instance));
    IVT_RETURN_IF_ERROR(instance_->set_clock("x86-tsc"));
    IVT_RETURN_IF_ERROR(instance_->set_buffer_kb(kBufferKb));
    const std::vector<std::string> events = probes_->kernel_events();
    for (const std::string& event : events)
      IVT_RETURN_IF_ERROR(instance_->set_filter(event, tracefs::probe_filter("", "ivtrace")));
    const auto refused = instance_->set_events(events);
    if (!refused.empty()) return Error(ErrorCode::kUnsupported, refused.front());
    return instance_->set_tracing(true);
  }
  /// Events that the kernel made, whether still in the buffer or overwritten.
  Result<std::uint64_t> events() const {
    IVT_ASSIGN_OR_RETURN(const std::vector<CpuId> cpus, instance_->cpus());
    std::uint64_t sum = 0;
    for (const CpuId cpu : cpus) {
      IVT_ASSIGN_OR_RETURN(const format::CpuCounters counters, instance_->counters(cpu));
      sum += counters.unread + counters.overrun;
    }
    return sum;
  }

 private:
  // The instance that uses the probes goes first.
  std::optional<tracefs::TraceDir> dir_;
  std::optional<ProbeSet> probes_;
  std::optional<tracefs::Instance> instance_;
};

void nothing_is_set(benchmark::State& state) { compare(state, bench_function); }
BENCHMARK(nothing_is_set)->Iterations(1);

void nobody_listens(benchmark::State& state) { compare(state, bench_point_function); }
BENCHMARK(nobody_listens)->Iterations(1);

void hit(benchmark::State& state, const char* what, const char* place, Probed probed) {
  Recorded recorded;
  if (const Status set = recorded.set(what, place); !set)
    return state.SkipWithError(set.error().to_string().c_str());
  compare(state, probed);
  const auto events = recorded.events();
  const std::uint64_t calls = std::uint64_t{kPairs} * kTimes;
  if (!events || *events != calls) {
    const std::string told = events ? std::to_string(*events) : events.error().message;
    state.SkipWithError(("of " + std::to_string(calls) + " calls were recorded: " + told).c_str());
  }
}
BENCHMARK_CAPTURE(hit, uprobe, "uprobe", "bench_function", bench_function)->Iterations(1);
BENCHMARK_CAPTURE(hit, uprobe_that_steps, "uprobe", "bench_stepped", bench_stepped)->Iterations(1);
BENCHMARK_CAPTURE(hit, uprobe_with_a_number, "uprobe", "bench_function number=%di:u64", bench_function)
    ->Iterations(1);
BENCHMARK_CAPTURE(hit, uprobe_with_a_text, "uprobe", "bench_function text=+0(%si):string", bench_function)
    ->Iterations(1);
BENCHMARK_CAPTURE(hit, uretprobe, "uretprobe", "bench_function ret:u64", bench_function)->Iterations(1);
BENCHMARK_CAPTURE(hit, usdt, "usdt", "bench:point", bench_point_function)->Iterations(1);
BENCHMARK_CAPTURE(hit, usdt_with_a_number_and_a_text, "usdt", "bench:point arg1 arg2:string",
                  bench_point_function)
    ->Iterations(1);

}  // namespace
}  // namespace ivtrace::probes
