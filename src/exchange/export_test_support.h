// A made run, exported.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/fd.h"
#include "exchange/exporter.h"
#include "run/run_test_support.h"

namespace ivtrace::exchange {

/// What an export of a made run wrote. Host ticks are nanoseconds, the run starts at kMadeStart.
class MadeExport {
 public:
  /// `made`: a MadeRun or a MadeIo.
  template <class Made>
  MadeExport(Made& made, const char* format, const merge::Filter& filter = {}) {
    made.anchors = true;
    const run::RunReader run = made.open();
    const auto clock = clock::HostClock::create(run.anchors(), run.manifest().start_tsc).value();
    NoProgress progress;
    const Request request{place_, false, filter, query::CacheUse::kNone};
    const Result<Summary> done = write_export(*find_exporter(format), run, clock, request, progress);
    EXPECT_TRUE(done) << done.error().to_string();
    if (done) summary_ = *done;
  }

  const Summary& summary() const { return summary_; }
  /// "" of an export that is one file.
  std::string text(const std::string& file = "") const {
    return read_file(place_ + (file.empty() ? "" : "/" + file)).value();
  }

 private:
  run::ScratchDirectory scratch_;
  std::string place_ = scratch_ / "out";
  Summary summary_;
};

inline constexpr std::uint64_t kMadeStart = 2'000'000;

/// From and until so many nanoseconds of a made run.
inline merge::Filter made_range(std::uint64_t from, std::uint64_t until) {
  merge::Filter filter;
  filter.range = {HostTsc(kMadeStart + from), HostTsc(kMadeStart + until)};
  return filter;
}

}  // namespace ivtrace::exchange
