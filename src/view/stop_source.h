// A wish to end some work, which may come from another thread at any time.
#pragma once

#include <atomic>
#include <mutex>

#include "query/table.h"

namespace ivtrace::view {

/// Set once. Any thread.
class StopSource {
 public:
  StopSource() = default;
  StopSource(const StopSource&) = delete;
  StopSource& operator=(const StopSource&) = delete;

  query::StopFlag flag() const { return &stop_; }
  bool requested() const { return query::stopped(&stop_); }
  void request() {
    const std::lock_guard lock(mutex_);
    stop_.store(true, std::memory_order_relaxed);  // Relaxed: it guards nothing else.
    if (also_ != nullptr) also_->store(true, std::memory_order_relaxed);
  }

  /// While it lives, the wish sets a flag that somebody else was given once and for all, too: a database has
  /// one flag, and works for one request after the other. Borrows both.
  class Also {
   public:
    Also(StopSource& source, std::atomic<bool>& flag) : source_(source) {
      const std::lock_guard lock(source_.mutex_);
      source_.also_ = &flag;
      flag.store(source_.requested(), std::memory_order_relaxed);
    }
    ~Also() {
      const std::lock_guard lock(source_.mutex_);
      source_.also_ = nullptr;
    }
    Also(const Also&) = delete;
    Also& operator=(const Also&) = delete;

   private:
    StopSource& source_;
  };

 private:
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::atomic<bool>* also_ = nullptr;
};

}  // namespace ivtrace::view
