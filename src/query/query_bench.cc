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
#include "model/io_test_support.h"
#include "model/model_test_support.h"
#include "query/database.h"
#include "run/run_writer.h"

namespace ivtrace::query {
namespace {

constexpr std::uint64_t kEvents = 2'000'000;
constexpr std::uint64_t kBegin = 1'000'000'000;

/// A CPU's events, gathered into full pages.
class Pages {
 public:
  void add(std::uint64_t at, const decode::Bytes& record) {
    const bool full = page_ && page_->events().size() + record.size() + 8 > 4096 - format::kSubBufferHeader;
    if (full) close();
    const bool first = full || !page_;
    if (first) page_.emplace(at);
    page_->event(first ? 0 : static_cast<std::uint32_t>(at - last_), record);
    last_ = at;
  }
  void write(run::RunWriter& writer, const std::string& machine, std::uint32_t cpu) {
    close();
    run::SegmentRecord segment;
    segment.machine = machine;
    segment.cpu = cpu;
    IVT_CHECK(writer.append(segment).ok());
    const UniqueFd file = writer.open_pages(machine, "", cpu).value();
    IVT_CHECK(write_all(file.get(), bytes_, "pages").ok());
    bytes_ = {};
  }

 private:
  void close() {
    const decode::Bytes slot = page_->slot(4096);
    decode::append_bytes(bytes_, slot.data(), slot.size());
  }

  decode::Bytes bytes_;
  std::optional<decode::PageBuilder> page_;
  std::uint64_t last_ = 0;
};

/// A record with 4-byte words from its 8th byte on.
decode::Bytes record_of(std::uint16_t id, std::int32_t pid, std::initializer_list<std::uint32_t> words) {
  decode::Bytes record = decode::make_record(id, pid, 8 + 4 * words.size());
  std::size_t at = 8;
  for (const std::uint32_t word : words) {
    std::memcpy(record.data() + at, &word, sizeof word);
    at += sizeof word;
  }
  return record;
}
decode::Bytes switch_record(std::int32_t previous, std::uint32_t state, std::int32_t next) {
  decode::Bytes record = decode::make_record(model::kSwitchId, previous, 36);
  std::memcpy(record.data() + 8, &previous, 4);
  std::memcpy(record.data() + 12, &state, 4);
  std::memcpy(record.data() + 16, &next, 4);
  std::memcpy(record.data() + 20, next == 0 ? "swapper" : "task", 5);
  return record;
}
decode::Bytes block_record(std::uint16_t id, std::int32_t pid, std::uint32_t device, std::uint64_t sector) {
  decode::Bytes record = decode::make_record(id, pid, 52);
  const std::uint32_t count = 8;
  std::memcpy(record.data() + 8, &device, 4);
  std::memcpy(record.data() + 16, &sector, 8);
  std::memcpy(record.data() + 24, &count, 4);
  std::memcpy(record.data() + 28, "R", 2);
  std::memcpy(record.data() + 36, "task", 5);
  return record;
}
decode::Bytes interrupt_record(std::uint16_t id, std::uint32_t number) {
  decode::Bytes record = decode::make_record(id, 0, 52);
  std::memcpy(record.data() + 8, &number, 4);
  std::memcpy(record.data() + 36, "virtio0-req.0", 14);
  return record;
}

/// A guest's CPU, that of its vCPU and that of its QEMU's I/O thread.
struct Lane {
  Pages guest, vcpu, io;
  std::int32_t vcpu_thread = 0;
  std::uint32_t io_cpu = 0;
};
constexpr std::uint64_t kEventsOfRead = 33;

/// A read of the guest's disk, from its task to the host's device and back.
void add_read(Lane& lane, std::uint64_t at, std::uint64_t sector) {
  const std::int32_t vcpu = lane.vcpu_thread, qemu = vcpu + 1, reader = 77, hog = 900;
  const std::uint64_t there = sector + static_cast<std::uint32_t>(vcpu) * 1024;
  const auto cpu_of_io = lane.io_cpu;
  const auto guest = [&](std::uint64_t us, const decode::Bytes& record) {
    lane.guest.add(at + us * 1000, record);
  };
  const auto on_vcpu = [&](std::uint64_t us, const decode::Bytes& record) {
    lane.vcpu.add(at + us * 1000, record);
  };
  const auto on_io = [&](std::uint64_t us, const decode::Bytes& record) {
    lane.io.add(at + us * 1000, record);
  };
  const auto wakes = [&](std::int32_t by, std::int32_t thread, std::uint32_t cpu) {
    return record_of(model::kWakingId, by, {static_cast<std::uint32_t>(thread), cpu});
  };
  guest(0, block_record(model::kQueueId, reader, model::kGuestDevice, sector));
  guest(2, block_record(model::kIssueId, reader, model::kGuestDevice, sector));
  on_vcpu(3, record_of(model::kExitId, vcpu, {0x400}));
  on_vcpu(4, wakes(vcpu, qemu, cpu_of_io));
  on_vcpu(5, record_of(model::kEntryId, vcpu, {0}));
  on_io(6, switch_record(0, 0, qemu));
  on_io(7, record_of(model::kEnterId, qemu, {0, 0, 0, 0}));
  on_io(8, block_record(model::kQueueId, qemu, model::kHostDevice, there));
  on_io(9, block_record(model::kInsertId, qemu, model::kHostDevice, there));
  on_io(10, block_record(model::kIssueId, qemu, model::kHostDevice, there));
  on_io(11, record_of(model::kExitCallId, qemu, {0, 0, 1, 0}));
  on_io(14, switch_record(qemu, 1, 0));
  guest(8, switch_record(reader, 1, 0));
  on_vcpu(9, record_of(model::kExitId, vcpu, {0x78}));
  on_vcpu(10, switch_record(vcpu, 1, hog));
  on_io(60, interrupt_record(model::kIrqEntryId, 36));
  on_io(61, block_record(model::kCompleteId, 0, model::kHostDevice, there));
  on_io(62, interrupt_record(model::kIrqExitId, 36));
  on_io(63, interrupt_record(model::kSoftEntryId, 4));
  on_io(64, wakes(0, qemu, cpu_of_io));
  on_io(65, interrupt_record(model::kSoftExitId, 4));
  on_io(66, switch_record(0, 0, qemu));
  on_io(67, wakes(qemu, vcpu, cpu_of_io - 1));
  on_io(76, switch_record(qemu, 1, 0));
  on_vcpu(69, switch_record(hog, 0, vcpu));
  on_vcpu(70, record_of(model::kEntryId, vcpu, {0}));
  guest(72, interrupt_record(model::kIrqEntryId, 27));
  guest(73, block_record(model::kCompleteId, 0, model::kGuestDevice, sector));
  guest(74, interrupt_record(model::kIrqExitId, 27));
  guest(75, interrupt_record(model::kSoftEntryId, 4));
  guest(76, interrupt_record(model::kSoftExitId, 4));
  guest(77, switch_record(0, 0, reader));
  guest(79, record_of(model::kWakingId, reader, {78, 0}));
}

enum class Mix { kReads, kSwitches };

/// Lives until the end of the process.
class BenchRun {
 public:
  explicit BenchRun(Mix mix) {
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
    IVT_CHECK(writer->append(host).ok());
    IVT_CHECK(writer->append(run::AnchorRecord{{HostTsc(kBegin), 10, {}, {}, {}, -1, -1}}).ok());
    add_guest(*writer, "vm1", model::kVcpuThread);
    add_guest(*writer, "vm2", model::kVcpuThread + 100);
    for (const char* machine : {"host", "vm1", "vm2"}) {
      IVT_CHECK(
          writer->write_text(machine, format::kFormatsName, model::made_formats() + model::made_io_formats())
              .ok());
    }
    if (mix == Mix::kReads) {
      add_reads(*writer);
    } else {
      add_switches(*writer);
    }
    IVT_CHECK(writer->append(run::EndRecord{HostTsc(kBegin), "command"}).ok());
  }
  ~BenchRun() { std::filesystem::remove_all(directory_); }
  void forget() const { std::filesystem::remove_all(directory_ + "/run.ivt/" + format::kCacheName); }
  run::RunReader open() const { return run::RunReader::open(directory_ + "/run.ivt").value(); }

 private:
  static void add_guest(run::RunWriter& writer, const std::string& name, std::int32_t vcpu_thread) {
    run::MachineRecord vm;
    vm.name = name;
    vm.kind = "guest";
    vm.accel = "kvm";
    vm.qemu_pid = vcpu_thread - 1;
    vm.cpus = {{0, 0, true}};
    IVT_CHECK(writer.append(vm).ok());
    IVT_CHECK(writer.append(run::VcpuRecord{name, 0, vcpu_thread, 0}).ok());
    IVT_CHECK(writer.append(run::ThreadsRecord{name, HostTsc(kBegin), {vcpu_thread, vcpu_thread + 1}}).ok());
    run::DiskRecord disk;
    disk.machine = name;
    disk.device = "d0";
    disk.path = "/images/" + name;
    disk.format = "raw";
    disk.aio = "native";
    disk.cache = "none";
    IVT_CHECK(writer.append(disk).ok());
    // The image lies where add_read() looks for it.
    const std::string extents = std::to_string(vcpu_thread * 1024ull * model::kSectorBytes);
    IVT_CHECK(writer.write_text(name, "extents.0", "0 134217728 254:0 " + extents + "\n").ok());
    IVT_CHECK(writer.append(run::ExtentsRecord{name, "d0", HostTsc(kBegin), "extents.0", {}}).ok());
    run::EpochRecord epoch;
    epoch.machine = name;
    epoch.epoch.valid_from = GuestTsc(1);
    epoch.epoch.source = clock::ClockSource::kKvmDebugfs;
    IVT_CHECK(writer.append(epoch).ok());
  }
  static void add_reads(run::RunWriter& writer) {
    Lane lanes[2];
    for (std::uint32_t i = 0; i < 2; ++i) {
      lanes[i].vcpu_thread = model::kVcpuThread + 100 * static_cast<std::int32_t>(i);
      lanes[i].io_cpu = 2 * i + 1;
    }
    for (std::uint64_t i = 0; i < kEvents / kEventsOfRead; ++i)
      add_read(lanes[i % 2], kBegin + i / 2 * 100'000 + i % 2 * 37'300, i * 8 % 65536);
    for (std::uint32_t i = 0; i < 2; ++i) {
      lanes[i].vcpu.write(writer, "host", 2 * i);
      lanes[i].io.write(writer, "host", 2 * i + 1);
      lanes[i].guest.write(writer, "vm" + std::to_string(i + 1), 0);
    }
  }
  /// Among three threads, one of them the vCPU's.
  static void add_switches(run::RunWriter& writer) {
    for (const std::uint32_t cpu : {0, 1}) {
      Pages pages;
      std::int32_t previous = 7;
      for (std::uint64_t i = 0; i < kEvents / 2; ++i) {
        const std::int32_t next = i % 3 == 0 ? model::kVcpuThread : static_cast<std::int32_t>(i % 3 + 6);
        pages.add(kBegin + cpu * 700 + i * 2000, switch_record(previous, 0, next));
        previous = next;
      }
      pages.write(writer, "host", cpu);
    }
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

void of_merge(benchmark::State& state, const BenchRun& bench, const char* sql) {
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
  static const BenchRun kRun(Mix::kReads);
  of_merge(state, kRun, sql);
}
void switches(benchmark::State& state, const char* sql) {
  static const BenchRun kRun(Mix::kSwitches);
  of_merge(state, kRun, sql);
}

void second_query(benchmark::State& state, const char* sql) {
  static const BenchRun kRun(Mix::kReads);
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
