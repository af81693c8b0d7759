// A timeline against merging the same run and doing nothing with it.
//
// Ratios within one run of the program, the median of pairs measured one after the other, in CPU time of the
// whole process: the timeline has a thread of its own. The runs are those of the query benchmark: `reads` of
// a host and two guests, `switches` of a host that does nothing else.
//
// - first_of_merge: until the first walk is done and all switches can be seen; before that, a part can.
// - all_of_merge: until all rows are there.
// - tile_ms: the slowest request for one tile of each of all tracks, at the levels 0 to 16.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <ctime>
#include <thread>
#include <vector>

#include "merge/run_events.h"
#include "query/bench_run.h"
#include "timeline/timeline.h"

namespace ivtrace::timeline {
namespace {

constexpr std::uint64_t kEvents = 2'000'000;

double now(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}
double cpu_time() { return now(CLOCK_PROCESS_CPUTIME_ID); }

double merge_alone(const run::RunReader& run) {
  const double begin = cpu_time();
  merge::RunEvents events = merge::RunEvents::open(run, {}).value();
  merge::MergedEvent event;
  while (events.next(event)) benchmark::DoNotOptimize(event);
  return cpu_time() - begin;
}

/// CPU time until it is so, looking now and then.
template <class Done>
double time_until(double begin, const Timeline& timeline, Done done) {
  while (!done(timeline.progress())) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return cpu_time() - begin;
}

double slowest_tile_ms(const Timeline& timeline) {
  std::vector<std::uint32_t> ids;
  for (const Track& track : timeline.tracks()) ids.push_back(track.id);
  double slowest = 0;
  for (std::uint32_t level = 0; level <= 16; ++level) {
    const double begin = now(CLOCK_THREAD_CPUTIME_ID);
    const auto tiles = timeline.tiles({level, (std::uint64_t{1} << level) / 3}, ids, nullptr).value();
    benchmark::DoNotOptimize(tiles.size());
    slowest = std::max(slowest, now(CLOCK_THREAD_CPUTIME_ID) - begin);
  }
  return slowest * 1e3;
}

double median(std::vector<double>& values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void open_run(benchmark::State& state, query::Mix mix) {
  const query::TemporaryBenchRun made(mix, kEvents);
  const run::RunReader run = made.open();
  const auto clock = clock::HostClock::create(run.anchors(), run.manifest().start_tsc, 1'000'000).value();
  std::vector<double> first, all, tile;
  for (auto _ : state) {
    const double merge = merge_alone(run);
    const double begin = cpu_time();
    const auto timeline = Timeline::open(run, clock, query::CacheUse::kNone).value();
    first.push_back(time_until(begin, *timeline, [](const Progress& p) { return p.switches >= 1; }) / merge);
    all.push_back(time_until(begin, *timeline, [](const Progress& p) { return p.done; }) / merge);
    tile.push_back(slowest_tile_ms(*timeline));
  }
  state.counters["first_of_merge"] = median(first);
  state.counters["all_of_merge"] = median(all);
  state.counters["tile_ms"] = median(tile);
  state.SetItemsProcessed(static_cast<std::int64_t>(kEvents * all.size()));
}

BENCHMARK_CAPTURE(open_run, reads, query::Mix::kReads)->Iterations(5)->UseRealTime();
BENCHMARK_CAPTURE(open_run, switches, query::Mix::kSwitches)->Iterations(5)->UseRealTime();

}  // namespace
}  // namespace ivtrace::timeline
