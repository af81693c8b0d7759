// A guest's ring while it is recorded, and the threads that drain all of them.
//
// Idle rings must cost nothing: a link that finds nothing waits twice as long each time, from 1 ms to 50 ms,
// and idle links are looked at together, on a common 50 ms grid, so that many idle guests wake the poller no
// more often than one.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "record/guest_sink.h"
#include "record/run_log.h"
#include "ring/consumer.h"
#include "ring/host_ring.h"

namespace ivtrace::record {

/// The ring of one guest with its sink. Owns the hold on the ring file until release(). Thread-safe: the
/// poller drains it while the guest's session commands the agent.
class GuestLink {
 public:
  /// What the session wants to know, all of one moment.
  struct View {
    std::uint64_t generation = 0;  ///< of the layout; 0: not attached
    bool agent_alive = false;
    bool lost = false;  ///< the ring file shrank or went away
    double fill = 0;
    std::uint64_t bytes = 0;  ///< written to the run
    bool lost_anything = false;
    bool over_share = false;
    std::string error;  ///< of the last poll, "" when it succeeded
    std::vector<run::MarkRecord::File> sizes;
  };

  GuestLink(std::string machine, std::unique_ptr<ring::HostRing> host, RunLog& log)
      : host_(std::move(host)), sink_(std::move(machine), log) {}

  ring::HostRing& host() { return *host_; }
  /// What a ring holds when it is attached to belongs to an earlier recording: it is taken only by who goes
  /// on with that one.
  enum class From { kNextRecording, kWhereLeft };
  /// Fails as CopyRing::attach while there is no agent; then try again.
  Status attach(From from);
  bool attached() const;
  /// What comes from now on up to the next kStart is dropped; the streams start anew under
  /// `stream_generation`.
  void expect_recording(std::uint64_t stream_generation);
  /// Salvage: goes on where a dead recorder stopped.
  void resume_recording(std::uint64_t stream_generation, const std::vector<run::PagesFile>& files);
  /// True: something was delivered.
  bool poll();
  /// Polls until nothing comes any more, bounded by `limit`.
  void drain(std::chrono::milliseconds limit);
  /// Drains and writes the summed-up losses.
  void finish();
  View view() const;
  /// Lets go of the ring file, so that the guest's next life can be recorded; what was counted stays. host()
  /// must not be used any more.
  void release();
  /// As CopyRing::take_heartbeats; none while not attached.
  std::vector<ring::Heartbeat> take_heartbeats();

 private:
  mutable std::mutex mutex_;
  std::unique_ptr<ring::HostRing> host_;
  std::unique_ptr<ring::CopyRing> ring_;  // borrows host_
  GuestSink sink_;
  std::string error_;
};

/// Drains links in one thread. Thread-safe. Links are shared with their sessions.
class RingPoller {
 public:
  static constexpr std::size_t kMaxLinks = 16;

  RingPoller();
  ~RingPoller();

  /// False when this poller has enough links already.
  bool add(std::shared_ptr<GuestLink> link);
  void remove(const std::shared_ptr<GuestLink>& link);

 private:
  using Clock = std::chrono::steady_clock;
  struct Turn {
    std::shared_ptr<GuestLink> link;
    std::chrono::microseconds wait{1000};
    Clock::time_point due;
  };
  void run();
  void poll_due(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Turn> turns_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace ivtrace::record
