// Directories and sample records for this room's tests.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <vector>

#include "run/journal.h"

namespace ivtrace::run {

/// A directory that is removed with the object.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string pattern = ::testing::TempDir() + "ivtrace_run_XXXXXX";
    IVT_CHECK(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~ScratchDirectory() { std::filesystem::remove_all(path_); }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// One of every record, with values at the ends of their ranges.
inline std::vector<Record> sample_records() {
  MachineRecord machine;
  machine.name = "vm1";
  machine.kind = "guest";
  machine.kernel_release = "6.12.0";
  machine.hostname = "name with \"quotes\" and \x1b[31m";
  machine.tsc_khz = 2'400'000;
  machine.cpu_count = 2;
  machine.cpus = {{0, 0, true}, {1, 4'294'967'295u, false}};
  machine.events = {"sched:sched_switch", "block:block_rq_issue"};
  machine.rejected = {"block:nothing: no such event"};
  machine.qemu_pid = 4711;
  machine.host_only = true;
  machine.cpu_limit_us = 1'500'000;
  clock::Anchor anchor{HostTsc{~0ull}, 40, Nanoseconds{-1}, Nanoseconds{5}, Nanoseconds{INT64_MAX}, 500, -1};
  clock::Epoch epoch{GuestTsc{7}, 3, HostTsc{9}, 1u, {INT64_MIN, ~0ull, 48}, clock::ClockSource::kKvmDebugfs,
                     12};
  clock::Burst burst;
  burst.host_tsc = HostTsc{5};
  burst.guest_tsc = GuestTsc{6};
  burst.lower = -100;
  burst.upper = 100;
  burst.exchanges = 10'000;
  LossRecord loss{"vm1", 1u, "corrupt-chunk", std::nullopt, 4096u, HostTsc{1}, HostTsc{2}, "why"};
  format::CpuCounters counters{1, 2, 3, 4, 5, 6, 7, 8};
  return {machine,
          VcpuRecord{"vm1", 0, 4712, -1},
          ThreadsRecord{"vm1", HostTsc{4}, {4711, 4712}},
          DiskRecord{"vm1", "d0", "/images/a b.img", "raw", "native", "none", 0xfe00, HostTsc{6},
                     format::DiskLimits{200, 0, 0, 0, ~0ull, 0, "qemu, cgroup"}},
          ExtentsRecord{"vm1", "d0", HostTsc{8}, "extents.0", {"why"}},
          GoneRecord{"vm1", "guest", HostTsc{3}, "killed"},
          SegmentRecord{"vm1", "", 1, 4096, format::PageLayout::kPacked, 4096, ~0ull},
          MarkRecord{HostTsc{10}, {{"vm1", "", 1, 8192}, {"host", "sys", 0, 4096}}},
          AnchorRecord{anchor},
          EpochRecord{"vm1", epoch},
          BurstRecord{"vm1", burst, "agrees"},
          CountersRecord{"vm1", "", 9, true, counters},
          loss,
          NoteRecord{HostTsc{4}, "vm1", "guest vm1 came"},
          EndRecord{HostTsc{11}, "signal"},
          ContainmentRecord{"vm1", 0, 1000, 1, 2, 3, 70, HostTsc{9}},
          TracerRecord{
              "vm1", "stap", 1, "disk", "/root/disk.stp", "ended", "", "", {"stap:disk_issue"}, 3, 1, ""}};
}

}  // namespace ivtrace::run
