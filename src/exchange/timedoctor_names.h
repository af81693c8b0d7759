// What blocks and lines of a TimeDoctor file are called.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "exchange/timedoctor_rows.h"
#include "run/run_reader.h"

namespace ivtrace::exchange {

/// What the columns of TimedoctorBlock say.
struct TimedoctorBlockName {
  std::string machine;
  TimedoctorPart part = TimedoctorPart::kCpu;
  std::int64_t cpu = 0;
  std::int64_t thread = 0;

  /// The block that the row belongs to.
  explicit TimedoctorBlockName(const TimedoctorRows& rows);
  /// Whether there is another row, and it belongs to this block.
  bool is_of(const TimedoctorRows& rows) const;
  /// "vm1:cpu0", "vm1:disks"
  std::string text() const;
};

/// Owns the names of the host's threads that run vCPUs. One thread.
class TimedoctorNames {
 public:
  explicit TimedoctorNames(const run::RunReader& run);

  /// Of the line that a row of TimedoctorLines is about. Counters are named by their gauge.
  std::string line(const TimedoctorBlockName& block, TimedoctorTopic topic,
                   const TimedoctorRows& lines) const;

 private:
  std::string task(const TimedoctorBlockName& block, std::int64_t tid, std::string_view comm,
                   std::string_view owner) const;

  std::unordered_map<std::int64_t, std::string> vcpus_;
};

}  // namespace ivtrace::exchange
