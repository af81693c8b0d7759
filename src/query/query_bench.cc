// Queries against merging the same run and doing nothing with it.
//
// `of_merge` is a query's time over the merge's, the median of pairs measured one after the other. Each query
// is given a database of its own, so tables that are kept are made anew. Two runs of 2 million events:
//
// - mixed: two guests that read their disks, each with a vCPU on a host CPU of its own and QEMU's I/O thread
// on
//   another. Of an I/O's 33 events 8 are switches and 3 wake-ups, 8 block requests' (of both sides), 8
//   interrupts', 4 KVM's, 2 a system call's: what a run of the profiles io and cpu has.
// - switches: two host CPUs that do nothing but switch between a vCPU and other threads: nearly every event
//   makes a row in two tables.
//
// But for `second_query` no cache is used. It tells a query's time with what the one before has kept, over
// the merge's and over that of a query without (of_first), and what the keeping costs the first one
// (keeping).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <ctime>
#include <vector>

#include "base/check.h"
#include "query/bench_run.h"
#include "query/database.h"

namespace ivtrace::query {
namespace {

constexpr std::uint64_t kEvents = 2'000'000;

/// CPU time of this thread, so that other work on the machine counts less.
double seconds(const auto& work) {
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  };
  const double begin = now();
  work();
  return now() - begin;
}

void merge_alone(const run::RunReader& run) {
  merge::RunEvents events = merge::RunEvents::open(run, {}).value();
  merge::MergedEvent event;
  std::uint64_t count = 0;
  while (events.next(event)) ++count;
  IVT_CHECK(count > kEvents - kEventsOfRead);
}

void ask(const run::RunReader& run, const char* sql, CacheUse cache = CacheUse::kNone) {
  const auto clock = clock::HostClock::create(run.anchors(), run.manifest().start_tsc, 1'000'000).value();
  const auto database = Database::open(run, clock, nullptr, cache).value();
  Statement statement = database->prepare(sql).value();
  while (statement.step().value()) benchmark::DoNotOptimize(statement.cell(0));
}

double median(std::vector<double>& values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void of_merge(benchmark::State& state, const TemporaryBenchRun& bench, const char* sql) {
  const run::RunReader run = bench.open();
  std::vector<double> ratios;
  for (auto _ : state) {
    const double merge = seconds([&run] { merge_alone(run); });
    ratios.push_back(seconds([&run, sql] { ask(run, sql); }) / merge);
  }
  state.counters["of_merge"] = median(ratios);
  state.SetItemsProcessed(static_cast<std::int64_t>(kEvents * ratios.size()));
}
void mixed(benchmark::State& state, const char* sql) {
  static const TemporaryBenchRun kRun(Mix::kReads, kEvents);
  of_merge(state, kRun, sql);
}
void switches(benchmark::State& state, const char* sql) {
  static const TemporaryBenchRun kRun(Mix::kSwitches, kEvents);
  of_merge(state, kRun, sql);
}

void second_query(benchmark::State& state, const char* sql) {
  static const TemporaryBenchRun kRun(Mix::kReads, kEvents);
  const run::RunReader run = kRun.open();
  std::vector<double> of_merge;
  std::vector<double> of_first;
  std::vector<double> keeping;
  for (auto _ : state) {
    const double merge = seconds([&run] { merge_alone(run); });
    const double without = seconds([&run, sql] { ask(run, sql); });
    kRun.forget();
    keeping.push_back(seconds([&run, sql] { ask(run, sql, CacheUse::kIfPossible); }) / without);
    const double second = seconds([&run, sql] { ask(run, sql, CacheUse::kIfPossible); });
    of_merge.push_back(second / merge);
    of_first.push_back(second / without);
  }
  kRun.forget();
  state.counters["of_merge"] = median(of_merge);
  state.counters["of_first"] = median(of_first);
  state.counters["keeping"] = median(keeping);
}

constexpr const char* kAllTables =
    "SELECT (SELECT count(*) FROM vcpu_slice), (SELECT count(*) FROM qemu_slice), (SELECT count(*) FROM "
    "sched_slice), (SELECT count(*) FROM irq_slice), (SELECT count(*) FROM block_request), (SELECT count(*) "
    "FROM "
    "qemu_call), (SELECT count(*) FROM io_request), (SELECT count(*) FROM io_phase), (SELECT count(*) FROM "
    "loss)";

BENCHMARK_CAPTURE(mixed, count_events, "SELECT count(*) FROM event");
BENCHMARK_CAPTURE(mixed, none_by_name, "SELECT count(*) FROM event WHERE name = 'none'");
BENCHMARK_CAPTURE(mixed, events_by_tid, "SELECT count(*) FROM event WHERE tid = 500");
BENCHMARK_CAPTURE(mixed, text_of_events, "SELECT count(text) FROM event");
BENCHMARK_CAPTURE(mixed, vcpu_slices, "SELECT count(*) FROM vcpu_slice");
BENCHMARK_CAPTURE(mixed, qemu_slices, "SELECT count(*) FROM qemu_slice");
BENCHMARK_CAPTURE(mixed, sched_slices, "SELECT count(*) FROM sched_slice");
BENCHMARK_CAPTURE(mixed, irq_slices, "SELECT count(*) FROM irq_slice");
BENCHMARK_CAPTURE(mixed, block_requests, "SELECT count(*) FROM block_request");
BENCHMARK_CAPTURE(mixed, qemu_calls, "SELECT count(*) FROM qemu_call");
BENCHMARK_CAPTURE(mixed, io_phases, "SELECT count(*) FROM io_phase");
BENCHMARK_CAPTURE(mixed, all_tables, kAllTables);
BENCHMARK_CAPTURE(switches, sched_slices, "SELECT count(*) FROM sched_slice");
BENCHMARK_CAPTURE(switches, vcpu_slices, "SELECT count(*) FROM vcpu_slice");
BENCHMARK_CAPTURE(switches, all_tables, kAllTables);
// A condition that leaves out nearly all rows: what is measured is the finding, not SQLite's counting.
BENCHMARK_CAPTURE(second_query, a_short_time, "SELECT count(*) FROM sched_slice WHERE from_ns < 1000000");
BENCHMARK_CAPTURE(second_query, all_slices,
                  "SELECT (SELECT count(*) FROM vcpu_slice), (SELECT count(*) FROM sched_slice)");

}  // namespace
}  // namespace ivtrace::query
