// A made run of any size, for measuring: a host and two guests that read their disks, or a host that does
// nothing but switch.
#pragma once

#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <optional>
#include <string>

#include "base/check.h"
#include "base/fd.h"
#include "decode/page_builder.h"
#include "model/block_events.h"
#include "model/io_test_support.h"
#include "model/model_test_support.h"
#include "run/run_reader.h"
#include "run/run_writer.h"

namespace ivtrace::query {

inline constexpr std::uint64_t kBegin = 1'000'000'000;

/// A CPU's events, gathered into full pages and written now and then.
class Pages {
 public:
  Pages(run::RunWriter& writer, const std::string& machine, std::uint32_t cpu) {
    run::SegmentRecord segment;
    segment.machine = machine;
    segment.cpu = cpu;
    IVT_CHECK(writer.append(segment).ok());
    file_ = writer.open_pages(machine, "", cpu).value();
  }
  ~Pages() {
    close();
    write();
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  void add(std::uint64_t at, const decode::Bytes& record) {
    const bool full = page_ && page_->events().size() + record.size() + 8 > 4096 - format::kSubBufferHeader;
    if (full) close();
    const bool first = full || !page_;
    if (first) page_.emplace(at);
    page_->event(first ? 0 : static_cast<std::uint32_t>(at - last_), record);
    last_ = at;
  }

 private:
  static constexpr std::size_t kAtOnce = 1u << 20;

  void close() {
    if (!page_) return;
    const decode::Bytes slot = page_->slot(4096);
    decode::append_bytes(bytes_, slot.data(), slot.size());
    page_.reset();
    if (bytes_.size() >= kAtOnce) write();
  }
  void write() {
    IVT_CHECK(write_all(file_.get(), bytes_, "pages").ok());
    bytes_.clear();
  }

  UniqueFd file_;
  decode::Bytes bytes_;
  std::optional<decode::PageBuilder> page_;
  std::uint64_t last_ = 0;
};

/// A record with 4-byte words from its 8th byte on.
inline decode::Bytes record_of(std::uint16_t id, std::int32_t pid,
                               std::initializer_list<std::uint32_t> words) {
  decode::Bytes record = decode::make_record(id, pid, 8 + 4 * words.size());
  std::size_t at = 8;
  for (const std::uint32_t word : words) {
    std::memcpy(record.data() + at, &word, sizeof word);
    at += sizeof word;
  }
  return record;
}
inline decode::Bytes switch_record(std::int32_t previous, std::uint32_t state, std::int32_t next) {
  decode::Bytes record = decode::make_record(model::kSwitchId, previous, 36);
  std::memcpy(record.data() + 8, &previous, 4);
  std::memcpy(record.data() + 12, &state, 4);
  std::memcpy(record.data() + 16, &next, 4);
  std::memcpy(record.data() + 20, next == 0 ? "swapper" : "task", 5);
  return record;
}
inline decode::Bytes block_record(std::uint16_t id, std::int32_t pid, std::uint32_t device,
                                  std::uint64_t sector) {
  decode::Bytes record = decode::make_record(id, pid, 52);
  const std::uint32_t count = 8;
  std::memcpy(record.data() + 8, &device, 4);
  std::memcpy(record.data() + 16, &sector, 8);
  std::memcpy(record.data() + 24, &count, 4);
  std::memcpy(record.data() + 28, "R", 2);
  std::memcpy(record.data() + 36, "task", 5);
  return record;
}
inline decode::Bytes interrupt_record(std::uint16_t id, std::uint32_t number) {
  decode::Bytes record = decode::make_record(id, 0, 52);
  std::memcpy(record.data() + 8, &number, 4);
  std::memcpy(record.data() + 36, "virtio0-req.0", 14);
  return record;
}

/// A guest's CPU, that of its vCPU and that of its QEMU's I/O thread.
struct Lane {
  Lane(run::RunWriter& writer, std::uint32_t number)
      : guest(writer, "vm" + std::to_string(number + 1), 0),
        vcpu(writer, "host", 2 * number),
        io(writer, "host", 2 * number + 1),
        vcpu_thread(model::kVcpuThread + 100 * static_cast<std::int32_t>(number)),
        io_cpu(2 * number + 1) {}

  Pages guest, vcpu, io;
  std::int32_t vcpu_thread = 0;
  std::uint32_t io_cpu = 0;
};
inline constexpr std::uint64_t kEventsOfRead = 33;

/// A read of the guest's disk, from its task to the host's device and back.
inline void add_read(Lane& lane, std::uint64_t at, std::uint64_t sector) {
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

inline void add_guest(run::RunWriter& writer, const std::string& name, std::int32_t vcpu_thread) {
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
/// Gives the time of the last event.
inline std::uint64_t add_reads(run::RunWriter& writer, std::uint64_t events) {
  Lane lanes[] = {{writer, 0}, {writer, 1}};
  std::uint64_t at = kBegin;
  for (std::uint64_t i = 0; i < events / kEventsOfRead; ++i) {
    at = kBegin + i / 2 * 100'000 + i % 2 * 37'300;
    add_read(lanes[i % 2], at, i * 8 % 65536);
  }
  return at + 100'000;
}
/// Among three threads, one of them the vCPU's.
inline std::uint64_t add_switches(run::RunWriter& writer, std::uint64_t events) {
  std::uint64_t at = kBegin;
  for (const std::uint32_t cpu : {0, 1}) {
    Pages pages(writer, "host", cpu);
    std::int32_t previous = 7;
    for (std::uint64_t i = 0; i < events / 2; ++i) {
      const std::int32_t next = i % 3 == 0 ? model::kVcpuThread : static_cast<std::int32_t>(i % 3 + 6);
      at = kBegin + cpu * 700 + i * 2000;
      pages.add(at, switch_record(previous, 0, next));
      previous = next;
    }
  }
  return at;
}

/// A run of a host and two guests, of `events` events or a few less, in the new directory `path`.
inline void write_bench_run(const std::string& path, Mix mix, std::uint64_t events) {
  run::Manifest manifest;
  manifest.start_tsc = HostTsc(kBegin);
  const auto writer = run::RunWriter::create(path, manifest).value();
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
  const std::uint64_t end = mix == Mix::kReads ? add_reads(*writer, events) : add_switches(*writer, events);
  // A second anchor: the commands that have no other way must learn the speed of the clock.
  constexpr std::uint64_t kSecond = 1'000'000'000;
  const Nanoseconds one{static_cast<std::int64_t>(kSecond)};
  IVT_CHECK(writer->append(run::AnchorRecord{{HostTsc(kBegin + kSecond), 10, one, one, one, -1, -1}}).ok());
  IVT_CHECK(writer->append(run::EndRecord{HostTsc(end), "command"}).ok());
}

/// The same in a folder of its own, for as long as this lives.
class TemporaryBenchRun {
 public:
  TemporaryBenchRun(Mix mix, std::uint64_t events) {
    std::string pattern = (std::filesystem::temp_directory_path() / "ivtrace_bench_XXXXXX").string();
    IVT_CHECK(::mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
    write_bench_run(directory_ + "/run.ivt", mix, events);
  }
  ~TemporaryBenchRun() { std::filesystem::remove_all(directory_); }
  TemporaryBenchRun(const TemporaryBenchRun&) = delete;
  TemporaryBenchRun& operator=(const TemporaryBenchRun&) = delete;
  void forget() const { std::filesystem::remove_all(directory_ + "/run.ivt/" + format::kCacheName); }
  run::RunReader open() const { return run::RunReader::open(directory_ + "/run.ivt").value(); }

 private:
  std::string directory_;
};

}  // namespace ivtrace::query
