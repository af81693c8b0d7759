// The rows of a timeline: what has one, and in which order they stand.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ivtrace::timeline {

/// What a track shows, and what its slices' states mean.
enum class TrackKind : std::uint8_t {
  kCpu,      ///< of the host: who runs. States: vcpu, qemu, host, idle
  kVcpu,     ///< of a guest: model::VcpuState's words
  kTask,     ///< a guest's CPU as its own scheduler sees it. States: task, idle
  kDisk,     ///< of a guest or the host: its requests. States: read, write, flush, discard, other
  kIrq,      ///< of one CPU: interrupts and deferred work. States: irq, softirq
  kThread,   ///< of QEMU's that runs no vCPU: model::ThreadState's words
  kMarks,    ///< of a program's thread: what it said by marks. States: slice, instant
  kCounter,  ///< of a program: a counter's values, which are its slices' labels. State: value
};
inline constexpr std::size_t kTrackKinds = 8;
const char* to_string(TrackKind kind);

/// A plain value. Texts may hold what a guest wrote: any bytes.
struct Track {
  std::uint32_t id = 0;       ///< what it is known by, for as long as the timeline lives
  std::uint32_t machine = 0;  ///< index in RunReader::machines()
  TrackKind kind = TrackKind::kCpu;
  std::int64_t number = 0;  ///< CPU, vCPU index (kVcpu; -1: several in turns), major << 20 | minor, thread;
                            ///< of kCounter a number that tells it from the machine's others
  std::string name;         ///< "CPU 0", "vCPU 1", "vda 8:0", "qemu-main 1234", "queue 1234"
  std::uint32_t lanes = 1;  ///< how many slices lie above each other at most; grows while the run is read
  bool aligned = true;  ///< false: the machine (or this CPU) has no trustworthy clock, so nothing is drawn
  /// The guest's vCPU (its index) that a kTask track stands beneath; empty when that is not known.
  std::optional<std::int64_t> vcpu;
};

}  // namespace ivtrace::timeline
