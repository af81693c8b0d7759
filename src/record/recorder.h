// Recording a host and its guests into a run directory.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "hypervisor/inventory.h"
#include "record/registry.h"

namespace ivtrace::record {

/// A ring given by hand instead of being found through a QEMU process: its machine's name and the file.
struct ExtraRing {
  std::string name;
  std::string path;
};

/// A dynamic probe on the machines whose name matches.
struct ProbeRequest {
  std::string machine;  ///< "host", a guest's name, or a glob
  std::string spec;     ///< as docs/probes.md writes it, without the machine
};

/// A tracer program to be run on the machines whose name matches.
struct TracerRequest {
  std::string machine;  ///< as ProbeRequest
  std::string kind;     ///< "stap" or "bpftrace"
  std::string path;     ///< of the script, on this host
  std::vector<std::string> options;
};

/// What is asked for.
struct RecordConfig {
  std::string out;                         ///< run directory, must not exist
  std::vector<std::string> guests;         ///< names (globs), UUIDs or pids; empty: all
  hypervisor::InventoryOptions inventory;  ///< how guests are found and asked
  std::vector<ExtraRing> extra_rings;
  std::vector<std::string> events;  ///< patterns; empty: the profile's
  std::string profile = "io";       ///< tracefs::find_profile()
  std::map<std::string, std::string>
      filters;  ///< as tracefs::resolve_filters() takes them, for every machine
  std::vector<ProbeRequest> probes;
  std::vector<TracerRequest> tracers;
  std::uint64_t max_bytes = 4ull << 30;
  std::optional<std::uint64_t> disk_floor;  ///< empty: the larger of 1 GiB and 5 % of the disk
  std::optional<Nanoseconds> duration;
  std::vector<std::string> command;               ///< recorded while it runs; may be combined with a duration
  std::uint64_t buffer_kb = 4096;                 ///< kernel buffer per CPU, on every machine
  std::string feed;                               ///< guests: "", "map" or "read"
  bool find_guests = true;                        ///< false: the host and the extra rings only
  bool use_kvm = true;                            ///< let KVM tell TSC offsets where it can
  std::vector<std::string> command_line;          ///< for the manifest
  std::string state_directory = kStateDirectory;  ///< registry and lock
};

/// One machine while recording. Rates are of the last second.
struct MachineProgress {
  std::string name;
  double events_per_second = 0;
  double bytes_per_second = 0;
  double ring_fill = -1;   ///< 0..1; negative: has no ring
  std::uint64_t lost = 0;  ///< events so far, by the kernels' counters
  bool lost_more = false;  ///< and others, of unknown number
  std::string state;       ///< "" when all is well, else one clause
};

struct RecordProgress {
  Nanoseconds elapsed;
  std::uint64_t bytes = 0;
  std::vector<MachineProgress> machines;
};

/// How a recording ended.
struct RecordSummary {
  std::string path;
  std::string reason;  ///< as EndRecord
  std::string detail;  ///< for people, may be empty
  Nanoseconds elapsed;
  std::uint64_t bytes = 0;
  bool lost_anything = false;
  std::vector<MachineProgress> machines;  ///< totals in `lost`, rates over the whole recording
  std::optional<int> command_status;      ///< wait status of the command, when there was one
};

struct RecordCallbacks {
  std::function<void(const RecordProgress&)> progress;  ///< about once a second; may be empty
  std::function<void(const std::string&)> notice;  ///< one line for people; may be empty; from any thread
};

/// Records until the duration has passed, the command ended, a limit was reached or `stop` became true.
/// Everything that was created outside of the run directory is removed at the end; after a kill -9 cleanup()
/// does it. One recorder per host at a time (kBusy names the other one). Installs no signal handlers.
Result<RecordSummary> record(const RecordConfig& config, const RecordCallbacks& callbacks,
                             const std::atomic<bool>& stop);

}  // namespace ivtrace::record
