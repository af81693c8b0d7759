// What `ivtrace info` tells of a run: the model, and its two renderings.
//
// The books of each buffer and CPU must balance: what the kernel wrote is what was delivered, plus what its
// counters name as lost, plus what it still held at the end; and what was delivered is what stands in the
// run, plus the losses that the recorder wrote down on the way. Whatever does not balance is a loss of its
// own, never silence.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/containment.h"
#include "format/disk_limits.h"
#include "run/journal.h"

namespace ivtrace::cli {

/// A guest's clock, or the host's own, as far as the run knows it.
struct ClockInfo {
  std::string source;  ///< "host", "handshake", "kvm-debugfs", …; "none" when not aligned
  std::uint64_t epochs = 0;
  std::optional<double> error_ns;  ///< bound on a guest timestamp's error against the host's clock
  bool aligned = false;
  std::uint64_t handshakes = 0;
  std::uint64_t contradictions = 0;  ///< handshakes that exclude the relation that is used at their time
  double uncertain_ns = 0;           ///< guest time in which either of two epochs may hold
  std::string quality;               ///< one clause for people
  std::optional<ContainmentInfo> containment;  ///< of a KVM guest whose entries and exits were recorded
};

/// Events of one buffer on one CPU, counted on both sides.
struct CpuBalance {
  std::string buffer;  ///< "" for the main buffer
  std::uint32_t cpu = 0;
  std::uint64_t found = 0;      ///< events that stand in the run
  std::uint64_t bytes = 0;      ///< of the page file
  bool counted = false;         ///< the kernel's counters are in the run; the next five are theirs
  bool final_counters = false;  ///< … and were taken after the last event was delivered
  std::uint64_t delivered = 0;
  std::uint64_t unread = 0;
  std::uint64_t overrun = 0;
  std::uint64_t dropped = 0;
  std::uint64_t commit_overrun = 0;
};

/// Something of one machine that is lost. Times are nanoseconds from the run's start.
struct LossInfo {
  std::string machine;
  std::string reason;
  std::optional<std::uint32_t> cpu;     ///< empty: all CPUs
  std::optional<std::uint64_t> events;  ///< empty: nobody knows how many
  std::optional<std::uint64_t> bytes;
  std::optional<std::int64_t> from_ns;
  std::optional<std::int64_t> until_ns;
  std::string detail;
  std::string remedy;
};

/// A guest's disk that may not do as much as it could, as it was seen last.
struct LimitedDisk {
  std::string device;
  std::string path;
  format::DiskLimits limits;
};

struct MachineInfo {
  std::string name;
  std::string kind;  ///< "host" or "guest"
  std::string kernel;
  std::string hostname;
  std::string uuid;
  std::string accel;
  std::string feed;
  std::string agent_version;
  std::string note;
  bool host_only = false;
  std::uint32_t cpus = 0;
  std::uint64_t idle_lag_ns = 0;
  std::uint64_t events = 0;
  std::uint64_t bytes = 0;
  std::uint64_t lost = 0;  ///< events whose number is known
  bool lost_more = false;  ///< and others, of unknown number
  ClockInfo clock;
  std::vector<CpuBalance> balance;
  std::vector<std::string> rejected;  ///< events asked for and not there
  std::vector<LimitedDisk> limited_disks;
  std::uint64_t cpu_limit_us = 0;  ///< CPU time of its vCPUs in each second; 0: no limit is known
};

/// A part of the run that breaks its format.
struct DamageInfo {
  std::string file;
  std::string reason;
  std::uint64_t bytes = 0;
};

struct NoteInfo {
  std::int64_t at_ns = 0;
  std::string machine;
  std::string text;
};

/// One run. Owns everything.
struct RunInfo {
  std::string path;
  std::string tool_version;
  std::string created;  ///< ISO 8601, UTC
  std::string command_line;
  std::string profile;
  std::string ended;       ///< why the recording ended; empty: `recording`, or the recorder died
  bool recording = false;  ///< a living recorder is writing it
  std::int64_t duration_ns = 0;
  std::uint64_t bytes = 0;
  std::vector<MachineInfo> machines;
  std::vector<LossInfo> losses;
  std::vector<DamageInfo> damage;
  std::vector<NoteInfo> notes;
  std::vector<run::TracerRecord> tracers;

  bool has_loss() const { return !losses.empty() || !damage.empty(); }
};

/// What a person can do against a loss of that kind; empty when there is nothing.
std::string loss_remedy(const std::string& reason);

std::string run_info_text(const RunInfo& info);
std::string run_info_json(const RunInfo& info);

/// "123.456789012" seconds for nanoseconds, with a sign when negative.
std::string seconds_text(std::int64_t ns);

}  // namespace ivtrace::cli
