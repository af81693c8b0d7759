// The host's side of IVRing: the copy ring as a data plane.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "ring/cpu_reader.h"
#include "ring/data_plane.h"
#include "ring/host_ring.h"
#include "ring/loss_ledger.h"

namespace ivtrace::ring {

/// A heartbeat that the polls saw: the agent read `guest_tsc` at a host time within [not_before, not_after].
/// Some 100 ms wide, but there are many of them: they tell between which two moments a guest's clock changed.
struct Heartbeat {
  GuestTsc guest_tsc;
  HostTsc not_before;
  HostTsc not_after;
};

/// Delivers what a guest's agent puts into its rings. Borrows the HostRing, which must outlive it; used by
/// one thread (a MailboxClient on the same HostRing may be used by another one meanwhile).
///
/// How a recording begins: skip_all(), then ask kStart by mailbox, then poll. The agent resets its sequences
/// at kStart; whatever an earlier recording left or still delivers is dropped until then. How it ends: ask
/// kStop while polling on (the agent delivers the rest before it replies, and needs room for it), poll until
/// nothing comes, finish().
///
/// A recorder that died took nothing with it that it had not saved: attached without skip_all(), the ring
/// delivers again from the last released byte on; a CPU's first piece may then be a continuation.
///
/// An agent that is started again formats the memory anew. poll() sees it, notes kNewGeneration and attaches
/// to the new layout by itself, in the state after skip_all(); generation() changes, and the caller must ask
/// kStart again. While the memory is being formatted poll() delivers nothing; when the new layout is unusable
/// it returns that error.
class CopyRing : public DataPlane {
 public:
  /// Fails as read_geometry does: not formatted yet, other version, sizes that cannot be. Try again later,
  /// with the same HostRing.
  static Result<std::unique_ptr<CopyRing>> attach(HostRing& host);

  /// Drops everything up to the first chunk of the next recording.
  void skip_all();
  Result<Progress> poll(PageSink& sink, std::uint64_t budget) override;
  Status finish(PageSink& sink) override { return ledger_.tell_all(sink); }
  double fill() const override;
  std::uint32_t cpu_count() const override { return geometry_.cpu_count; }

  /// Changes when the agent formatted the memory anew (seen by poll).
  std::uint64_t generation() const { return geometry_.generation; }
  const Geometry& geometry() const { return geometry_; }
  /// The heartbeats seen since the last call, in their order; of very many only the newest.
  std::vector<Heartbeat> take_heartbeats();
  /// How long the agent's heartbeat has stood still, as the polls (and attach) saw it.
  Nanoseconds agent_silence() const;
  /// The agent gave a sign of life within the last 3 s. It gives one each second; a guest may be paused, too.
  bool agent_alive() const;

 private:
  CopyRing(HostRing& host, const Geometry& geometry);

  enum class Start { kWhereLeft, kNewRecording };
  void build_readers(Start start);
  Result<bool> follow_generation();
  Result<Progress> lose_mapping(PageSink& sink);
  void watch_heartbeat();
  Result<bool> poll_cpu(std::size_t index, PageSink& sink, std::uint64_t budget, Progress& progress,
                        std::uint64_t& work);

  HostRing* host_;
  Geometry geometry_;
  std::vector<CpuReader> readers_;
  LossLedger ledger_;
  std::size_t next_cpu_ = 0;  // where the next poll begins, so that a busy CPU cannot starve the others
  bool loss_of_mapping_noted_ = false;
  std::uint64_t last_heartbeat_ = 0;
  HostTsc looked_;        // when the last look began: the next heartbeat was not there yet
  HostTsc stored_after_;  // the last heartbeat was not there at that time; 0: unknown
  std::vector<Heartbeat> heartbeats_;
  std::chrono::steady_clock::time_point heartbeat_moved_;
};

}  // namespace ivtrace::ring
