// How TimeDoctor is shown what programs said by marks. A thread's slices of one name are a queue of those
// that are open; its instants are notes; a counter is a queue that holds as much as it says.
//
// A queue holds nothing less than nothing and no more than 2^21, while a counter may count bytes, or be
// negative. So a gauge's level begins at the lowest value where that is below zero, and is in units of a
// power of two where the values reach too far. Its name says both, and each of its samples has the value
// itself.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "exchange/tables.h"

namespace ivtrace::exchange {

/// The row of a thread: "7" of process 7, "7/8" of its thread 8, "8" of a process that is not known.
std::string timedoctor_thread(std::int32_t tgid, std::int32_t tid);

/// How a counter's values become levels.
class TimedoctorGauge {
 public:
  /// For values from `lowest` to `highest`.
  TimedoctorGauge(std::int64_t lowest, std::int64_t highest);

  std::uint32_t level(std::int64_t value) const;
  /// "7:queue", "7:temperature_from_-4", "7:bytes_/1024".
  std::string name(std::int32_t tgid, std::string_view counter) const;

 private:
  std::int64_t base_;
  unsigned shift_ = 0;
};

/// The gauges of all counters that an export has: as many as the model keeps at most.
class TimedoctorGauges {
 public:
  static Result<TimedoctorGauges> load(Tables& tables);
  /// `counter` is "" for one without a name.
  const TimedoctorGauge& of(const std::string& machine, std::int32_t tgid, const std::string& counter) const {
    return gauges_.at({machine, tgid, counter});
  }

 private:
  std::map<std::tuple<std::string, std::int32_t, std::string>, TimedoctorGauge> gauges_;
};

}  // namespace ivtrace::exchange
