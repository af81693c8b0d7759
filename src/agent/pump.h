// Moving sub-buffers from the kernel into the ring, on threads that cost nothing while nothing happens.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "ring/producer.h"
#include "tracefs/instance.h"
#include "tracefs/page_reader.h"

namespace ivtrace::agent {

/// One CPU's way from its kernel buffer to its ring. Borrows instance and producer. Used by one thread at a
/// time, but bytes() and stalls() by any.
class Lane : public tracefs::PieceSink {
 public:
  Lane(const tracefs::Instance& instance, ring::CpuProducer& producer, tracefs::Feed feed);

  /// Moves what is there, up to `budget` bytes. A CPU that was never online has nothing; it is looked for
  /// again once a second.
  Result<tracefs::PageReader::Progress> drain(std::uint64_t budget);
  /// Empties a mapped buffer and goes on by read(), since a mapped buffer cannot be resized. What the ring
  /// has no room for stays in the kernel.
  Status unmap();
  /// -1 while there is no reader.
  int poll_fd() const { return reader_ ? reader_->poll_fd() : -1; }
  CpuId cpu() const { return producer_->cpu(); }
  std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  std::uint64_t stalls() const { return stalls_.load(std::memory_order_relaxed); }

  bool take(const tracefs::Piece& piece) override;

 private:
  Status open_reader();

  const tracefs::Instance* instance_;
  ring::CpuProducer* producer_;
  tracefs::Feed feed_;
  std::unique_ptr<tracefs::PageReader> reader_;
  std::chrono::steady_clock::time_point next_open_{};
  std::uint64_t page_base_ = 0;  // pages of the readers before this one
  std::uint64_t next_page_ = 0;  // one more than the last page that the ring has
  std::size_t done_ = 0;         // bytes of the piece on offer that the ring has already
  const std::uint64_t bytes_before_;
  const std::uint64_t stalls_before_;
  std::atomic<std::uint64_t> bytes_{0};  // mirrors for other threads; order nothing
  std::atomic<std::uint64_t> stalls_{0};
};

/// A thread that serves up to kLanesPerPump lanes. Threads: everything may be called from the owner's thread.
class Pump {
 public:
  static constexpr std::size_t kLanesPerPump = 4;

  /// Starts the thread, which waits for go(). `buffer_bytes` is the kernel buffer's size per CPU.
  Pump(std::vector<std::unique_ptr<Lane>> lanes, const ring::Producer& producer, std::uint64_t buffer_bytes);
  ~Pump();

  /// The thread's id, to filter it out of system call events.
  pid_t tid() const { return tid_; }
  void go();
  /// Tracing is off: deliver what is left, waiting for room in the ring as long as it takes, and end.
  void finish();
  /// End now; what the ring has no room for stays in the kernel, counted there as unread.
  void abandon();
  /// True once the thread ended, after finish() or abandon().
  bool done() const { return done_.load(std::memory_order_acquire); }
  void join();

  /// Keeps the thread from touching its lanes while the guard lives.
  std::unique_lock<std::mutex> pause() { return std::unique_lock(lanes_mutex_); }
  const std::vector<std::unique_ptr<Lane>>& lanes() const { return lanes_; }
  /// First failure of a lane, empty when there was none. After done().
  const std::string& error() const { return error_; }
  /// Times that the thread woke up.
  std::uint64_t wakeups() const { return wakeups_.load(std::memory_order_relaxed); }

 private:
  enum class Order { kWait, kRun, kFinish, kAbandon };
  struct Round {
    std::uint64_t bytes = 0;
    bool stalled = false;
    bool more = false;
  };

  void run();
  Round drain_lanes();
  void rest(const Round& round);

  std::vector<std::unique_ptr<Lane>> lanes_;
  const ring::Producer* producer_;
  const std::uint64_t busy_bytes_;  // a round that moved more makes the pump wake up sooner
  std::mutex lanes_mutex_;
  std::mutex order_mutex_;
  std::condition_variable order_changed_;
  Order order_ = Order::kWait;
  std::chrono::milliseconds interval_{1};
  bool woken_early_ = false;
  std::string error_;
  std::atomic<std::uint64_t> wakeups_{0};
  std::atomic<bool> done_{false};
  std::atomic<pid_t> tid_{0};
  std::thread thread_;
};

}  // namespace ivtrace::agent
