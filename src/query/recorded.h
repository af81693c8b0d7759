// What a run has of each machine, so that nobody takes an empty table for a quiet machine.
//
// From the journal and the alignment alone: no event is read. What is missing comes with the reason, and with
// what the user can do about it at the next recording.
#pragma once

#include <string>
#include <vector>

#include "run/run_reader.h"

namespace ivtrace::query {

/// One line of the table `recorded`; docs/tables.md tells what each `what` means.
struct Recorded {
  std::string machine;  ///< "" for the run as a whole
  std::string what;
  bool recorded = false;
  std::string reason;  ///< why not, or what of it is missing; "" when it is all there
  std::string option;  ///< how to record it; "" when it is there or when nothing helps
};

/// The run as a whole first, then the host, then each guest.
std::vector<Recorded> recorded_of(const run::RunReader& run);

}  // namespace ivtrace::query
