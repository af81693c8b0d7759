// All patterns that there are: those that came with the program, and people's own files.
#pragma once

#include <string>
#include <vector>

#include "patterns/pattern.h"

namespace ivtrace::patterns {

struct Library {
  std::vector<Pattern> patterns;         ///< by name
  std::vector<PatternProblem> problems;  ///< files that could not be read or parsed

  const Pattern* find(std::string_view name) const;
  /// Up to three names that are nearest to one.
  std::vector<std::string> nearest(std::string_view name) const;
};

/// Where people put their own, the last one wins: /etc/ivtrace/patterns, $XDG_CONFIG_HOME/ivtrace/patterns
/// (or ~/.config/…).
std::vector<std::string> pattern_directories();

/// The program's own patterns, and every file NAME.sql of the directories; one of the same name takes the
/// place of an earlier one. A directory that is not there is none; `required` ones are a problem then.
Library load_library(const std::vector<std::string>& directories, const std::vector<std::string>& required);

}  // namespace ivtrace::patterns
