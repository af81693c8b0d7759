// One recording of this guest: a private tracing instance and the pumps that empty it into the ring.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/pump.h"
#include "base/result.h"
#include "format/mailbox_message.h"
#include "probes/probe_set.h"
#include "ring/producer.h"
#include "tracefs/instance.h"

namespace ivtrace::agent {

/// KiB of kernel buffer per CPU when the recorder does not say.
inline constexpr std::uint64_t kDefaultBufferKb = 4096;

/// Name of the tracing instance of an agent with this pid.
std::string instance_name(pid_t pid);
/// Removes the instances and probes of agents that are dead, unloads their SystemTap modules, and puts back
/// the top-level buffer that one had. A line for each thing that could not be undone.
std::vector<std::string> remove_leftovers(const tracefs::TraceDir& dir);

/// Runs from start() until stop() or destruction, which drops what is not delivered and removes the instance.
/// Borrows the producer. Used by one thread; its pumps are threads of their own.
class Capture {
 public:
  /// `request` is of kStart. What could not be enabled is in rejected(), that alone is no error. With
  /// `top_level` what trace_printk() writes is recorded too: sent to our instance where the kernel can do
  /// that, elsewhere by recording in the top-level buffer; kBusy when somebody else uses that.
  static Result<std::unique_ptr<Capture>> start(const tracefs::TraceDir& dir, ring::Producer& producer,
                                                const format::Request& request);
  ~Capture();

  /// Ends tracing, delivers all that the kernel still holds, and removes the instance. While the ring is full
  /// it waits as long as `keep_waiting` (called every few milliseconds) is true. Returns the final counters.
  std::vector<format::CpuCounters> stop(const std::function<bool()>& keep_waiting);

  /// Replaces events and filters of the running recording.
  void set_events(const std::vector<std::string>& patterns,
                  const std::map<std::string, std::string>& filters);
  /// Changes the kernel buffer's size. A mapped buffer cannot be: from then on this recording feeds by
  /// read().
  Status set_buffer(std::uint64_t kb);

  std::vector<format::CpuCounters> counters() const;
  const std::vector<std::string>& events() const { return instance_.events(); }
  const std::vector<std::string>& rejected() const { return rejected_; }
  /// The dynamic probes that were asked for, as they were set.
  const std::vector<format::ProbeState>& probes() const { return probes_.states(); }
  /// What each has missed so far; after stop(), at the end.
  std::vector<format::TracerState> probe_counts();
  tracefs::Feed feed() const { return feed_; }
  std::uint32_t sub_buffer_bytes() const { return sub_buffer_bytes_; }
  /// First failure of a pump; empty when there was none. After stop().
  const std::string& error() const { return error_; }

 private:
  Capture(const tracefs::TraceDir& dir, ring::Producer& producer, tracefs::Instance instance);
  Status set_up(const format::Request& request);
  void start_pumps(std::uint64_t buffer_bytes);
  void finish_pumps(const std::function<bool()>& keep_waiting);
  std::string filter_of(const std::string& event, const std::map<std::string, std::string>& filters) const;

  const tracefs::TraceDir* dir_;
  ring::Producer* producer_;
  probes::ProbeSet probes_;  // goes after the instance that has its events enabled
  tracefs::Instance instance_;
  tracefs::Feed feed_ = tracefs::Feed::kRead;
  std::uint32_t sub_buffer_bytes_ = 0;
  std::vector<std::string> rejected_;
  std::vector<std::unique_ptr<Pump>> pumps_;  // go before the instance
  std::string error_;
};

}  // namespace ivtrace::agent
