// A made run of a KVM host and one guest, of one vCPU or some, for the tests of the model.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "decode/format_file.h"
#include "decode/page_builder.h"
#include "run/run_reader.h"
#include "run/run_test_support.h"
#include "run/run_writer.h"

namespace ivtrace::model {

inline constexpr std::uint16_t kEntryId = 10;
inline constexpr std::uint16_t kExitId = 11;
inline constexpr std::uint16_t kSwitchId = 12;
inline constexpr std::uint16_t kWakingId = 13;
inline constexpr std::uint16_t kUserspaceId = 14;
inline constexpr std::uint16_t kNewTaskId = 15;
inline constexpr std::uint16_t kWakeupNewId = 16;
inline constexpr std::uint16_t kMigrateId = 17;
inline constexpr std::int32_t kVcpuThread = 500;
inline constexpr std::uint64_t kGuestBehind = 1'000'000;  ///< the guest's TSC is so far behind the host's

inline std::string made_formats() {
  const std::string common =
      "format:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
      "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
      "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
      "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n";
  std::string out;
  decode::append_format_file(out, "kvm/kvm_entry/format",
                             "name: kvm_entry\nID: 10\n" + common +
                                 "\tfield:unsigned int vcpu_id;\toffset:8;\tsize:4;\tsigned:0;\n\n"
                                 "print fmt: \"vcpu %u\", REC->vcpu_id\n");
  decode::append_format_file(out, "kvm/kvm_exit/format",
                             "name: kvm_exit\nID: 11\n" + common +
                                 "\tfield:unsigned int exit_reason;\toffset:8;\tsize:4;\tsigned:0;\n\n"
                                 "print fmt: \"vcpu 0 reason %s rip 0x0\", "
                                 "__print_symbolic(REC->exit_reason, { 0x78, \"hlt\" }, { 0x400, "
                                 "\"npf\" })\n");
  decode::append_format_file(out, "sched/sched_switch/format",
                             "name: sched_switch\nID: 12\n" + common +
                                 "\tfield:pid_t prev_pid;\toffset:8;\tsize:4;\tsigned:1;\n"
                                 "\tfield:int prev_state;\toffset:12;\tsize:4;\tsigned:1;\n"
                                 "\tfield:pid_t next_pid;\toffset:16;\tsize:4;\tsigned:1;\n"
                                 "\tfield:char next_comm[16];\toffset:20;\tsize:16;\tsigned:0;\n\n"
                                 "print fmt: \"%d\", REC->next_pid\n");
  decode::append_format_file(out, "sched/sched_waking/format",
                             "name: sched_waking\nID: 13\n" + common +
                                 "\tfield:pid_t pid;\toffset:8;\tsize:4;\tsigned:1;\n"
                                 "\tfield:int target_cpu;\toffset:12;\tsize:4;\tsigned:1;\n\n"
                                 "print fmt: \"%d\", REC->pid\n");
  decode::append_format_file(out, "kvm/kvm_userspace_exit/format",
                             "name: kvm_userspace_exit\nID: 14\n" + common +
                                 "\tfield:__u32 reason;\toffset:8;\tsize:4;\tsigned:0;\n\n"
                                 "print fmt: \"%d\", REC->reason\n");
  decode::append_format_file(out, "task/task_newtask/format",
                             "name: task_newtask\nID: 15\n" + common +
                                 "\tfield:pid_t pid;\toffset:8;\tsize:4;\tsigned:1;\n\n"
                                 "print fmt: \"%d\", REC->pid\n");
  decode::append_format_file(out, "sched/sched_wakeup_new/format",
                             "name: sched_wakeup_new\nID: 16\n" + common +
                                 "\tfield:pid_t pid;\toffset:8;\tsize:4;\tsigned:1;\n"
                                 "\tfield:int target_cpu;\toffset:12;\tsize:4;\tsigned:1;\n\n"
                                 "print fmt: \"%d\", REC->pid\n");
  decode::append_format_file(out, "sched/sched_migrate_task/format",
                             "name: sched_migrate_task\nID: 17\n" + common +
                                 "\tfield:__data_loc char[] comm;\toffset:8;\tsize:4;\tsigned:0;\n"
                                 "\tfield:pid_t pid;\toffset:12;\tsize:4;\tsigned:1;\n"
                                 "\tfield:int dest_cpu;\toffset:16;\tsize:4;\tsigned:1;\n\n"
                                 "print fmt: \"%d\", REC->pid\n");
  return out;
}

/// Events are given in host time, in any CPU's order of rising times. All of the host happen on its CPU 0.
class MadeRun {
 public:
  void entry(std::uint64_t at, std::int32_t thread = kVcpuThread) { host(at, kEntryId, thread, {0}); }
  void exit(std::uint64_t at, std::uint32_t reason = 0x78, std::int32_t thread = kVcpuThread) {
    host(at, kExitId, thread, {reason});
  }
  void userspace_exit(std::uint64_t at, std::int32_t thread = kVcpuThread) {
    host(at, kUserspaceId, thread, {0});
  }
  /// `state` 0: `previous` would have gone on, 1: it sleeps, 0x20: it has ended.
  void host_switch(std::uint64_t at, std::int32_t previous, std::uint32_t state, std::int32_t next,
                   const std::string& next_comm = "task") {
    host_.push_back({at, switch_record(previous, state, next, next_comm)});
  }
  void waking(std::uint64_t at, std::int32_t thread, std::uint32_t cpu = 0) {
    host(at, kWakingId, 1, {static_cast<std::uint32_t>(thread), cpu});
  }
  void new_task(std::uint64_t at, std::int32_t parent, std::int32_t child) {
    host(at, kNewTaskId, parent, {static_cast<std::uint32_t>(child)});
  }
  void wakeup_new(std::uint64_t at, std::int32_t thread, std::uint32_t cpu = 0) {
    host(at, kWakeupNewId, 1, {static_cast<std::uint32_t>(thread), cpu});
  }
  /// To another CPU; its name, of up to three letters, stands behind the fields.
  void migrate(std::uint64_t at, std::int32_t thread, const std::string& comm, std::uint32_t cpu) {
    std::uint32_t text = 0;
    std::memcpy(&text, comm.c_str(), comm.size());
    host(at, kMigrateId, 1, {4 << 16 | 20, static_cast<std::uint32_t>(thread), cpu, text});
  }
  void guest(std::uint64_t at, std::int32_t pid, std::int32_t next, std::uint32_t cpu = 0) {
    guest_[cpu].push_back({at - kGuestBehind, switch_record(pid, 0, next, "guest-task")});
  }
  /// The host lost events before its next one.
  void lose() { lost_before_ = host_.size(); }
  std::int64_t offset_error = 0;  ///< what the run's clock is off by
  bool aligned = true;            ///< the run has a clock of the guest's
  std::int32_t apic_id = 3;       ///< as QEMU tells it; the guest's CPU 0 has 3
  std::string accel = "kvm";
  bool anchors = false;  ///< so that the host's ticks are nanoseconds since the start
  bool ended = false;    ///< the journal tells the recording's end
  std::vector<run::VcpuRecord> more_vcpus;
  std::vector<format::AgentCpu> more_cpus;
  std::vector<std::string> host_events;  ///< as the journal tells them
  std::vector<run::DiskRecord> disks;
  std::uint64_t cpu_limit_us = 0;
  std::vector<std::int32_t> qemu_threads;  ///< of vm1's QEMU, as the journal tells them

  std::string path() const { return scratch_ / "run.ivt"; }

  run::RunReader open() {
    run::Manifest manifest;
    manifest.start_tsc = HostTsc(2'000'000);
    auto writer = *run::RunWriter::create(path(), manifest);
    run::MachineRecord host;
    host.name = "host";
    host.kind = "host";
    host.events = host_events;
    EXPECT_TRUE(writer->append(host));
    run::MachineRecord vm;
    vm.name = "vm1";
    vm.kind = "guest";
    vm.accel = accel;
    vm.qemu_pid = kVcpuThread - 1;
    vm.cpu_limit_us = cpu_limit_us;
    vm.cpus = {{0, 3, true}};
    vm.cpus.insert(vm.cpus.end(), more_cpus.begin(), more_cpus.end());
    EXPECT_TRUE(writer->append(vm));
    EXPECT_TRUE(writer->append(run::VcpuRecord{"vm1", 0, kVcpuThread, apic_id}));
    for (const run::VcpuRecord& vcpu : more_vcpus) EXPECT_TRUE(writer->append(vcpu));
    for (const run::DiskRecord& disk : disks) EXPECT_TRUE(writer->append(disk));
    if (!qemu_threads.empty()) {
      EXPECT_TRUE(writer->append(run::ThreadsRecord{"vm1", manifest.start_tsc, qemu_threads}));
    }
    for (std::uint64_t i = 0; anchors && i < 2; ++i) {
      const auto ns = static_cast<std::int64_t>(i * 1'000'000'000);
      const HostTsc tsc(manifest.start_tsc.value + i * 1'000'000'000);
      EXPECT_TRUE(writer->append(
          run::AnchorRecord{{tsc, 10, Nanoseconds{ns}, Nanoseconds{ns}, Nanoseconds{ns}, -1, -1}}));
    }
    run::EpochRecord epoch;
    epoch.machine = "vm1";
    epoch.epoch.valid_from = GuestTsc(1);
    epoch.epoch.relation.offset = -static_cast<std::int64_t>(kGuestBehind) + offset_error;
    epoch.epoch.source = clock::ClockSource::kKvmDebugfs;
    if (aligned) {
      EXPECT_TRUE(writer->append(epoch));
    }
    for (const char* machine : {"host", "vm1"}) {
      EXPECT_TRUE(writer->write_text(machine, format::kFormatsName, made_formats()));
    }
    write(*writer, "host", 0, host_, lost_before_);
    for (const auto& [cpu, events] : guest_) write(*writer, "vm1", cpu, events, 0);
    if (ended) {
      EXPECT_TRUE(writer->append(run::EndRecord{manifest.start_tsc, "command"}));
    }
    writer.reset();
    return *run::RunReader::open(path());
  }

 private:
  struct Made {
    std::uint64_t at;
    decode::Bytes record;
  };
  void host(std::uint64_t at, std::uint16_t id, std::int32_t pid,
            std::initializer_list<std::uint32_t> words) {
    decode::Bytes bytes = decode::make_record(id, pid, 8 + 4 * words.size());
    std::size_t at_byte = 8;
    for (const std::uint32_t word : words) {
      std::memcpy(bytes.data() + at_byte, &word, sizeof word);
      at_byte += sizeof word;
    }
    host_.push_back({at, std::move(bytes)});
  }
  static decode::Bytes switch_record(std::int32_t previous, std::uint32_t state, std::int32_t next,
                                     const std::string& comm) {
    decode::Bytes bytes = decode::make_record(kSwitchId, previous, 36);
    std::memcpy(bytes.data() + 8, &previous, 4);
    std::memcpy(bytes.data() + 12, &state, 4);
    std::memcpy(bytes.data() + 16, &next, 4);
    std::memcpy(bytes.data() + 20, comm.c_str(), std::min<std::size_t>(comm.size() + 1, 16));
    return bytes;
  }
  // A page for each event: simple, and a hole can stand before any of them.
  static void write(run::RunWriter& writer, const std::string& machine, std::uint32_t cpu,
                    const std::vector<Made>& events, std::size_t lost_before) {
    run::SegmentRecord segment;
    segment.machine = machine;
    segment.cpu = cpu;
    segment.layout = format::PageLayout::kSlots;
    EXPECT_TRUE(writer.append(segment));
    const auto file = writer.open_pages(machine, "", cpu);
    ASSERT_TRUE(file.ok());
    for (std::size_t i = 0; i < events.size(); ++i) {
      const bool missed = lost_before != 0 && i == lost_before;
      const auto slot = decode::PageBuilder(events[i].at).event(0, events[i].record).slot(4096, missed);
      ASSERT_TRUE(write_all(file->get(), slot, "pages"));
    }
  }

  run::ScratchDirectory scratch_;
  std::vector<Made> host_;
  std::map<std::uint32_t, std::vector<Made>> guest_;  // by CPU
  std::size_t lost_before_ = 0;
};

}  // namespace ivtrace::model
