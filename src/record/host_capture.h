// The host's own kernel: private tracing instances whose sub-buffers the kernel moves into the run's files by
// itself.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/units.h"
#include "record/run_log.h"
#include "tracefs/instance.h"
#include "tracefs/page_reader.h"
#include "tracefs/top_level.h"

namespace ivtrace::record {

/// One CPU's buffer of one instance, and the file that it goes to.
class HostStream {
 public:
  /// Opens the reader and the file, and writes the segment's record. `at` is where the segment starts.
  static Result<std::unique_ptr<HostStream>> open(const tracefs::Instance& instance, CpuId cpu,
                                                  const std::string& buffer, RunLog& log);
  /// Moves what is complete, and with `flush` also the unfinished sub-buffer. Errors end the recording
  /// through the space budget; nothing is lost by them, the kernel's buffer keeps what was not moved. True:
  /// there is more at once.
  bool move(bool flush);

  CpuId cpu() const { return cpu_; }
  const std::string& buffer() const { return buffer_; }
  int poll_fd() const { return reader_.poll_fd(); }
  /// Bytes in the file. Any thread.
  std::uint64_t size() const { return size_.load(std::memory_order_relaxed); }
  /// Bytes moved by this object. Any thread.
  std::uint64_t moved() const { return moved_.load(std::memory_order_relaxed); }

 private:
  HostStream(tracefs::SpliceReader reader, UniqueFd file, CpuId cpu, std::string buffer, std::uint64_t at,
             RunLog& log)
      : reader_(std::move(reader)),
        file_(std::move(file)),
        cpu_(cpu),
        buffer_(std::move(buffer)),
        size_(at),
        log_(log) {}

  tracefs::SpliceReader reader_;
  UniqueFd file_;
  CpuId cpu_;
  std::string buffer_;
  std::atomic<std::uint64_t> size_;
  std::atomic<std::uint64_t> moved_{0};
  RunLog& log_;
};

/// An instance being recorded: its streams and the threads that serve them, each up to kStreamsPerThread
/// CPUs.
class HostBuffer {
 public:
  static constexpr std::size_t kStreamsPerThread = 16;

  /// Takes an instance that is set up, with tracing off. `buffer` is "" for the main one.
  static Result<std::unique_ptr<HostBuffer>> open(tracefs::Instance instance, const std::string& buffer,
                                                  RunLog& log);
  ~HostBuffer();

  /// Threads, then tracing on.
  Status start();
  /// Tracing off, the rest into the files, final counters into the journal.
  Status stop();
  /// Removes the instance from the kernel; after stop(), or to give everything up.
  Status remove();

  tracefs::Instance& instance() { return instance_; }
  const std::string& buffer() const { return buffer_; }
  const std::vector<std::unique_ptr<HostStream>>& streams() const { return streams_; }
  /// The kernel's counters of each CPU; what could not be read is left out.
  std::vector<format::CpuCounters> counters() const;
  void journal_counters(bool final_counters);

 private:
  HostBuffer(tracefs::Instance instance, std::string buffer, RunLog& log)
      : instance_(std::move(instance)), buffer_(std::move(buffer)), log_(log) {}
  void serve(std::size_t first, std::size_t last);
  void join();

  tracefs::Instance instance_;
  std::string buffer_;
  RunLog& log_;
  std::vector<std::unique_ptr<HostStream>> streams_;  // before threads_: they use it
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

/// What the host is asked to record.
struct HostSettings {
  std::string name;                 ///< of the instance; others get a suffix
  std::vector<std::string> events;  ///< "system:name", those of system calls included
  std::map<std::string, std::string> filters;
  std::uint64_t buffer_kb = 4096;
  /// Record what trace_printk() writes too: sent to our instance where the kernel can do that, elsewhere the
  /// main buffer is the kernel's top-level one; kBusy when somebody else uses that.
  bool printk = false;
  std::string top_level_state = tracefs::kTopLevelState;
};

/// All of the host's capture: the main buffer, and where wanted, "sys": system calls of QEMU's threads only,
/// in an instance of its own because a filter by thread must never be set where other events are recorded.
/// One thread at a time, but for progress figures.
class HostCapture {
 public:
  /// Makes the instances, with tracing off. `registered` is told each instance's name and buffer before it is
  /// made.
  using Registered = std::function<Status(const std::string& name, const std::string& buffer)>;
  static Result<std::unique_ptr<HostCapture>> create(const tracefs::TraceDir& dir,
                                                     const HostSettings& settings,
                                                     const Registered& registered);
  ~HostCapture();

  /// Begins to record into the run.
  Status start(RunLog& log);
  /// QEMU's threads now; children that they make are followed by the kernel.
  void set_qemu_threads(std::vector<Tid> threads);
  Status stop();
  Status remove();

  /// Whether system calls are asked for; nothing is recorded of them without set_qemu_threads().
  bool has_syscalls() const { return !syscalls_.empty(); }
  const std::vector<std::unique_ptr<HostBuffer>>& buffers() const { return buffers_; }
  /// Events that the kernel enabled, and what it refused.
  const std::vector<std::string>& events() const { return enabled_; }
  const std::vector<std::string>& rejected() const { return rejected_; }

 private:
  HostCapture() = default;
  /// The main instance, told to `registered` before it is there.
  static Result<tracefs::Instance> main_instance(const tracefs::TraceDir& dir, const HostSettings& settings,
                                                 const Registered& registered);

  struct Prepared {
    tracefs::Instance instance;
    std::string buffer;
    std::vector<std::string> events;
  };
  std::vector<Prepared> prepared_;
  std::vector<std::unique_ptr<HostBuffer>> buffers_;
  std::vector<std::string> syscalls_;
  std::vector<std::string> enabled_;
  std::vector<std::string> rejected_;
  std::vector<Tid> threads_;
  RunLog* log_ = nullptr;
};

}  // namespace ivtrace::record
