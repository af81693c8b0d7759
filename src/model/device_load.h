// Whose requests a host's device served during a stretch of time.
//
// For each owner the load is the time integral of what it had with the driver: requests × ticks and bytes ×
// ticks. Its difference between two moments says what else the device was busy with while a request waited.
// Integrals are kept per owner and brought up to date only when something of that owner changes. What the
// device finished meanwhile is counted too: how long it took per request, whoever's.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/units.h"
#include "model/block_events.h"

namespace ivtrace::model {

/// A guest, or a task of the host's own, and what it does to the device.
struct IoOwner {
  std::int32_t machine = 0;  ///< index in RunReader::machines()
  std::string task;          ///< "" for a guest; the name of a host's task
  IoDirection direction = IoDirection::kOther;

  friend auto operator<=>(const IoOwner&, const IoOwner&) = default;
};

/// Time integrals, in ticks.
struct LoadIntegral {
  double request_ticks = 0;
  double byte_ticks = 0;

  LoadIntegral& operator+=(const LoadIntegral& other) {
    request_ticks += other.request_ticks;
    byte_ticks += other.byte_ticks;
    return *this;
  }
};
/// All owners' integrals, and what was finished.
struct DeviceWork {
  std::map<IoOwner, LoadIntegral> owners;
  std::uint64_t requests = 0;
  std::uint64_t bytes = 0;

  DeviceWork& operator+=(const DeviceWork& other);
};

/// One device. One thread. Times never fall.
class DeviceLoad {
 public:
  void begin(const IoOwner& owner, std::uint64_t bytes, HostTsc at) {
    change(owner, 1, static_cast<double>(bytes), at);
  }
  /// It is done.
  void end(const IoOwner& owner, std::uint64_t bytes, HostTsc at) {
    take_back(owner, bytes, at);
    ++requests_;
    bytes_ += bytes;
  }
  /// The driver gave it back undone.
  void take_back(const IoOwner& owner, std::uint64_t bytes, HostTsc at) {
    change(owner, -1, -static_cast<double>(bytes), at);
  }
  /// All up to now.
  DeviceWork now(HostTsc at) const;
  /// What was added between two moments; owners without load are left out.
  static DeviceWork between(const DeviceWork& from, const DeviceWork& until);

  static constexpr std::size_t kMaxOwners = 256;  ///< further ones are one for each machine: "others"

 private:
  struct State {
    LoadIntegral sum;
    double requests = 0;
    double bytes = 0;
    HostTsc since;
  };
  static LoadIntegral up_to(const State& state, HostTsc at);
  void change(const IoOwner& owner, double requests, double bytes, HostTsc at);

  std::map<IoOwner, State> owners_;
  std::uint64_t requests_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace ivtrace::model
