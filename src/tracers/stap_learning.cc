#include "tracers/stap_learning.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include "base/fd.h"
#include "base/text.h"

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

bool is_of_dead(std::string_view name) {
  if (!name.starts_with(kMarker)) return false;
  name.remove_prefix(kMarker.size());
  const auto pid = parse_u64(name.substr(0, name.find('-')));
  return pid && *pid != 0 && *pid <= INT32_MAX && ::kill(static_cast<pid_t>(*pid), 0) != 0 && errno == ESRCH;
}

void forget_abandoned(const fs::path& cache) {
  const auto names = list_directory(cache.string());
  if (!names) return;
  for (const std::string& name : *names) {
    if (!is_of_dead(name)) continue;
    std::error_code error;
    const auto since = fs::last_write_time(cache / name, error);
    if (!error) forget_since(since);
    fs::remove(cache / name, error);
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
