// The journal's records: everything that is learned or that changes while a recording runs, one JSON object
// per line. Both the writer and the readers use these types; docs/format/run.md shows each record.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "clock/types.h"
#include "format/disk_limits.h"
#include "format/mailbox_message.h"
#include "format/run_layout.h"

namespace ivtrace::run {

/// A machine of the run: the host (always the first) or a guest. Written again, whole, when something of it
/// changes; the last one counts.
struct MachineRecord {
  std::string name;  ///< folder in the run; "host" is the host's
  std::string kind;  ///< "host" or "guest"
  std::string kernel_release;
  std::string hostname;
  std::string uuid;
  std::string boot_id;
  std::uint64_t tsc_khz = 0;
  std::uint32_t cpu_count = 0;
  std::vector<format::AgentCpu> cpus;
  std::string feed;  ///< "splice", "map", "read"
  std::string agent_version;
  std::vector<std::string> events;    ///< enabled "system:name"
  std::vector<std::string> rejected;  ///< asked for and not there, with the reason
  // guests only: what the host knows
  std::int32_t qemu_pid = 0;
  std::string accel;  ///< "tcg", "kvm", "" when unknown
  std::string ring_file;
  bool host_only = false;         ///< no ring or agent: seen from the host only
  std::string note;               ///< why, for people
  std::uint64_t idle_lag_ns = 0;  ///< how far a quiet guest's data may lag
  /// CPU time that control groups let its vCPUs have together, µs in each second; 0: no limit is known.
  std::uint64_t cpu_limit_us = 0;
};

struct VcpuRecord {
  std::string machine;
  std::int32_t index = -1;    ///< QEMU's cpu-index
  std::int32_t thread = 0;    ///< host tid
  std::int32_t apic_id = -1;  ///< -1: unknown
};

/// Threads of a guest's QEMU process that were not there at the look before. Some live shorter than the
/// second between two looks: sched_process_fork of a known one tells those.
struct ThreadsRecord {
  std::string machine;
  HostTsc tsc;  ///< they were there then
  std::vector<std::int32_t> threads;
};

/// Written again when something of it changes; the last one of a device counts.
struct DiskRecord {
  std::string machine;
  std::string device;  ///< QEMU's name or qdev path
  std::string path;
  std::string format;               ///< raw, qcow2, …
  std::string aio;                  ///< threads, native, io_uring, "" when unknown
  std::string cache;                ///< "none", "writeback", … "" when unknown
  std::uint64_t device_number = 0;  ///< st_dev of the image's file system, or st_rdev of a block device
  HostTsc tsc;                      ///< it was so then; 0: not told
  format::DiskLimits limits;
};

/// Where a disk's bytes lie on the host's block devices, as it was at one moment. The extents are in a file
/// of the machine's folder, one per line: "guest_offset bytes major:minor device_offset", in bytes.
struct ExtentsRecord {
  std::string machine;
  std::string device;  ///< as DiskRecord
  HostTsc tsc;
  std::string file;               ///< "" when nothing could be mapped
  std::vector<std::string> gaps;  ///< what is not mapped and why
};

/// A vCPU, disk or guest that is no longer there.
struct GoneRecord {
  std::string machine;
  std::string what;  ///< "guest", "agent", "ring"
  HostTsc tsc;
  std::string detail;
};

/// A .pages file and how to read it from `offset` on. A file may have several segments, in rising offsets.
struct SegmentRecord {
  std::string machine;
  std::string buffer;  ///< "" for the main buffer
  std::uint32_t cpu = 0;
  std::uint64_t offset = 0;  ///< byte in the file at which the segment starts
  format::PageLayout layout = format::PageLayout::kSlots;
  std::uint32_t page_size = 4096;
  std::uint64_t generation = 0;  ///< of the ring; 0 for the host
};

/// Written about once a second: what was in the files at that host time; a file that has not grown since the
/// last mark is left out. What lies before `bytes` happened before `tsc`; an event of a later time lies at or
/// behind them.
struct MarkRecord {
  HostTsc tsc;
  struct File {
    std::string machine;
    std::string buffer;
    std::uint32_t cpu = 0;
    std::uint64_t bytes = 0;
  };
  std::vector<File> files;
};

struct AnchorRecord {
  clock::Anchor anchor;
};

struct EpochRecord {
  std::string machine;
  clock::Epoch epoch;
};

struct BurstRecord {
  std::string machine;
  clock::Burst burst;
  std::string verdict;  ///< "first", "agrees", "excludes", "empty", "failed"
};

/// Final or periodic counters of one buffer on one CPU; the last record of each (machine, buffer, cpu,
/// generation) counts.
struct CountersRecord {
  std::string machine;
  std::string buffer;
  std::uint64_t generation = 0;
  bool final_counters = false;  ///< taken after the last event was delivered
  format::CpuCounters counters;
};

/// Data that is lost and that neither the pages' own missed-events words nor CountersRecord can tell.
struct LossRecord {
  std::string machine;
  std::optional<std::uint32_t> cpu;
  std::string reason;  ///< "disk-full", "size-limit", "corrupt-chunk", "agent-gone", "qemu-gone", …
  std::optional<std::uint64_t> events;
  std::optional<std::uint64_t> bytes;
  std::optional<HostTsc> from;
  std::optional<HostTsc> until;
  std::string detail;
};

/// A tracer beside the kernel's own events: a script, a dynamic probe. Written again, whole, when something
/// of it changes; the last one of each (machine, kind, id) counts.
struct TracerRecord {
  std::string machine;
  std::string kind;  ///< "stap", "bpftrace" or "probe"
  std::uint32_t id = 0;
  std::string name;                 ///< the script's, or the probe's event
  std::string source;               ///< the script's path, or the probe as it was asked for
  std::string state;                ///< "armed", "ended" or "failed"
  std::string detail;               ///< why it failed; what the kernel was told; where it was compiled
  std::string hint;                 ///< what to do
  std::vector<std::string> events;  ///< what it gives: "stap:disk_issue"
  std::uint64_t lines = 0;          ///< that it printed and that are in the run
  std::uint64_t lost = 0;           ///< events and lines that it lost, as far as it knows
  std::string output;  ///< file of the machine's folder with what it printed at its end; may be empty
};

/// Anything else worth telling a person: "guest vm3 came", "size limit reached".
struct NoteRecord {
  HostTsc tsc;
  std::string machine;
  std::string text;
};

/// Whether a KVM guest's events on one vCPU lie between its kvm_entry and kvm_exit (model/containment.h).
/// Measured when the recording has ended, behind its end; missing where that was not done.
struct ContainmentRecord {
  std::string machine;
  std::int32_t vcpu = -1;  ///< QEMU's cpu-index
  std::uint64_t inside = 0;
  std::uint64_t outside = 0;         ///< violations: the guest's clock is wrong
  std::uint64_t in_lost_ranges = 0;  ///< not judged: the host lost events there
  std::uint64_t unknown = 0;         ///< not judged: before the first entry or exit, or the clock is in doubt
  std::uint64_t worst_ticks = 0;     ///< how far the worst violation lies outside
  std::optional<HostTsc> worst_at;
};

/// The recording's end. Missing: the recorder died.
struct EndRecord {
  HostTsc tsc;
  std::string reason;  ///< "duration", "command", "signal", "size-limit", "disk-full", "salvaged"
};

using Record = std::variant<MachineRecord, VcpuRecord, ThreadsRecord, DiskRecord, ExtentsRecord, GoneRecord,
                            SegmentRecord, MarkRecord, AnchorRecord, EpochRecord, BurstRecord, CountersRecord,
                            LossRecord, TracerRecord, NoteRecord, ContainmentRecord, EndRecord>;

/// Bounds of what is decoded; the encoder cuts texts at 64 KiB and lists at 65,536 elements.
inline constexpr std::size_t kMaxJournalLine = 8u << 20;
inline constexpr std::size_t kMaxManifest = 4u << 20;

/// One line of JSON without the newline: {"type":"machine",…}. Bytes that are not UTF-8 become U+FFFD.
std::string encode_record(const Record& record);
/// The record of one line. kCorrupt when it is not JSON or breaks its types or ranges, kUnsupported when its
/// type is not known. Unknown keys are ignored; a key that runs of before do not have may be missing.
Result<Record> decode_record(std::string_view line);

/// manifest.json: what was asked for, by whom; constant once written.
struct Manifest {
  int schema = format::kRunSchema;
  std::string tool_version;
  std::string created;  ///< ISO 8601, UTC
  HostTsc start_tsc;
  std::vector<std::string> command_line;
  std::vector<std::string> events;  ///< as asked for
  std::string profile;
  std::uint64_t max_bytes = 0;
  std::string host_kernel;
  std::string trace_clock = "x86-tsc";
};
std::string encode_manifest(const Manifest& manifest);
/// kUnsupported when the schema is not this one's, kCorrupt when it breaks its types.
Result<Manifest> decode_manifest(std::string_view text);

}  // namespace ivtrace::run
