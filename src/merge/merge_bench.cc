// Scan and merge of many events against a bare walk over the same pages.
//
// Both read the same generated sub-buffers of two CPUs. The yardstick is a loop that does the least that can
// be called reading them: event header, length, delta, and counting; no clock, no order, no checks that the
// decoder needs. Counters: `of_bare_walk` is the merge's time over the yardstick's, the median of pairs
// measured one after the other; `switches` the share of events that come from another CPU than the one
// before; `beyond_files_MiB` what the peak memory grew over a file-backed run by merging it, mapped pages
// left out.
//
// What a merge costs depends on `switches`: each is a branch that nothing predicts. Two busy CPUs running
// shells and system calls under sched, irq and raw_syscalls gave 0.12; a second shape with closer bursts
// shows a harder case.
#include <benchmark/benchmark.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/fd.h"
#include "base/mapping.h"
#include "merge/merger.h"
#include "merge/stream_test_support.h"

namespace ivtrace::merge {
namespace {

constexpr std::size_t kEventsPerCpu = 5'000'000;
constexpr std::size_t kPageSize = 4096;

/// How long a CPU pauses after a burst of some 16 events, in units of about twice the burst.
enum Shape : std::uint64_t { kAsRecorded = 6, kCloseBursts = 1 };

/// Sub-buffers of one CPU in an unlinked file, mapped: what a run's file is.
struct MadeFile {
  Mapping mapping;
  std::span<const std::byte> bytes() const { return mapping.bytes(); }
};

MadeFile make_file(std::uint32_t cpu, Shape shape) {
  char path[] = "/tmp/ivtrace-bench-XXXXXX";
  UniqueFd fd(::mkstemp(path));
  IVT_CHECK(fd.valid());
  ::unlink(path);
  std::mt19937_64 random(cpu + 1);
  std::uint64_t time = 1'000'000 + cpu;
  std::uint64_t size = 0;
  // Sizes as sched, irq and raw_syscalls have them; bursts of close events and then a pause, as CPUs have
  // them.
  constexpr std::size_t kSizes[] = {24, 24, 32, 64, 64, 16, 12, 20};
  for (std::size_t done = 0; done < kEventsPerCpu;) {
    FileBuilder part(format::PageLayout::kSlots, kPageSize);
    for (int i = 0; i < 100'000 && done < kEventsPerCpu; ++i, ++done) {
      time += random() % 16 == 0 ? shape * (20'000 + random() % 40'000) : 300 + random() % 2'000;
      part.event({time, static_cast<std::int32_t>(i)}, kSizes[random() % 8]);
    }
    const decode::Bytes& bytes = part.bytes();
    IVT_CHECK(pwrite_all(fd.get(), bytes, size, "bench file").ok());
    size += bytes.size();
  }
  auto mapping = Mapping::guarded(fd.get(), 0, size, Mapping::Access::kRead, "bench file");
  IVT_CHECK(mapping.ok());
  return {*std::move(mapping)};
}

/// Made when first asked for; only one shape is kept at a time.
const std::vector<MadeFile>& files(Shape shape) {
  static std::vector<MadeFile> made;
  static std::optional<Shape> made_shape;
  if (made_shape != shape) {
    made.clear();
    for (std::uint32_t cpu = 0; cpu < 2; ++cpu) made.push_back(make_file(cpu, shape));
    made_shape = shape;
  }
  return made;
}

struct Count {
  std::uint64_t events = 0;
  std::uint64_t times = 0;  // a sum, so that no time can be left out
};

Count bare_walk(std::span<const std::byte> bytes) {
  Count count;
  for (std::size_t page = 0; page + kPageSize <= bytes.size(); page += kPageSize) {
    std::uint64_t time, commit;
    std::memcpy(&time, bytes.data() + page, 8);
    std::memcpy(&commit, bytes.data() + page + 8, 8);
    const std::byte* at = bytes.data() + page + 16;
    const std::byte* const end = at + (commit & format::kCommitMask);
    while (at < end) {
      std::uint32_t header;
      std::memcpy(&header, at, 4);
      const std::uint32_t type = header & 31;
      time += header >> 5;
      if (type - 1 < 28) {
        at += 4 + 4 * type;
        ++count.events;
        count.times += time;
      } else {
        std::uint32_t word;
        std::memcpy(&word, at + 4, 4);
        if (type == 0) {
          at += 4 + word;
          ++count.events;
          count.times += time;
        } else {  // a time extend: the generator makes nothing else
          time += std::uint64_t{word} << 27;
          at += 8;
        }
      }
    }
  }
  return count;
}

Count bare_walk_of_all(Shape shape) {
  Count sum;
  for (const MadeFile& file : files(shape)) {
    const Count count = bare_walk(file.bytes());
    sum.events += count.events;
    sum.times += count.times;
  }
  return sum;
}

std::vector<std::unique_ptr<EventStream>> open_streams(Shape shape, const clock::GuestClock* guest) {
  std::vector<std::unique_ptr<EventStream>> streams;
  for (std::uint32_t cpu = 0; cpu < files(shape).size(); ++cpu) {
    StreamInfo info;
    info.cpu = CpuId(cpu);
    const bool of_guest = guest != nullptr && cpu % 2 == 1;
    TimeConverter converter = of_guest ? TimeConverter::guest(*guest, CpuId(cpu)) : TimeConverter::host();
    std::vector<StreamSegment> segments{
        {0, decode::PageWalker(files(shape)[cpu].bytes(), format::PageLayout::kSlots, kPageSize)}};
    streams.push_back(std::make_unique<EventStream>(info, std::move(converter), std::move(segments),
                                                    HostTsc(1), TimeRange{}));
  }
  return streams;
}

Count scan_and_merge(Shape shape, const clock::GuestClock* guest) {
  const auto streams = open_streams(shape, guest);
  std::vector<EventStream*> pointers;
  for (const auto& stream : streams) pointers.push_back(stream.get());
  Merger merger(pointers);
  MergedEvent event;
  Count count;
  while (merger.next(event)) {
    ++count.events;
    count.times += event.time.value;
  }
  return count;
}

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

Shape shape_of(const benchmark::State& state) { return static_cast<Shape>(state.range(0)); }

/// The share of events whose predecessor stems from another stream.
double switches(Shape shape) {
  const auto streams = open_streams(shape, nullptr);
  Merger merger({streams[0].get(), streams[1].get()});
  MergedEvent event;
  std::uint64_t events = 0, changes = 0;
  for (const StreamInfo* last = nullptr; merger.next(event); last = event.stream) {
    ++events;
    changes += event.stream != last;
  }
  return static_cast<double>(changes) / static_cast<double>(events);
}

void BM_BarePageWalk(benchmark::State& state) {
  const Shape shape = shape_of(state);
  files(shape);
  std::uint64_t events = 0;
  for (auto _ : state) {
    const Count count = bare_walk_of_all(shape);
    benchmark::DoNotOptimize(count.times);
    events += count.events;
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(events));
}
BENCHMARK(BM_BarePageWalk)->ArgName("pause")->Arg(kAsRecorded)->Unit(benchmark::kMillisecond);

/// The two are run in turns, so that whatever else the machine does hits both.
void merge_against_walk(benchmark::State& state, const clock::GuestClock* guest) {
  const Shape shape = shape_of(state);
  IVT_CHECK(bare_walk_of_all(shape).events == files(shape).size() * kEventsPerCpu);
  std::uint64_t events = 0;
  std::vector<double> ratios;
  for (auto _ : state) {
    const double walk = seconds([&] { benchmark::DoNotOptimize(bare_walk_of_all(shape).times); });
    Count count;
    const double took = seconds([&] { count = scan_and_merge(shape, guest); });
    IVT_CHECK(count.events == files(shape).size() * kEventsPerCpu);
    state.SetIterationTime(took);
    ratios.push_back(took / walk);
    events += count.events;
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(events));
  std::nth_element(ratios.begin(), ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2),
                   ratios.end());
  state.counters["switches"] = switches(shape);
  state.counters["of_bare_walk"] = ratios[ratios.size() / 2];
}

void BM_ScanAndMergeOfTwoHostCpus(benchmark::State& state) { merge_against_walk(state, nullptr); }
BENCHMARK(BM_ScanAndMergeOfTwoHostCpus)
    ->ArgName("pause")
    ->Arg(kAsRecorded)
    ->Arg(kCloseBursts)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

void BM_ScanAndMergeOfHostAndGuest(benchmark::State& state) {
  clock::GuestClock guest;
  clock::Epoch epoch;
  epoch.valid_from = GuestTsc(1);
  epoch.relation.offset = -123;
  epoch.source = clock::ClockSource::kKvmTracepoint;
  IVT_CHECK(guest.add(epoch).ok());
  merge_against_walk(state, &guest);
}
BENCHMARK(BM_ScanAndMergeOfHostAndGuest)
    ->ArgName("pause")
    ->Arg(kAsRecorded)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

/// A line of /proc/self/status in KiB.
std::uint64_t status_kib(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key + ":")) return std::stoull(line.substr(key.size() + 1));
  }
  return 0;
}

void BM_MemoryBeyondTheMappedFiles(benchmark::State& state) {
  const Shape shape = shape_of(state);
  files(shape);
  std::uint64_t peak = 0;
  for (auto _ : state) {
    const std::uint64_t before = status_kib("RssAnon");
    const auto streams = open_streams(shape, nullptr);
    std::vector<EventStream*> pointers;
    for (const auto& stream : streams) pointers.push_back(stream.get());
    Merger merger(pointers);
    MergedEvent event;
    for (std::uint64_t events = 0; merger.next(event); ++events) {
      if (events % 1'000'000 == 0)
        peak = std::max(peak, status_kib("RssAnon") - std::min(before, status_kib("RssAnon")));
    }
  }
  state.counters["beyond_files_MiB"] = static_cast<double>(peak) / 1024;
}
BENCHMARK(BM_MemoryBeyondTheMappedFiles)->ArgName("pause")->Arg(kAsRecorded)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ivtrace::merge
