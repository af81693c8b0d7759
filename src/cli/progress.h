// What `ivtrace record` shows on a terminal while it records: one block of lines that is written anew in
// place.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/units.h"
#include "cli/output.h"

namespace ivtrace::cli {

/// The recording at one moment, as the recorder tells it.
struct ProgressView {
  struct Machine {
    std::string name;
    double events_per_second = 0;
    double bytes_per_second = 0;
    double ring_fill = -1;   ///< 0..1; negative: has no ring
    std::uint64_t lost = 0;  ///< events, so far
    std::string state;       ///< "" when all is well, else one clause
  };
  Nanoseconds elapsed;
  std::uint64_t bytes = 0;  ///< in the run so far
  std::vector<Machine> machines;
};

/// The block's lines, cut to `columns` characters.
std::vector<std::string> progress_lines(const ProgressView& view, std::size_t columns);

/// Owns the block on a terminal. Borrows the output. One thread.
class ProgressDisplay {
 public:
  explicit ProgressDisplay(Output& terminal) : terminal_(terminal) {}
  /// Puts the block in the place of the one before.
  void show(const ProgressView& view);
  /// Writes a line that stays above the block.
  void announce(const std::string& line);
  /// Takes the block away.
  void clear();

 private:
  void draw();

  Output& terminal_;
  std::vector<std::string> lines_;
  std::size_t drawn_ = 0;  // lines of the block that stand on the terminal
};

}  // namespace ivtrace::cli
