// Where the guests' disk requests spent their time: phases summed up per disk and direction, and the slowest
// requests in full.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "merge/stream.h"
#include "model/histogram.h"
#include "model/io_request.h"
#include "model/walk.h"
#include "run/run_reader.h"

namespace ivtrace::model {

/// Times in host ticks.
struct IoPhaseTimes {
  std::uint64_t total = 0;
  Histogram times;
  HostTsc longest_at;
};

/// All requests of one direction on one disk of a guest.
struct IoGroup {
  std::size_t machine = 0;
  std::optional<std::size_t> disk;  ///< index in Machine::disks; empty: not known which
  std::uint32_t device = 0;         ///< the guest's own number of it
  IoDirection direction = IoDirection::kRead;
  std::uint64_t bytes = 0;
  std::array<std::uint64_t, kIoTies> ties{};  ///< how many, by IoTie
  std::uint64_t total = 0;                    ///< ticks of all requests
  Histogram times;
  HostTsc longest_at;
  std::array<IoPhaseTimes, kIoPhases> phases;  ///< by IoPhaseKind
  DeviceWork load;                             ///< of the host's device while tied requests were with it
};

struct IoTimes {
  std::vector<IoGroup> groups;     ///< by machine, device and direction
  std::vector<IoRequest> slowest;  ///< slowest first
  std::uint64_t unfinished = 0;    ///< guest requests whose completion was not seen
  Walk walk;
};

struct IoTimesOptions {
  std::vector<std::string> machines;  ///< guests' names; empty: all
  merge::TimeRange range;             ///< requests that completed within it
  std::size_t slowest = 5;            ///< how many to keep in full
  /// Devices are a guest's word: what is on more of them is left out, and told.
  static constexpr std::size_t kMaxGroups = 256;
};

/// kNotFound when the run has no block requests of the host or of any guest. Reads the run once, and again
/// where the host lost events: requests that were open meanwhile are told as such.
Result<IoTimes> measure_io(const run::RunReader& run, const IoTimesOptions& options);

}  // namespace ivtrace::model
