// Scripts that take minutes to compile are compiled before the recording begins, for the host and for the
// guests that are there by then: what happens meanwhile would fill the run. Guests that come later are
// compiled for while they are recorded (machine_tracers.h).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hypervisor/inventory.h"
#include "record/recorder.h"
#include "record/tracer_prepare.h"

namespace ivtrace::record {

/// What was prepared for one machine.
struct AheadOfMachine {
  std::string kernel_release;                            ///< what it was prepared for
  std::map<std::uint32_t, Result<PreparedTracer>> made;  ///< by the tracer's number on its machine

  /// Of a tracer, when its machine still runs that kernel.
  std::optional<Result<PreparedTracer>> find(std::uint32_t id, const std::string& release) const;
};

/// All machines of one recording. Filled once, by prepare(), then constant: threads may share it.
class PreparedAhead {
 public:
  struct Callbacks {
    std::function<void(const std::string&)> notice;  ///< one line for people; from any thread
    std::function<bool()> give_up;                   ///< from any thread
  };

  /// Whether there is something to prepare.
  static bool is_wanted(const RecordConfig& config);
  /// Compiles all scripts, machines side by side, and tells now and then that it does. What fails is kept as
  /// its machine's failure; a guest whose agent does not answer is left to the recording. Borrows no ring
  /// when it returns.
  void prepare(const RecordConfig& config, const std::string& host_release,
               const std::vector<hypervisor::Guest>& guests, const Callbacks& callbacks);

  /// nullptr when nothing was prepared for it.
  const AheadOfMachine* of_host() const { return of_ring(""); }
  /// Of the guest behind that ring file.
  const AheadOfMachine* of_ring(const std::string& path) const;

 private:
  std::map<std::string, AheadOfMachine> machines_;  // by ring file; "" is the host
};

}  // namespace ivtrace::record
