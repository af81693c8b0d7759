// Containment as the commands tell it: a guest's vCPUs summed up, from the run's journal or measured.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "base/result.h"
#include "clock/clock_map.h"
#include "run/run_reader.h"

namespace ivtrace::cli {

/// Whether the events of a KVM guest lie between their vCPU's kvm_entry and kvm_exit, as on a right clock
/// they must.
struct ContainmentInfo {
  std::uint64_t inside = 0;
  std::uint64_t outside = 0;         ///< violations: the clock is wrong
  std::uint64_t in_lost_ranges = 0;  ///< not judged: the host lost events there
  std::uint64_t unknown = 0;  ///< not judged: before the first entry or exit, or where the clock changed
  double worst_ns = 0;        ///< how far the worst violation lies outside
  std::int64_t worst_at_ns = 0;
};

/// By the guests' names; those without entries and exits in the run are left out.
using Containments = std::map<std::string, ContainmentInfo>;

/// What the journal tells or, where it tells nothing, what is measured now. Empty when it cannot be.
Containments containment_of(const run::RunReader& run, const clock::HostClock& clock);

/// Measures that of a run that has ended and writes it into its journal. kTimeout, and nothing written, when
/// `give_up` ended it.
Result<Containments> journal_containment(const std::string& path, const std::function<bool()>& give_up);

/// One clause for people.
std::string containment_text(const ContainmentInfo& containment);

}  // namespace ivtrace::cli
