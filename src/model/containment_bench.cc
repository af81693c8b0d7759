// Containment against merging the same run and doing nothing with it.
//
// A vCPU that takes turns with its host on two CPUs, six guest events in each turn, and as many events of the
// host that have nothing to do with it. `of_merge` is containment's time over the merge's, the median of
// pairs measured one after the other.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/fd.h"
#include "decode/page_builder.h"
#include "model/containment.h"
#include "model/model_test_support.h"
#include "run/run_writer.h"

namespace ivtrace::model {
namespace {

constexpr std::uint64_t kTurns = 300'000;
constexpr std::uint64_t kGuestEvents = 6;  // in each turn
constexpr std::uint64_t kHostEvents = 4;   // beside its entry and exit
constexpr std::uint64_t kTurnTicks = 60'000;
constexpr std::uint64_t kBegin = 1'000'000'000;
constexpr std::uint64_t kEvents = kTurns * (2 + kHostEvents + kGuestEvents);

/// Full pages of one CPU.
class CpuPages {
 public:
  void add(std::uint64_t at, std::uint16_t id, std::int32_t pid) {
    if (!page_ || page_->events().size() + 48 > 4096 - format::kSubBufferHeader) {
      close();
      page_.emplace(at);
      last_ = at;
    }
    page_->event(static_cast<std::uint32_t>(at - last_), decode::make_record(id, pid, 32));
    last_ = at;
  }
  const decode::Bytes& close() {
    if (page_) {
      const decode::Bytes slot = page_->slot(4096);
      decode::append_bytes(bytes_, slot.data(), slot.size());
    }
    page_.reset();
    return bytes_;
  }

 private:
  std::optional<decode::PageBuilder> page_;
  std::uint64_t last_ = 0;
  decode::Bytes bytes_;
};

/// Lives until the end of the process.
class BenchRun {
 public:
  BenchRun() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ivtrace_bench_XXXXXX").string();
    IVT_CHECK(::mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
    write();
  }
  ~BenchRun() { std::filesystem::remove_all(directory_); }
  run::RunReader open() const { return run::RunReader::open(directory_ + "/run.ivt").value(); }

 private:
  void write() {
    run::Manifest manifest;
    manifest.start_tsc = HostTsc(kBegin);
    const auto writer = run::RunWriter::create(directory_ + "/run.ivt", manifest).value();
    run::MachineRecord host;
    host.name = "host";
    host.kind = "host";
    run::MachineRecord vm;
    vm.name = "vm1";
    vm.kind = "guest";
    vm.accel = "kvm";
    vm.cpus = {{0, 0, true}};
    run::EpochRecord epoch;
    epoch.machine = "vm1";
    epoch.epoch.valid_from = GuestTsc(1);
    epoch.epoch.relation.offset = -static_cast<std::int64_t>(kGuestBehind);
    epoch.epoch.source = clock::ClockSource::kKvmDebugfs;
    for (const run::Record& record :
         std::vector<run::Record>{host, vm, run::VcpuRecord{"vm1", 0, kVcpuThread, 0}, epoch}) {
      IVT_CHECK(writer->append(record).ok());
    }
    for (const char* machine : {"host", "vm1"})
      IVT_CHECK(writer->write_text(machine, format::kFormatsName, made_formats()).ok());
    make_events(*writer);
  }
  // The vCPU moves to the other CPU each 32 turns.
  static void make_events(run::RunWriter& writer) {
    CpuPages host[2], guest;
    for (std::uint64_t turn = 0; turn < kTurns; ++turn) {
      const std::uint64_t begin = kBegin + turn * kTurnTicks;
      const std::uint32_t cpu = turn / 32 % 2;
      host[cpu].add(begin, kEntryId, kVcpuThread);
      for (std::uint64_t i = 0; i < kGuestEvents; ++i)
        guest.add(begin + 3000 + i * 5000 - kGuestBehind, kSwitchId, 1);
      host[cpu].add(begin + 40'000, kExitId, kVcpuThread);
      for (std::uint64_t i = 0; i < kHostEvents; ++i)
        host[i % 2].add(begin + 42'000 + i * 4000, kSwitchId, 7);
    }
    add_file(writer, "host", 0, host[0].close());
    add_file(writer, "host", 1, host[1].close());
    add_file(writer, "vm1", 0, guest.close());
  }
  static void add_file(run::RunWriter& writer, const std::string& machine, std::uint32_t cpu,
                       const decode::Bytes& pages) {
    run::SegmentRecord segment;
    segment.machine = machine;
    segment.cpu = cpu;
    IVT_CHECK(writer.append(segment).ok());
    const UniqueFd file = writer.open_pages(machine, "", cpu).value();
    IVT_CHECK(write_all(file.get(), pages, "pages").ok());
  }

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

std::uint64_t merge_alone(const run::RunReader& run) {
  merge::RunEvents events = merge::RunEvents::open(run, {}).value();
  merge::MergedEvent event;
  std::uint64_t count = 0;
  while (events.next(event)) ++count;
  return count;
}

void BM_Containment(benchmark::State& state) {
  static const BenchRun made;
  const run::RunReader run = made.open();
  IVT_CHECK(merge_alone(run) == kEvents);
  std::vector<double> ratios;
  for (auto _ : state) {
    const double merge = seconds([&] { benchmark::DoNotOptimize(merge_alone(run)); });
    std::vector<Containment> measured;
    const double took = seconds([&] { measured = measure_containment(run).value(); });
    IVT_CHECK(measured.at(0).inside == kTurns * kGuestEvents);
    state.SetIterationTime(took);
    ratios.push_back(took / merge);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(kEvents * ratios.size()));
  const auto middle = ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2);
  std::nth_element(ratios.begin(), middle, ratios.end());
  state.counters["of_merge"] = *middle;
}
BENCHMARK(BM_Containment)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ivtrace::model
