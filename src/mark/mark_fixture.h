// For tests and benchmarks of include/ivtrace/mark.h: a tracefs and a /run of their own, below the working
// directory.
//
// To be included instead of the header, which keeps one state per program and one set of paths.
#pragma once

#define IVTRACE_MARK_RUN "run"
#define IVTRACE_MARK_TRACEFS "tracefs"
#define IVTRACE_MARK_TRACEFS_OLD "old-tracefs"
#include <ivtrace/mark.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/check.h"

namespace ivtrace::mark {

/// Changes into an empty directory for its life, and forgets all that the library knows.
class MarkPlace {
 public:
  MarkPlace() : before_(std::filesystem::current_path()) {
    char name[] = "/tmp/ivtrace-mark-XXXXXX";
    IVT_CHECK(::mkdtemp(name) != nullptr);
    path_ = name;
    std::filesystem::current_path(path_);
    std::filesystem::create_directories(IVTRACE_MARK_TRACEFS "/instances");
    ivtrace_mark_state_ = {};
  }
  ~MarkPlace() {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(path_);
  }
  MarkPlace(const MarkPlace&) = delete;
  MarkPlace& operator=(const MarkPlace&) = delete;

  /// What tells that a recording began or ended.
  static constexpr const char* kFile = IVTRACE_MARK_RUN "/mark";
  std::string instance(const std::string& name) const {
    const std::string path = IVTRACE_MARK_TRACEFS "/instances/" + name;
    std::filesystem::create_directories(path);
    return path;
  }

 private:
  std::filesystem::path before_, path_;
};

}  // namespace ivtrace::mark
