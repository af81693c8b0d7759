// A small run with known content, for the tests of the commands that read runs.
//
// Host TSC and nanoseconds are the same number, the run starts at kStart. Host CPU 0 holds a switch from the
// idle thread to "bash", a block request that fits the guest's, and a hole; vm1, whose clock is kGuestOffset
// ahead, holds a switch of a thread with a hostile name and the request's completion; "vm2" has no clock.
#pragma once

#include <unistd.h>

#include <cstring>
#include <string>

#include "base/fd.h"
#include "decode/format_file.h"
#include "decode/page_builder.h"
#include "run/run_test_support.h"
#include "run/run_writer.h"

namespace ivtrace::cli {

inline constexpr std::uint64_t kStart = 1'000'000'000'000;
inline constexpr std::uint64_t kGuestOffset = 500'000'000'000'000;
inline constexpr std::uint16_t kSwitchId = 100;
inline constexpr std::uint16_t kIssueId = 101;
inline constexpr std::uint16_t kRenameId = 102;
inline constexpr const char* kHostileName = "\x1b[31m\"x\\\n\xff";

inline constexpr const char* kCommonFields =
    "format:\n"
    "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
    "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
    "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
    "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n";

inline std::string sample_formats() {
  const std::string common = kCommonFields;
  std::string out;
  decode::append_format_file(out, "header_page",
                             "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
                             "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
                             "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
                             "\tfield: char data;\toffset:16;\tsize:4080;\tsigned:1;\n");
  decode::append_format_file(out, "sched/sched_switch/format",
                             "name: sched_switch\nID: 100\n" + common +
                                 "\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
                                 "\tfield:pid_t prev_pid;\toffset:24;\tsize:4;\tsigned:1;\n"
                                 "\tfield:char next_comm[16];\toffset:28;\tsize:16;\tsigned:0;\n"
                                 "\tfield:pid_t next_pid;\toffset:44;\tsize:4;\tsigned:1;\n\n"
                                 "print fmt: \"prev_comm=%s prev_pid=%d ==> next_comm=%s next_pid=%d\", "
                                 "REC->prev_comm, REC->prev_pid, "
                                 "REC->next_comm, REC->next_pid\n");
  decode::append_format_file(
      out, "block/block_rq_issue/format",
      "name: block_rq_issue\nID: 101\n" + common +
          "\tfield:sector_t sector;\toffset:8;\tsize:8;\tsigned:0;\n"
          "\tfield:unsigned int bytes;\toffset:16;\tsize:4;\tsigned:0;\n\n"
          "print fmt: \"%llu + %u\", (unsigned long long)REC->sector, REC->bytes >> 9\n");
  decode::append_format_file(out, "task/task_rename/format",
                             "name: task_rename\nID: 102\n" + common +
                                 "\tfield:char oldcomm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
                                 "\tfield:char newcomm[16];\toffset:24;\tsize:16;\tsigned:0;\n\n"
                                 "print fmt: \"%s to %s\", REC->oldcomm, REC->newcomm\n");
  return out;
}

template <class T>
void put_value(decode::Bytes& record, std::size_t at, T value) {
  std::memcpy(record.data() + at, &value, sizeof value);
}
inline void put_text(decode::Bytes& record, std::size_t at, const std::string& text) {
  std::memcpy(record.data() + at, text.data(), std::min<std::size_t>(text.size(), 16));
}

inline decode::Bytes switch_record(std::int32_t prev, const std::string& prev_comm, std::int32_t next,
                                   const std::string& next_comm) {
  decode::Bytes record = decode::make_record(kSwitchId, prev, 48);
  put_text(record, 8, prev_comm);
  put_value(record, 24, prev);
  put_text(record, 28, next_comm);
  put_value(record, 44, next);
  return record;
}
inline decode::Bytes issue_record(std::int32_t pid, std::uint64_t sector, std::uint32_t bytes) {
  decode::Bytes record = decode::make_record(kIssueId, pid, 20);
  put_value(record, 8, sector);
  put_value(record, 16, bytes);
  return record;
}
inline decode::Bytes rename_record(std::int32_t pid, const std::string& from, const std::string& to) {
  decode::Bytes record = decode::make_record(kRenameId, pid, 40);
  put_text(record, 8, from);
  put_text(record, 24, to);
  return record;
}

/// Appends a page file of one segment, with its record.
inline void write_pages(run::RunWriter& writer, const std::string& machine, std::uint32_t cpu,
                        format::PageLayout layout, const decode::Bytes& bytes) {
  run::SegmentRecord segment;
  segment.machine = machine;
  segment.cpu = cpu;
  segment.layout = layout;
  ASSERT_TRUE(writer.append(segment));
  const Result<UniqueFd> file = writer.open_pages(machine, "", cpu);
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_TRUE(write_all(file->get(), bytes, "pages"));
}

inline run::MachineRecord machine_record(const std::string& name) {
  run::MachineRecord machine;
  machine.name = name;
  machine.kind = name == format::kHostMachine ? "host" : "guest";
  machine.kernel_release = "6.12.0";
  machine.tsc_khz = 1'000'000;
  machine.cpu_count = 1;
  return machine;
}

inline run::CountersRecord final_counters(const std::string& machine, std::uint64_t delivered,
                                          std::uint64_t overrun) {
  run::CountersRecord record;
  record.machine = machine;
  record.final_counters = true;
  record.counters.delivered = delivered;
  record.counters.overrun = overrun;
  return record;
}

/// What of the sample is written.
struct SampleOptions {
  bool hole = true;       ///< the host's hole and its counter
  bool unaligned = true;  ///< vm2
  bool paused = false;    ///< vm1's clock changed by a pause of 500 ms, somewhere before its second event
};

inline void write_sample_run(const std::string& path, const SampleOptions& options = {}) {
  run::Manifest manifest;
  manifest.tool_version = "0.1.0";
  manifest.created = "2000-02-29T12:34:56Z";
  manifest.start_tsc = HostTsc(kStart);
  manifest.command_line = {"ivtrace", "record"};
  Result<std::unique_ptr<run::RunWriter>> created = run::RunWriter::create(path, manifest);
  ASSERT_TRUE(created) << created.error().message;
  run::RunWriter& writer = **created;
  const std::string formats = sample_formats();

  ASSERT_TRUE(writer.append(machine_record("host")));
  for (const std::uint64_t second : {0, 1, 2}) {
    run::AnchorRecord record;
    record.anchor.tsc = HostTsc(kStart + second * 1'000'000'000);
    const auto ns = static_cast<std::int64_t>(second * 1'000'000'000);
    record.anchor.monotonic_raw = Nanoseconds(ns);
    record.anchor.monotonic = Nanoseconds(ns);
    record.anchor.realtime = Nanoseconds(951'827'696'000'000'000 + ns);
    record.anchor.bracket = 20;
    ASSERT_TRUE(writer.append(record));
  }
  ASSERT_TRUE(writer.write_text("host", format::kFormatsName, formats));
  ASSERT_TRUE(writer.write_text("host", format::kCmdlinesName, "7 qemu\n"));
  decode::Bytes pages = decode::PageBuilder(kStart + 1000)
                            .event(0, switch_record(0, "swapper/0", 42, "bash"))
                            .event(1000, issue_record(7, 2048, 4096))
                            .slot(4096);
  const decode::Bytes second =
      decode::PageBuilder(kStart + 1'000'000'000)
          .event(0, rename_record(42, "bash", "cat"))
          .event(500, issue_record(42, 8, 512))
          .slot(4096, options.hole, options.hole ? std::optional<std::uint64_t>(1234) : std::nullopt);
  pages.insert(pages.end(), second.begin(), second.end());
  write_pages(writer, "host", 0, format::PageLayout::kSlots, pages);
  ASSERT_TRUE(writer.append(final_counters("host", 4, options.hole ? 1234 : 0)));

  ASSERT_TRUE(writer.append(machine_record("vm1")));
  run::EpochRecord epoch;
  epoch.machine = "vm1";
  epoch.epoch.relation.offset = static_cast<std::int64_t>(kGuestOffset);
  epoch.epoch.source = clock::ClockSource::kHandshake;
  epoch.epoch.error = 15;
  epoch.epoch.valid_from = GuestTsc(kGuestOffset + kStart);
  epoch.epoch.host_from = HostTsc(kStart);
  ASSERT_TRUE(writer.append(epoch));
  if (options.paused) {
    epoch.epoch.relation.offset -= 500'000'000;
    epoch.epoch.valid_from = GuestTsc(kGuestOffset + kStart + 3000);
    epoch.epoch.uncertain = 1000;
    epoch.epoch.host_from = HostTsc(kStart + 600'000'000);
    ASSERT_TRUE(writer.append(epoch));
  }
  ASSERT_TRUE(writer.write_text("vm1", format::kFormatsName, formats));
  write_pages(writer, "vm1", 0, format::PageLayout::kPacked,
              decode::PageBuilder(kGuestOffset + kStart + 1500)
                  .event(0, switch_record(0, "swapper/0", 9, kHostileName))
                  .event(1000, issue_record(9, 16, 512))
                  .packed(0));
  ASSERT_TRUE(writer.append(final_counters("vm1", 2, 0)));

  if (options.unaligned) {
    ASSERT_TRUE(writer.append(machine_record("vm2")));
    ASSERT_TRUE(writer.write_text("vm2", format::kFormatsName, formats));
    write_pages(writer, "vm2", 0, format::PageLayout::kPacked,
                decode::PageBuilder(5000).event(0, issue_record(3, 1, 512)).packed(0));
    ASSERT_TRUE(writer.append(final_counters("vm2", 1, 0)));
  }
  ASSERT_TRUE(writer.append(run::EndRecord{HostTsc(kStart + 2'000'000'000), "duration"}));
}

}  // namespace ivtrace::cli
