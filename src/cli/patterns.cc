#include <CLI/App.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>

#include "base/fd.h"
#include "cli/commands.h"
#include "cli/pattern_choice.h"
#include "cli/patterns_view.h"
#include "cli/run_choice.h"
#include "cli/run_info_load.h"
#include "patterns/judge.h"
#include "patterns/score.h"

namespace ivtrace::cli {
namespace {

struct PatternsOptions {
  std::string action = "list";
  std::string argument;
  PatternChoice choice;
  bool json = false;
};

void print_problems(const patterns::Library& library, Streams& streams) {
  for (const patterns::PatternProblem& problem : library.problems) print_notice(streams, problem.text());
}

Result<ExitCode> list(const PatternsOptions& options, Streams& streams) {
  IVT_ASSIGN_OR_RETURN(const patterns::Library library, load_patterns(options.choice));
  streams.out << (options.json ? pattern_list_json(library) : pattern_list_text(library));
  streams.out.flush();
  print_problems(library, streams);
  return library.problems.empty() ? ExitCode::kOk : ExitCode::kFailed;
}

ExitCode usage_error(Streams& streams, const std::string& message, const std::string& hint) {
  print_error(streams, Error(ErrorCode::kInvalid, message, hint));
  return ExitCode::kUsage;
}

Result<ExitCode> show(PatternsOptions options, Streams& streams) {
  if (options.argument.empty())
    return usage_error(streams, "show which pattern?", "ivtrace patterns show NAME");
  options.choice.names = {options.argument};
  IVT_ASSIGN_OR_RETURN(const patterns::Library library, load_patterns(options.choice));
  print_problems(library, streams);
  if (library.patterns.empty()) return ExitCode::kFailed;
  streams.out << library.patterns.front().source;
  return library.problems.empty() ? ExitCode::kOk : ExitCode::kFailed;
}

/// A case is a folder that has a case.json; the run lies beside it.
std::vector<std::filesystem::path> cases_in(const std::string& directory, std::error_code& error) {
  std::vector<std::filesystem::path> cases;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (std::filesystem::exists(entry->path() / "case.json", error)) cases.push_back(entry->path());
  }
  std::sort(cases.begin(), cases.end());
  return cases;
}

Result<patterns::Diagnosis> diagnose_case(const std::filesystem::path& folder,
                                          const patterns::Library& library) {
  IVT_ASSIGN_OR_RETURN(const run::RunReader run, run::RunReader::open((folder / "run.ivt").string()));
  IVT_ASSIGN_OR_RETURN(const clock::HostClock clock, host_clock_of(run));
  IVT_ASSIGN_OR_RETURN(const std::unique_ptr<query::Database> database, query::Database::open(run, clock));
  return patterns::diagnose(*database, library.patterns);
}

Result<ExitCode> test(const PatternsOptions& options, Streams& streams) {
  if (options.argument.empty()) {
    return usage_error(streams, "test on which cases?",
                       "ivtrace patterns test DIR, a folder for each case in it");
  }
  IVT_ASSIGN_OR_RETURN(const patterns::Library library, load_patterns(options.choice));
  print_problems(library, streams);
  std::error_code error;
  const std::vector<std::filesystem::path> folders = cases_in(options.argument, error);
  if (error) return Error(ErrorCode::kNotFound, options.argument + ": " + error.message());
  if (folders.empty())
    return Error(ErrorCode::kNotFound, options.argument + " has no case: no folder in it has a case.json");
  patterns::Score score(library.patterns);
  PatternTestView view;
  std::set<std::string> problems;  // each case has the same ones
  bool is_right = library.problems.empty();
  for (const std::filesystem::path& folder : folders) {
    IVT_ASSIGN_OR_RETURN(const std::string text, read_file((folder / "case.json").string()));
    const Result<patterns::Truth> truth = patterns::parse_truth(text);
    if (!truth)
      return Error(truth.error().code, (folder / "case.json").string() + ": " + truth.error().message);
    const Result<patterns::Diagnosis> diagnosis = diagnose_case(folder, library);
    if (!diagnosis)
      return Error(diagnosis.error().code, folder.string() + ": " + diagnosis.error().to_string());
    view.cases.push_back({folder.filename().string(), score.add(*truth, *diagnosis)});
    is_right = is_right && view.cases.back().score.missed.empty() && view.cases.back().score.wrong.empty() &&
               diagnosis->problems.empty();
    for (const patterns::PatternProblem& problem : diagnosis->problems) {
      if (problems.insert(problem.text()).second) print_notice(streams, problem.text());
    }
  }
  streams.out << (options.json ? pattern_test_json(view, score) : pattern_test_text(view, score));
  return is_right ? ExitCode::kOk : ExitCode::kFailed;
}

Result<ExitCode> run_patterns(const PatternsOptions& options, Streams& streams) {
  if (options.action == "show") return show(options, streams);
  if (options.action == "test") return test(options, streams);
  if (!options.argument.empty())
    return usage_error(streams, "list takes no argument", "ivtrace patterns show " + options.argument);
  return list(options, streams);
}

}  // namespace

void add_patterns_command(CLI::App& app, Invocation& invocation) {
  CLI::App* const command =
      app.add_subcommand("patterns", "Lists, shows and tests the failure patterns that diagnose tries");
  const auto options = std::make_shared<PatternsOptions>();
  command->add_option("action", options->action, "list, show NAME, or test DIR")
      ->type_name("ACTION")
      ->check(CLI::IsMember({"list", "show", "test"}).description(""));
  command->add_option("argument", options->argument, "show: the pattern's name; test: the folder of cases")
      ->type_name("NAME|DIR");
  add_pattern_directories(*command, options->choice);
  command->add_flag("--json", options->json, "list and test: one JSON object");
  command->callback([options, &invocation] {
    invocation.run = [options](Streams& streams) {
      return exit_code_of(run_patterns(*options, streams), streams);
    };
  });
}

}  // namespace ivtrace::cli
