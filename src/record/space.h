// How much a recording may write, and why it had to end when it may write no more.
//
// Three limits: the run's size (--max-size), the free space that the disk must keep, and for each guest half
// of the run's size, so that one guest that floods its ring cannot end the recording of the others.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "base/result.h"

namespace ivtrace::record {

/// Counts a run's bytes against its limits. Thread-safe.
/// Invariant: used() ≤ max_bytes, but for what the host's threads move at the same moment (1 MiB each at
/// most).
class SpaceBudget {
 public:
  /// `floor_bytes`: free space that the file system of `path` keeps; empty: the larger of 1 GiB and 5 % of
  /// it.
  static Result<SpaceBudget> create(const std::string& path, std::uint64_t max_bytes,
                                    std::optional<std::uint64_t> floor_bytes);
  SpaceBudget(SpaceBudget&& other) noexcept;

  /// Reserves bytes that are about to be written; false: the limit forbids it, nothing was reserved.
  bool take(std::uint64_t bytes);
  /// Counts bytes that were written already.
  void add(std::uint64_t bytes) { used_.fetch_add(bytes, std::memory_order_relaxed); }
  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  /// 0 when the limit is reached.
  std::uint64_t left() const;
  std::uint64_t guest_share() const { return max_bytes_ / 2; }

  /// Ends the recording for a reason ("size-limit", "disk-full", "write-failed"); the first one stays.
  void trip(const std::string& reason, const std::string& detail);
  bool tripped() const { return tripped_.load(std::memory_order_acquire); }
  /// Reason and what to tell a person; both empty when nothing tripped.
  std::string reason() const;
  std::string detail() const;
  /// Trips when the disk has less than its floor left, or the run reached its size.
  void check();
  /// As check(), but as an error for a recording that has not begun.
  Status check_before_start() const;

 private:
  SpaceBudget(std::string path, std::uint64_t max_bytes, std::uint64_t floor_bytes);

  std::string path_;
  std::uint64_t max_bytes_;
  std::uint64_t floor_bytes_;
  std::atomic<std::uint64_t> used_{0};
  std::atomic<bool> tripped_{false};
  mutable std::mutex mutex_;  // guards the texts
  std::string reason_;
  std::string detail_;
};

}  // namespace ivtrace::record
