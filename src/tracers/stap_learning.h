// What SystemTap learns of a kernel's tracepoints while it compiles.
//
// It compiles the kernel's headers of events, one by one, and keeps what came out for ever: an empty file for
// one that does not compile. Cut short, stap 4.8 takes all headers that are left for such, and the kernel
// then has no such tracepoints for any later script. So that is forgotten again.
#pragma once

#include <chrono>
#include <filesystem>

#include "base/result.h"

namespace ivtrace::tracers {

/// One compilation. A marker in our cache tells of it, by which the next one knows of those that were killed.
class StapLearning {
 public:
  /// Forgets what processes that are gone have learnt by halves, and notes that we begin. `cache` is ours.
  static Result<StapLearning> begin(const std::filesystem::path& cache);
  StapLearning(StapLearning&& other) noexcept;
  StapLearning& operator=(StapLearning&&) = delete;
  /// Forgets what was learnt since begin(), unless end() was called.
  ~StapLearning();

  /// stap came to its own end, good or bad.
  void end() { ended_ = true; }

 private:
  using Time = std::filesystem::file_time_type;
  StapLearning(std::filesystem::path marker, Time since) : marker_(std::move(marker)), since_(since) {}

  std::filesystem::path marker_;
  Time since_;
  bool ended_ = false;
};

}  // namespace ivtrace::tracers
