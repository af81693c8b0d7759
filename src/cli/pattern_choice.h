// Which patterns a command works with.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "patterns/library.h"

namespace CLI {
class App;
}

namespace ivtrace::cli {

struct PatternChoice {
  std::vector<std::string> directories;  ///< of one's own, beside the usual ones
  std::vector<std::string> names;        ///< empty: all
};

/// Declares --patterns DIR. `choice` outlives the parse.
void add_pattern_directories(CLI::App& command, PatternChoice& choice);
/// Declares --pattern NAME too.
void add_pattern_choice(CLI::App& command, PatternChoice& choice);
/// kNotFound, with the nearest names, when one that was asked for does not exist.
Result<patterns::Library> load_patterns(const PatternChoice& choice);

}  // namespace ivtrace::cli
