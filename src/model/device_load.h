// Whose requests a host's device served during a stretch of time.
//
// For each owner the load is the time integral of what it had with the driver: requests × ticks and bytes ×
// ticks. Its difference between two moments says what else the device was busy with while a request waited.
// Integrals are kept per owner and brought up to date only when something of that owner changes.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/units.h"

namespace ivtrace::model {

/// A guest, or a task of the host's own.
struct IoOwner {
  std::int32_t machine = 0;  ///< index in RunReader::machines()
  std::string task;          ///< "" for a guest; the name of a host's task

  friend auto operator<=>(const IoOwner&, const IoOwner&) = default;
};

/// Time integrals, in ticks.
struct LoadIntegral {
  double request_ticks = 0;
  double byte_ticks = 0;
};

/// One device. One thread. Times never fall.
class DeviceLoad {
 public:
  using Snapshot = std::map<IoOwner, LoadIntegral>;

  void begin(const IoOwner& owner, std::uint64_t bytes, HostTsc at) { change(owner, 1, bytes, at); }
  void end(const IoOwner& owner, std::uint64_t bytes, HostTsc at) {
    change(owner, -1, -static_cast<double>(bytes), at);
  }
  /// All owners' integrals up to now.
  Snapshot now(HostTsc at) const;
  /// What was added between two snapshots; owners without load are left out.
  static Snapshot between(const Snapshot& from, const Snapshot& until);

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
};

}  // namespace ivtrace::model
