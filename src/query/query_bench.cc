// Queries against merging the same run and doing nothing with it.
//
// Two CPUs of a host that switch between a vCPU and other threads. `of_merge` is a query's time over the
// merge's, the median of pairs measured one after the other. Each query is given a database of its own and no
// cache, so tables that are kept are made anew; but for `second_query`, which tells a query's time with what
// the one before has kept, over the merge's and over that of a query without (of_first), and what the keeping
// costs the first one (keeping).
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/fd.h"
#include "decode/page_builder.h"
#include "model/model_test_support.h"
#include "query/database.h"
#include "run/run_writer.h"

namespace ivtrace::query {
namespace {

constexpr std::uint64_t kSwitches = 1'000'000;  // on each CPU
constexpr std::uint64_t kTicks = 2'000;         // between two
constexpr std::uint64_t kBegin = 1'000'000'000;

decode::Bytes switch_record(std::int32_t previous, std::int32_t next) {
  decode::Bytes record = decode::make_record(model::kSwitchId, previous, 36);
  std::memcpy(record.data() + 8, &previous, 4);
  std::memcpy(record.data() + 16, &next, 4);
  std::memcpy(record.data() + 20, "task", 5);
  return record;
}

/// Full pages of switches among three threads, one of them the vCPU's.
decode::Bytes cpu_pages(std::uint64_t begin) {
  decode::Bytes bytes;
  std::optional<decode::PageBuilder> page;
  const auto close = [&] {
    const decode::Bytes slot = page->slot(4096);
    decode::append_bytes(bytes, slot.data(), slot.size());
  };
  std::int32_t previous = 7;
  for (std::uint64_t i = 0; i < kSwitches; ++i) {
    const bool full = page && page->events().size() + 48 > 4096 - format::kSubBufferHeader;
    if (full) close();
    const bool first = full || !page;
    if (first) page.emplace(begin + i * kTicks);
    const std::int32_t next = i % 3 == 0 ? model::kVcpuThread : static_cast<std::int32_t>(i % 3 + 6);
    page->event(first ? 0 : kTicks, switch_record(previous, next));
    previous = next;
  }
  close();
  return bytes;
}

/// Lives until the end of the process.
class BenchRun {
 public:
  BenchRun() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ivtrace_bench_XXXXXX").string();
    IVT_CHECK(::mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
    run::Manifest manifest;
    manifest.start_tsc = HostTsc(kBegin);
    const auto writer = run::RunWriter::create(directory_ + "/run.ivt", manifest).value();
    run::MachineRecord host;
    host.name = "host";
    host.kind = "host";
    host.tsc_khz = 1'000'000;
    run::MachineRecord vm;
    vm.name = "vm1";
    vm.kind = "guest";
    IVT_CHECK(writer->append(host).ok() && writer->append(vm).ok());
    IVT_CHECK(writer->append(run::VcpuRecord{"vm1", 0, model::kVcpuThread, 0}).ok());
    IVT_CHECK(writer->append(run::AnchorRecord{{HostTsc(kBegin), 10, {}, {}, {}, -1, -1}}).ok());
    IVT_CHECK(writer->write_text("host", format::kFormatsName, model::made_formats()).ok());
    for (const std::uint32_t cpu : {0, 1}) {
      run::SegmentRecord segment;
      segment.machine = "host";
      segment.cpu = cpu;
      IVT_CHECK(writer->append(segment).ok());
      const UniqueFd file = writer->open_pages("host", "", cpu).value();
      IVT_CHECK(write_all(file.get(), cpu_pages(kBegin + cpu * 700), "pages").ok());
    }
    IVT_CHECK(writer->append(run::EndRecord{HostTsc(kBegin), "command"}).ok());
  }
  ~BenchRun() { std::filesystem::remove_all(directory_); }
  void forget() const { std::filesystem::remove_all(directory_ + "/run.ivt/" + format::kCacheName); }
  run::RunReader open() const { return run::RunReader::open(directory_ + "/run.ivt").value(); }

 private:
  std::string directory_;
};

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
  IVT_CHECK(count == 2 * kSwitches);
}

void ask(const run::RunReader& run, const char* sql, CacheUse cache = CacheUse::kNone) {
  const auto clock = clock::HostClock::create(run.anchors(), run.manifest().start_tsc, 1'000'000).value();
  const auto database = Database::open(run, clock, nullptr, cache).value();
  Statement statement = database->prepare(sql).value();
  while (statement.step().value()) benchmark::DoNotOptimize(statement.cell(0));
}

const BenchRun& bench_run() {
  static const BenchRun kRun;
  return kRun;
}

double median(std::vector<double>& values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void of_merge(benchmark::State& state, const char* sql) {
  const run::RunReader run = bench_run().open();
  std::vector<double> ratios;
  for (auto _ : state) {
    const double merge = seconds([&run] { merge_alone(run); });
    ratios.push_back(seconds([&run, sql] { ask(run, sql); }) / merge);
  }
  state.counters["of_merge"] = median(ratios);
  state.SetItemsProcessed(static_cast<std::int64_t>(2 * kSwitches * ratios.size()));
}

void second_query(benchmark::State& state, const char* sql) {
  const run::RunReader run = bench_run().open();
  std::vector<double> of_merge;
  std::vector<double> of_first;
  std::vector<double> keeping;
  for (auto _ : state) {
    const double merge = seconds([&run] { merge_alone(run); });
    const double without = seconds([&run, sql] { ask(run, sql); });
    bench_run().forget();
    keeping.push_back(seconds([&run, sql] { ask(run, sql, CacheUse::kIfPossible); }) / without);
    const double second = seconds([&run, sql] { ask(run, sql, CacheUse::kIfPossible); });
    of_merge.push_back(second / merge);
    of_first.push_back(second / without);
  }
  bench_run().forget();
  state.counters["of_merge"] = median(of_merge);
  state.counters["of_first"] = median(of_first);
  state.counters["keeping"] = median(keeping);
}

BENCHMARK_CAPTURE(of_merge, count_events, "SELECT count(*) FROM event");
BENCHMARK_CAPTURE(of_merge, none_by_name, "SELECT count(*) FROM event WHERE name = 'none'");
BENCHMARK_CAPTURE(of_merge, events_by_tid, "SELECT count(*) FROM event WHERE tid = 500");
BENCHMARK_CAPTURE(of_merge, text_of_events, "SELECT count(text) FROM event");
BENCHMARK_CAPTURE(of_merge, sched_slices, "SELECT count(*) FROM sched_slice");
BENCHMARK_CAPTURE(of_merge, vcpu_slices, "SELECT count(*) FROM vcpu_slice");
BENCHMARK_CAPTURE(of_merge, both_slices,
                  "SELECT (SELECT count(*) FROM vcpu_slice), (SELECT count(*) FROM sched_slice)");
BENCHMARK_CAPTURE(of_merge, all_tables,
                  "SELECT (SELECT count(*) FROM vcpu_slice), (SELECT count(*) FROM sched_slice), "
                  "(SELECT count(*) FROM io_phase), (SELECT count(*) FROM loss)");
// A condition that leaves out nearly all rows: what is measured is the finding, not SQLite's counting.
BENCHMARK_CAPTURE(second_query, a_short_time, "SELECT count(*) FROM sched_slice WHERE from_ns < 1000000");
BENCHMARK_CAPTURE(second_query, all_slices,
                  "SELECT (SELECT count(*) FROM vcpu_slice), (SELECT count(*) FROM sched_slice)");

}  // namespace
}  // namespace ivtrace::query
