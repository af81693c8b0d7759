// A made run of a host with one device and two guests with disks, for the tests of the I/O path.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "decode/format_file.h"
#include "decode/page_builder.h"
#include "run/run_reader.h"
#include "run/run_test_support.h"
#include "run/run_writer.h"

namespace ivtrace::model {

enum MadeIoEvent : std::uint16_t {
  kQueueId = 30,
  kInsertId,
  kIssueId,
  kRequeueId,
  kCompleteId,
  kEnterId,
  kExitCallId,
  kIrqEntryId,
  kIrqExitId,
  kSoftEntryId,
  kSoftExitId,
  kRawEnterId,
  kRawExitId,
  kRemapId,
  kSubmitId,
  kExitSubmitId,
  kPrintId,
};
inline constexpr std::uint64_t kIoStart = 2'000'000;
inline constexpr std::uint32_t kHostDevice = 254u << 20;
inline constexpr std::uint32_t kGuestDevice = 253u << 20;
inline constexpr std::int32_t kQemu1 = 500;  ///< the pid of vm1's QEMU
inline constexpr std::int32_t kQemu2 = 600;

inline std::string made_io_formats() {
  const std::string common =
      "format:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
      "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
      "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
      "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n";
  const std::string block =
      "\tfield:dev_t dev;\toffset:8;\tsize:4;\tsigned:0;\n"
      "\tfield:sector_t sector;\toffset:16;\tsize:8;\tsigned:0;\n"
      "\tfield:unsigned int nr_sector;\toffset:24;\tsize:4;\tsigned:0;\n"
      "\tfield:char rwbs[8];\toffset:28;\tsize:8;\tsigned:0;\n"
      "\tfield:char comm[16];\toffset:36;\tsize:16;\tsigned:0;\n\n";
  const std::string number = "offset:8;\tsize:4;\tsigned:1;\n";
  const std::string irq =
      "\tfield:int irq;\t" + number + "\tfield:char name[16];\toffset:36;\tsize:16;\tsigned:0;\n\n";
  const std::string vector = "\tfield:unsigned int vec;\t" + number + "\n";
  const std::string raw_call =
      "\tfield:long id;\toffset:8;\tsize:8;\tsigned:1;\n"
      "\tfield:long ret;\toffset:16;\tsize:8;\tsigned:1;\n\n";
  const std::string nr = "\tfield:int __syscall_nr;\t" + number;
  const std::string remap =
      "\tfield:dev_t dev;\toffset:8;\tsize:4;\tsigned:0;\n"
      "\tfield:sector_t sector;\toffset:16;\tsize:8;\tsigned:0;\n"
      "\tfield:unsigned int nr_sector;\toffset:24;\tsize:4;\tsigned:0;\n"
      "\tfield:dev_t old_dev;\toffset:28;\tsize:4;\tsigned:0;\n"
      "\tfield:sector_t old_sector;\toffset:32;\tsize:8;\tsigned:0;\n"
      "\tfield:char rwbs[8];\toffset:40;\tsize:8;\tsigned:0;\n\n";
  const std::string at = nr + "\tfield:loff_t pos;\toffset:16;\tsize:8;\tsigned:0;\n\n";
  const std::string many = nr + "\tfield:long nr;\toffset:16;\tsize:8;\tsigned:0;\n\n";
  const std::string result = nr + "\tfield:long ret;\toffset:16;\tsize:8;\tsigned:1;\n\n";
  const struct {
    const char* path;
    MadeIoEvent id;
    const std::string& fields;
  } kFormats[] = {{"block/block_bio_queue", kQueueId, block},
                  {"block/block_rq_insert", kInsertId, block},
                  {"block/block_rq_issue", kIssueId, block},
                  {"block/block_rq_requeue", kRequeueId, block},
                  {"block/block_rq_complete", kCompleteId, block},
                  {"block/block_bio_remap", kRemapId, remap},
                  {"syscalls/sys_enter_pread64", kEnterId, at},
                  {"syscalls/sys_exit_pread64", kExitCallId, result},
                  {"syscalls/sys_enter_io_submit", kSubmitId, many},
                  {"syscalls/sys_exit_io_submit", kExitSubmitId, result},
                  {"irq/irq_handler_entry", kIrqEntryId, irq},
                  {"irq/irq_handler_exit", kIrqExitId, irq},
                  {"irq/softirq_entry", kSoftEntryId, vector},
                  {"irq/softirq_exit", kSoftExitId, vector},
                  {"raw_syscalls/sys_enter", kRawEnterId, raw_call},
                  {"raw_syscalls/sys_exit", kRawExitId, raw_call}};
  std::string out;
  decode::append_format_file(out, "ftrace/print/format",
                             "name: print\nID: " + std::to_string(kPrintId) + "\n" + common +
                                 "\tfield:char buf[];\toffset:16;\tsize:0;\tsigned:0;\n\nprint fmt: \"\"\n");
  for (const auto& format : kFormats) {
    const std::string path = format.path;
    decode::append_format_file(out, path + "/format",
                               "name: " + path.substr(path.find('/') + 1) +
                                   "\nID: " + std::to_string(format.id) + "\n" + common + format.fields +
                                   "print fmt: \"\"\n");
  }
  return out;
}

/// Events of a machine are given in rising times, in host time from kIoStart. Guests' TSCs are the host's.
class MadeIo {
 public:
  /// vm1's disks are d0 and d1, vm2's is d0. Extents lines as in the run: offsets in bytes.
  MadeIo() {
    disk("vm1", "d0", "none", "0 1048576 254:0 10485760\n");
    disk("vm2", "d0", "none", "0 1048576 254:0 20971520\n");
  }
  void disk(const std::string& machine, const std::string& device, const std::string& cache,
            const std::string& extents, const std::string& format = "raw") {
    disks_.push_back(
        {{machine, device, "/images/" + device, format, "native", cache, 0, HostTsc(), {}}, extents});
  }
  void clear_disks() { disks_.clear(); }
  /// What a disk's map is at the recording's end.
  void mapped_again(const std::string& machine, const std::string& device, const std::string& extents) {
    mapped_again_.push_back({{machine, device, HostTsc(kIoStart), "", {}}, extents});
  }
  void gap(const std::string& machine, const std::string& device, const std::string& text) {
    gaps_.push_back({machine, device, HostTsc(kIoStart), "", {text}});
  }

  void event(const std::string& machine, std::uint64_t at, MadeIoEvent id, std::uint32_t device,
             std::uint64_t sector, std::uint32_t count, const std::string& rwbs = "R", std::int32_t tid = 7,
             const std::string& comm = "task") {
    decode::Bytes bytes = decode::make_record(id, tid, 52);
    std::memcpy(bytes.data() + 8, &device, 4);
    std::memcpy(bytes.data() + 16, &sector, 8);
    std::memcpy(bytes.data() + 24, &count, 4);
    std::memcpy(bytes.data() + 28, rwbs.c_str(), std::min<std::size_t>(rwbs.size() + 1, 8));
    std::memcpy(bytes.data() + 36, comm.c_str(), std::min<std::size_t>(comm.size() + 1, 16));
    events_[machine].emplace_back(kIoStart + at, std::move(bytes));
  }
  void guest(std::uint64_t at, MadeIoEvent id, std::uint64_t sector, std::uint32_t count = 8,
             const std::string& rwbs = "R", std::uint32_t device = kGuestDevice) {
    event("vm1", at, id, device, sector, count, rwbs, 77, "reader");
  }
  /// A bio of the host goes on to `device` and `sector` from what is `above` at `above_sector`.
  void remap(std::uint64_t at, std::uint32_t device, std::uint64_t sector, std::uint32_t above,
             std::uint64_t above_sector, std::uint32_t count = 8, std::int32_t tid = kQemu1) {
    decode::Bytes bytes = decode::make_record(kRemapId, tid, 48);
    std::memcpy(bytes.data() + 8, &device, 4);
    std::memcpy(bytes.data() + 16, &sector, 8);
    std::memcpy(bytes.data() + 24, &count, 4);
    std::memcpy(bytes.data() + 28, &above, 4);
    std::memcpy(bytes.data() + 32, &above_sector, 8);
    bytes[40] = std::byte{'R'};
    events_["host"].emplace_back(kIoStart + at, std::move(bytes));
  }
  /// A thread of vm1's QEMU enters or leaves a system call: `value` is its offset, how many it hands over, or
  /// its result.
  void call(std::uint64_t at, MadeIoEvent id, std::uint64_t value, std::int32_t tid = kQemu1) {
    event("host", at, id, 0, value, 0, "", tid, "");
  }
  /// A host event by a thread of vm1's QEMU, at the place of vm1's disk d0.
  void host(std::uint64_t at, MadeIoEvent id, std::uint64_t guest_sector, std::uint32_t count = 8,
            const std::string& rwbs = "R", std::int32_t tid = kQemu1) {
    event("host", at, id, kHostDevice, 20480 + guest_sector, count, rwbs, tid, "qemu");
  }
  /// As host(), on another CPU of the host.
  void other_cpu(std::uint64_t at, MadeIoEvent id, std::uint64_t guest_sector, std::uint32_t count = 8) {
    event("host/1", at, id, kHostDevice, 20480 + guest_sector, count, "R", kQemu1, "qemu");
  }
  /// A thread wrote that text to trace_marker.
  void text(const std::string& machine, std::uint64_t at, std::int32_t tid, const std::string& text) {
    decode::Bytes bytes = decode::make_record(kPrintId, tid, 16);
    decode::append_bytes(bytes, text.c_str(), text.size() + 1);
    bytes.resize((bytes.size() + 3) & ~std::size_t{3});
    events_[machine].emplace_back(kIoStart + at, std::move(bytes));
  }
  /// The host's first CPU lost events before its next one.
  void lose() { lost_before_ = events_["host"].size(); }
  bool anchors = false;           ///< so that the host's ticks are nanoseconds since the start
  bool ended = false;             ///< the journal tells the recording's end
  std::string more_host_formats;  ///< of events that add() gives

  /// Any event of the host's.
  void add(std::uint64_t at, decode::Bytes record) {
    events_["host"].emplace_back(kIoStart + at, std::move(record));
  }

  std::string path() const { return scratch_ / "run.ivt"; }

  run::RunReader open() {
    run::Manifest manifest;
    manifest.start_tsc = HostTsc(kIoStart);
    auto writer = *run::RunWriter::create(path(), manifest);
    machine(*writer, "host", "host", 0);
    machine(*writer, "vm1", "guest", kQemu1);
    machine(*writer, "vm2", "guest", kQemu2);
    for (std::uint64_t i = 0; anchors && i < 2; ++i) {
      const auto ns = static_cast<std::int64_t>(i * 1'000'000'000);
      const HostTsc tsc(kIoStart + i * 1'000'000'000);
      EXPECT_TRUE(writer->append(
          run::AnchorRecord{{tsc, 10, Nanoseconds{ns}, Nanoseconds{ns}, Nanoseconds{ns}, -1, -1}}));
    }
    std::map<std::string, int> files;
    for (const auto& [disk, extents] : disks_) {
      EXPECT_TRUE(writer->append(disk));
      const std::string file = "extents." + std::to_string(files[disk.machine]++);
      EXPECT_TRUE(writer->write_text(disk.machine, file, extents));
      EXPECT_TRUE(writer->append(run::ExtentsRecord{disk.machine, disk.device, HostTsc(kIoStart), file, {}}));
    }
    for (auto [record, extents] : mapped_again_) {
      record.file = "extents." + std::to_string(files[record.machine]++);
      EXPECT_TRUE(writer->write_text(record.machine, record.file, extents));
      EXPECT_TRUE(writer->append(record));
    }
    for (const run::ExtentsRecord& gap : gaps_) EXPECT_TRUE(writer->append(gap));
    for (const auto& [name, events] : events_)
      write(*writer, name, events, name == "host" ? lost_before_ : 0);
    if (ended) {
      EXPECT_TRUE(writer->append(run::EndRecord{HostTsc(kIoStart), "command"}));
    }
    writer.reset();
    return *run::RunReader::open(path());
  }

 private:
  using Events = std::vector<std::pair<std::uint64_t, decode::Bytes>>;

  void machine(run::RunWriter& writer, const std::string& name, const std::string& kind, std::int32_t pid) {
    run::MachineRecord record;
    record.name = name;
    record.kind = kind;
    record.qemu_pid = pid;
    EXPECT_TRUE(writer.append(record));
    EXPECT_TRUE(writer.write_text(name, format::kFormatsName,
                                  made_io_formats() + (kind == "host" ? more_host_formats : "")));
    if (kind == "host") return;
    run::EpochRecord epoch;
    epoch.machine = name;
    epoch.epoch.valid_from = GuestTsc(1);
    epoch.epoch.source = clock::ClockSource::kKvmDebugfs;
    EXPECT_TRUE(writer.append(epoch));
  }
  static void write(run::RunWriter& writer, const std::string& name, const Events& events,
                    std::size_t lost_before) {
    const std::string machine = name.substr(0, name.find('/'));
    run::SegmentRecord segment;
    segment.machine = machine;
    segment.cpu = name == machine ? 0 : 1;
    segment.layout = format::PageLayout::kSlots;
    EXPECT_TRUE(writer.append(segment));
    const auto file = writer.open_pages(machine, "", segment.cpu);
    ASSERT_TRUE(file.ok());
    for (std::size_t i = 0; i < events.size(); ++i) {
      const bool missed = lost_before != 0 && i == lost_before;
      const auto slot = decode::PageBuilder(events[i].first).event(0, events[i].second).slot(4096, missed);
      ASSERT_TRUE(write_all(file->get(), slot, "pages"));
    }
  }

  run::ScratchDirectory scratch_;
  std::vector<std::pair<run::DiskRecord, std::string>> disks_;
  std::vector<std::pair<run::ExtentsRecord, std::string>> mapped_again_;
  std::vector<run::ExtentsRecord> gaps_;
  std::map<std::string, Events> events_;
  std::size_t lost_before_ = 0;
};

}  // namespace ivtrace::model
