// All guests of a recording: found, followed while they come and go, drained, stopped together.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "hypervisor/inventory.h"
#include "record/guest_session.h"
#include "record/image_mapper.h"

namespace ivtrace::record {

/// Owns sessions and pollers, and a thread that looks for guests each second (a look may wait for a monitor).
/// Public functions may be called from any thread.
class GuestSet {
 public:
  GuestSet(const RecordConfig& config, SessionSettings settings, RunLog& log, Registration& registration);
  ~GuestSet();

  /// Looks once, before anything is recorded. kNotFound, with the nearest names, when a guest that was asked
  /// for by name is not there.
  /// The watch that find() and start() need: it asks no monitor of a guest that is not to be recorded.
  static hypervisor::Watch watch(const RecordConfig& config);
  static Result<std::vector<hypervisor::Guest>> find(const RecordConfig& config, hypervisor::Watch& watch);

  /// Sessions for what is there, then follows who comes and goes.
  void start(hypervisor::Watch watch, const std::vector<hypervisor::Guest>& wanted);
  /// Waits until each session knows whether its agent answers; bounded.
  void wait_settled(const std::atomic<bool>& stop) const;
  /// Whether a tracer in one of the guests is about to be armed.
  bool tracers_busy() const;
  /// All agents at once; bounded.
  void stop();

  std::vector<std::shared_ptr<GuestSession>> sessions() const;
  /// Threads of all QEMU processes that are recorded, as they are now. Those that the last look did not see
  /// are journaled. For one thread at a time.
  std::vector<Tid> look_at_threads();
  /// Tells the guest whose vCPU runs in that thread.
  void on_tsc_write(Tid thread, std::uint32_t apic_id, std::int64_t offset, HostTsc at);

 private:
  void add(const std::string& name, const std::string& ring, const std::optional<hypervisor::Guest>& guest);
  void journal_facts(const std::string& machine, const hypervisor::Guest& guest);
  void note_changed_limits(const std::string& machine, const hypervisor::Disk& disk);
  void poll_new_links();
  void follow();
  void apply(const hypervisor::Watch::Changes& changes);
  bool is_ours(const hypervisor::Domain& domain) const;
  std::string unique_name(const std::string& wanted);

  const RecordConfig& config_;
  const SessionSettings settings_;
  RunLog& log_;
  Registration& registration_;
  ImageMapper images_;
  // By machine and device, as they were told last; for the thread that journals facts.
  std::map<std::pair<std::string, std::string>, format::DiskLimits> limits_;
  hypervisor::Watch watch_;
  mutable std::mutex mutex_;  // guards the next five
  std::vector<std::unique_ptr<RingPoller>> pollers_;
  std::vector<std::shared_ptr<GuestSession>> sessions_;
  std::set<const GuestSession*> polled_;
  std::set<const GuestSession*> ended_;
  std::set<std::string> names_;
  std::map<const GuestSession*, std::vector<Tid>> threads_;  // at the last look at them
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace ivtrace::record
