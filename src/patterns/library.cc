#include "patterns/library.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "base/fd.h"
#include "base/text.h"
#include "patterns/embedded.h"

namespace ivtrace::patterns {
namespace {

constexpr std::size_t kMaxFile = 1 << 20;

/// Later ones take the place of earlier ones of the same name.
class Loader {
 public:
  void add(std::string name, std::string file, std::string_view text) {
    PatternProblem problem;
    std::optional<Pattern> pattern = parse_pattern(name, std::move(file), text, problem);
    if (!pattern) {
      problems_.push_back(std::move(problem));
      return;
    }
    patterns_.insert_or_assign(std::move(name), std::move(*pattern));
  }

  void add_directory(const std::string& directory, bool required) {
    std::error_code error;
    std::vector<std::filesystem::path> files;
    for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
      if (entry->path().extension() == ".sql") files.push_back(entry->path());
    }
    const bool is_none = error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory;
    if (error && (required || !is_none)) problems_.push_back({"", directory, 0, error.message()});
    std::sort(files.begin(), files.end());
    for (const std::filesystem::path& file : files) {
      const Result<std::string> text = read_file(file.string(), kMaxFile);
      if (text) {
        add(file.stem().string(), file.string(), *text);
      } else {
        problems_.push_back({file.stem().string(), file.string(), 0, text.error().to_string()});
      }
    }
  }

  Library take() {
    Library library;
    for (auto& [name, pattern] : patterns_) library.patterns.push_back(std::move(pattern));
    library.problems = std::move(problems_);
    return library;
  }

 private:
  std::map<std::string, Pattern> patterns_;
  std::vector<PatternProblem> problems_;
};

}  // namespace

const Pattern* Library::find(std::string_view name) const {
  const auto found = std::find_if(patterns.begin(), patterns.end(),
                                  [&](const Pattern& pattern) { return pattern.name == name; });
  return found == patterns.end() ? nullptr : &*found;
}

std::vector<std::string> Library::nearest(std::string_view name) const {
  std::vector<std::string> names;
  for (const Pattern& pattern : patterns) names.push_back(pattern.name);
  return nearest_names(name, names);
}

std::vector<std::string> pattern_directories() {
  std::vector<std::string> directories = {"/etc/ivtrace/patterns"};
  const char* const config = std::getenv("XDG_CONFIG_HOME");
  const char* const home = std::getenv("HOME");
  if (config != nullptr && *config != '\0') {
    directories.push_back(std::string(config) + "/ivtrace/patterns");
  } else if (home != nullptr && *home != '\0') {
    directories.push_back(std::string(home) + "/.config/ivtrace/patterns");
  }
  return directories;
}

Library load_library(const std::vector<std::string>& directories, const std::vector<std::string>& required) {
  Loader loader;
  for (const EmbeddedPattern& pattern : embedded_patterns())
    loader.add(std::string(pattern.name), "", pattern.text);
  for (const std::string& directory : directories) loader.add_directory(directory, false);
  for (const std::string& directory : required) loader.add_directory(directory, true);
  return loader.take();
}

}  // namespace ivtrace::patterns
