// Counting what stands in a run's page files, without looking into the events.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "run/run_reader.h"

namespace ivtrace::cli {

/// What one .pages file holds. Times are the machine's own TSC.
struct FileScan {
  std::uint64_t events = 0;
  std::uint64_t damaged_bytes = 0;     ///< bytes that do not decode
  std::uint64_t missed = 0;            ///< events that the pages themselves say were lost
  std::uint64_t missed_uncounted = 0;  ///< times that a page says so without a number
  std::uint64_t missing_pages = 0;     ///< pages that never arrived, by their sequence numbers
  std::optional<std::uint64_t>
      missed_from;  ///< last event before the first loss; empty when it was lost from the start on
  std::optional<std::uint64_t> missed_until;  ///< first time after the last loss
  bool lost_mapping = false;                  ///< the file shrank while it was read
  std::optional<std::uint64_t> first;         ///< time of the first event
  std::optional<std::uint64_t> last;          ///< time of the last one

  bool has_holes() const { return missed > 0 || missed_uncounted > 0 || missing_pages > 0; }
};

/// Scans every file of the run: by machine, in the order of Machine::files. Runs on all CPUs. A file that
/// cannot be opened is told as damage of its whole size.
std::vector<std::vector<FileScan>> scan_files(const run::RunReader& run);

}  // namespace ivtrace::cli
