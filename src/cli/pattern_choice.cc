#include "cli/pattern_choice.h"

#include <CLI/App.hpp>
#include <algorithm>

namespace ivtrace::cli {

void add_pattern_directories(CLI::App& command, PatternChoice& choice) {
  command
      .add_option("--patterns", choice.directories, "Patterns of your own, *.sql; may be given several times")
      ->type_name("DIR")
      ->expected(1)
      ->take_all();
}

void add_pattern_choice(CLI::App& command, PatternChoice& choice) {
  command.add_option("--pattern", choice.names, "Only this pattern; may be given several times")
      ->type_name("NAME")
      ->expected(1)
      ->take_all();
  add_pattern_directories(command, choice);
}

Result<patterns::Library> load_patterns(const PatternChoice& choice) {
  patterns::Library library = patterns::load_library(patterns::pattern_directories(), choice.directories);
  for (const std::string& name : choice.names) {
    const bool is_broken = std::any_of(library.problems.begin(), library.problems.end(),
                                       [&](const auto& problem) { return problem.pattern == name; });
    if (library.find(name) != nullptr || is_broken) continue;
    std::string hint;
    for (const std::string& near : library.nearest(name)) hint += (hint.empty() ? "" : ", ") + near;
    return Error(ErrorCode::kNotFound, "there is no pattern " + name,
                 hint.empty() ? "ivtrace patterns lists them" : "did you mean " + hint + "?");
  }
  if (choice.names.empty()) return library;
  const auto unwanted = [&](const std::string& name) {
    return std::find(choice.names.begin(), choice.names.end(), name) == choice.names.end();
  };
  std::erase_if(library.patterns, [&](const auto& pattern) { return unwanted(pattern.name); });
  // One without a pattern is of a whole directory, which may have had what is wanted.
  std::erase_if(library.problems,
                [&](const auto& problem) { return !problem.pattern.empty() && unwanted(problem.pattern); });
  return library;
}

}  // namespace ivtrace::cli
