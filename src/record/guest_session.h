// One guest of a recording, from its first sight to its end: attaches to its ring, commands its agent, keeps
// its clock.
//
//   no ring ──▶ (seen from the host only)
//   WAITING ── ring formatted, agent answers, kStart ──▶ RECORDING ── stop ──▶ STOPPED
//      ▲                                                    │  │
//      └── agent started again (new generation), or it has ─┘  └── QEMU gone ──▶ GONE
//          given the recording up: hello and kStart again
//
// A second each, the session asks for counters and a short clock burst; in between it sleeps. What the agent
// does not answer is said in the machine's note and tried again: an agent may be started, killed and started
// again at any time.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "clock/kvm.h"
#include "hypervisor/inventory.h"
#include "record/guest_clock.h"
#include "record/guest_link.h"
#include "record/machine_tracers.h"
#include "record/prepared_ahead.h"
#include "record/probe_journal.h"
#include "record/recorder.h"
#include "record/registry.h"
#include "record/run_log.h"
#include "ring/mailbox.h"
#include "run/journal.h"

namespace ivtrace::record {

/// What a session is to do, the same for all guests of a recording.
struct SessionSettings {
  std::vector<std::string> events;  ///< patterns
  std::map<std::string, std::string> filters;
  std::uint64_t buffer_kb = 4096;
  std::string feed;
  std::vector<ProbeRequest> probes;        ///< of all machines
  std::vector<TracerRequest> tracers;      ///< of all machines
  const PreparedAhead* ahead = nullptr;    ///< borrowed; what was prepared of them
  const clock::KvmDebugfs* kvm = nullptr;  ///< borrowed; null: do not ask KVM
  std::function<void(const std::string&)> notice;
};

/// Owns the guest's ring and its thread. Everything public may be called from any thread, start() and the
/// ends once.
class GuestSession {
 public:
  /// `ring` is empty for a guest without one. `guest` is empty for a ring given by hand.
  GuestSession(std::string machine, std::string ring, std::optional<hypervisor::Guest> guest,
               SessionSettings settings, RunLog& log, Registration& registration);
  ~GuestSession();

  void start();
  /// Stops the agent, takes the rest and the final counters. Blocks; bounded.
  void stop();
  /// A guest that had no ring has one now. Not while stop() or end_gone() may run.
  void adopt_ring(const std::string& path);
  /// QEMU is gone: takes what its ring still holds, says so and lets go of the ring. Blocks; bounded.
  void end_gone(const std::string& detail);

  const std::string& machine() const { return machine_; }
  const std::optional<hypervisor::Guest>& guest() const { return guest_; }
  /// To be asked by the thread that starts sessions and gives them rings.
  bool has_ring() const { return !ring_path_.empty(); }
  /// Set once the ring file is open; to be added to a poller.
  std::shared_ptr<GuestLink> link() const;
  MachineProgress progress() const;
  /// Events that the kernel's counters say were delivered, of this recording so far.
  std::uint64_t delivered() const { return delivered_.load(std::memory_order_relaxed); }
  bool lost_anything() const;
  /// Was the agent started, or found to be missing? The recording's first moments wait for that.
  bool settled() const { return settled_.load(std::memory_order_relaxed); }
  /// Of the dynamic probes that are set there: "kprobe:vfs_read".
  std::vector<std::string> probe_events() const;
  /// Whether a tracer is about to be armed. The recording's first moments wait for that, too.
  bool tracers_busy() const { return tracers_busy_.load(std::memory_order_relaxed); }
  /// As Guest::cpu_limit_us, as it is now. By the thread that starts sessions and gives them rings.
  void set_cpu_limit(std::uint64_t us);
  /// A change of a vCPU's TSC offset that KVM's tracepoint told.
  void on_tsc_write(std::uint32_t apic_id, std::int64_t offset, HostTsc at);

 private:
  void run();
  void once_a_second();
  bool open_ring();
  bool begin_recording();
  bool hello();
  Result<format::Reply> ask(const format::Request& request, Nanoseconds limit);
  bool unreachable() const;
  void start_clock();
  void keep_recording();
  void stop_agent();
  void tell_loss(const char* reason, const std::string& detail);
  void lose_ring(const GuestLink::View& view);
  void fetch_texts(bool last);
  bool fetch_text(format::Bulk bulk, const char* name, std::size_t max_bytes, std::chrono::seconds limit);
  void fetch_cmdlines();
  void save_text(const char* name, const std::string& text);
  void keep_probe_events(const std::vector<format::ProbeState>& probes);
  void take_probes(const std::vector<format::TracerState>& counts);
  void take_counters(const std::vector<format::CpuCounters>& counters, bool final_counters);
  void apply_tsc_writes();
  void begin_tracers();
  void tick_tracers();
  void say(const std::string& note);
  void journal_machine();
  bool stopping() const;

  const std::string machine_;
  std::string ring_path_;
  const std::optional<hypervisor::Guest> guest_;
  const SessionSettings settings_;
  RunLog& log_;
  Registration& registration_;

  // The session's thread only.
  std::optional<ring::MailboxClient> mailbox_;
  std::optional<GuestClockKeeper> clock_;
  GuestTracers tracer_port_;
  MachineTracers tracers_;
  run::MachineRecord record_;
  ProbeJournal probes_;
  std::uint64_t stream_generation_ = 0;
  std::uint64_t ring_generation_ = 0;
  std::uint64_t clock_generation_ = 0;  // whose clock clock_ keeps
  bool recording_ = false;
  bool printk_dest_ = false;  // its kernel sends trace_printk() to an instance
  bool was_silent_ = false;
  bool have_formats_ = false;
  bool tracers_begun_ = false;
  bool have_kallsyms_ = false;
  std::string text_note_;  // why a text could not be fetched, as it was noted last
  std::string cmdlines_;
  std::map<std::string, std::uint64_t> charged_;  // text files: bytes that the budget has counted
  unsigned machine_records_ = 0;
  unsigned ticks_ = 0;
  std::uint64_t earlier_delivered_ = 0;  // of the agent's earlier lives
  std::uint64_t earlier_lost_ = 0;

  std::atomic<std::uint64_t> delivered_{0};
  std::atomic<std::uint64_t> lost_{0};
  std::atomic<std::uint64_t> missed_{0};  // hits of probes
  std::atomic<bool> unknown_loss_{false};
  std::atomic<bool> settled_{false};
  std::atomic<bool> tracers_busy_{false};
  std::atomic<bool> tracers_lost_{false};
  std::atomic<bool> gone_{false};
  std::atomic<std::uint64_t> cpu_limit_us_{0};

  struct TscWrite {
    std::uint32_t apic_id;
    std::int64_t offset;
    HostTsc at;
  };
  mutable std::mutex mutex_;  // guards the next six
  std::condition_variable wake_;
  bool stopping_ = false;
  std::shared_ptr<GuestLink> link_;
  std::string note_;
  std::vector<std::string> probe_events_;
  std::vector<TscWrite> tsc_writes_;
  std::thread thread_;
};

}  // namespace ivtrace::record
