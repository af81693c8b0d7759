#include "tracers/stap_learning.h"

#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "tracers/stap_cache.h"

namespace ivtrace::tracers {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kMarker = ".learning-";   // and "PID-XXXXXX"
constexpr std::string_view kLearnt = "tracequery_";  // stap's files
constexpr std::chrono::seconds kClocksDiffer{2};     // a file system's times are coarse

/// Where SystemTap keeps what it has learnt; empty: nowhere.
fs::path learnt() {
  const char* own = std::getenv("SYSTEMTAP_DIR");
  if (own != nullptr) return fs::path(own) / "cache";
  const char* home = std::getenv("HOME");
  return home != nullptr ? fs::path(home) / ".systemtap" / "cache" : fs::path();
}

void forget_since(fs::file_time_type since) {
  std::error_code error;
  fs::recursive_directory_iterator at(learnt(), fs::directory_options::skip_permission_denied, error);
  for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    std::error_code gone;
    if (!at->path().filename().string().starts_with(kLearnt) || !at->is_regular_file(gone) ||
        at->file_size(gone) != 0 || gone) {
      continue;
    }
    if (at->last_write_time(gone) >= since - kClocksDiffer && !gone) fs::remove(at->path(), gone);
  }
}

void forget_abandoned(const fs::path& cache) {
  for (const fs::path& marker : abandoned(cache, kMarker)) {
    std::error_code error;
    const auto since = fs::last_write_time(marker, error);
    if (!error) forget_since(since);
    fs::remove(marker, error);
  }
}

}  // namespace

Result<StapLearning> StapLearning::begin(const fs::path& cache) {
  forget_abandoned(cache);
  std::string name = (cache / (std::string(kMarker) + std::to_string(::getpid()) + "-XXXXXX")).string();
  const UniqueFd made(::mkstemp(name.data()));
  if (!made.valid()) return errno_error(errno, "cannot make a file in " + cache.string());
  std::error_code error;
  const auto since = fs::last_write_time(name, error);
  if (error) return Error(ErrorCode::kIo, "cannot look at " + name + ": " + error.message());
  return StapLearning(name, since);
}

StapLearning::StapLearning(StapLearning&& other) noexcept
    : marker_(std::exchange(other.marker_, {})), since_(other.since_), ended_(other.ended_) {}

StapLearning::~StapLearning() {
  if (marker_.empty()) return;
  if (!ended_) forget_since(since_);
  std::error_code ignored;
  fs::remove(marker_, ignored);
}

}  // namespace ivtrace::tracers
