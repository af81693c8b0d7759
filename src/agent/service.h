// The agent on one ring: carries out the recorder's requests, tells that it lives, and notices when the
// recorder died.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/capture.h"
#include "agent/facts.h"
#include "base/result.h"
#include "format/mailbox_message.h"
#include "ring/mailbox.h"
#include "ring/producer.h"
#include "tracefs/mount.h"
#include "tracefs/texts.h"
#include "tracers/tracer_set.h"

namespace ivtrace::agent {

/// Serves one formatted ring from construction to destruction, which ends a recording and removes its
/// instance. Borrows everything. Used by one thread.
class Service {
 public:
  /// Tells a person something, once: a line without a newline.
  using Log = std::function<void(const std::string& line)>;

  Service(const tracefs::TraceDir& dir, ring::Producer& producer, std::string ring_name,
          const TscFrequency& frequency, Log log);

  enum class End {
    kAsked,     ///< `stop` was raised
    kDetached,  ///< the host asked for the memory, to unplug it: the reply was the last store into it
    kRingLost,  ///< the memory was unplugged, shrank, or was formatted by somebody else
  };
  /// Serves recorders, one after the other, until `stop` is raised (by a signal handler) or the ring is lost.
  /// A recording that runs is then ended; what the ring has room for is delivered.
  End run(const std::atomic<bool>& stop);

 private:
  using Clock = std::chrono::steady_clock;

  format::Reply handle(const format::Request& request, std::string& raw);
  format::Reply hello();
  format::Reply start(const format::Request& request);
  format::Reply stop_recording();
  format::Reply detach();
  format::Reply change_events(const format::Request& request);
  format::Reply change_buffer(const format::Request& request);
  format::Reply statistics();
  format::Reply answer_clock(const format::Request& request);
  format::Reply read_bulk(const format::Request& request, std::string& raw);
  format::Reply doctor() const;
  format::Reply run_tracers(const format::Request& request);
  void forget_tracers();

  Result<std::string> bulk_text(format::Bulk bulk) const;
  void end_recording(const std::function<bool()>& keep_waiting);
  Status probe();
  /// Heartbeat, at most every 50 ms, from which the host tells when a clock changed; now and then looks at
  /// the host's.
  void beat();
  bool recorder_lives() const;

  const tracefs::TraceDir* dir_;
  tracefs::TaskNames task_names_;  // since the recording began, or the agent
  ring::Producer* producer_;
  std::string ring_name_;
  const TscFrequency* frequency_;
  Log log_;
  ring::MailboxServer mailbox_;
  const std::atomic<bool>* stop_ = nullptr;
  bool detached_ = false;

  std::unique_ptr<Capture> capture_;
  std::vector<format::CpuCounters> last_counters_;  // of the recording that ended last
  std::vector<std::string> last_events_;
  std::vector<format::TracerState> last_probes_;  // what each probe had missed
  std::string last_error_;
  std::string best_feed_;  // "" until probed
  std::uint32_t sub_buffer_bytes_ = 0;

  /// Of the recording that runs, or that is prepared: it is asked for scripts to be compiled. Goes before it.
  std::unique_ptr<tracers::TracerSet> tracers_;
  Clock::time_point tracers_asked_{};

  std::optional<format::Bulk> bulk_;  // which text bulk_text_ is
  std::string bulk_text_;

  Clock::time_point last_beat_{};
  Clock::time_point last_look_{};
  std::uint64_t host_heartbeat_ = 0;
  Clock::time_point host_moved_{};
  std::uint64_t host_session_ = 0;  // whose recording it is
};

}  // namespace ivtrace::agent
