#include <CLI/App.hpp>
#include <memory>

#include "cli/cache_option.h"
#include "cli/commands.h"
#include "cli/diagnosis_view.h"
#include "cli/interrupt.h"
#include "cli/pattern_choice.h"
#include "cli/run_choice.h"
#include "cli/run_info_load.h"
#include "patterns/judge.h"

namespace ivtrace::cli {
namespace {

struct DiagnoseOptions {
  std::string run;
  PatternChoice choice;
  bool json = false;
  query::CacheUse cache = query::CacheUse::kIfPossible;
};

Result<ExitCode> diagnose(const DiagnoseOptions& options, Streams& streams) {
  IVT_ASSIGN_OR_RETURN(const run::RunReader run, run::RunReader::open(options.run));
  IVT_ASSIGN_OR_RETURN(const clock::HostClock clock, host_clock_of(run));
  IVT_ASSIGN_OR_RETURN(const patterns::Library library, load_patterns(options.choice));
  const InterruptFlag interrupt;
  IVT_ASSIGN_OR_RETURN(const std::unique_ptr<query::Database> database,
                       query::Database::open(run, clock, interrupt.flag(), options.cache));
  IVT_ASSIGN_OR_RETURN(patterns::Diagnosis diagnosis, patterns::diagnose(*database, library.patterns));
  diagnosis.problems.insert(diagnosis.problems.begin(), library.problems.begin(), library.problems.end());
  streams.out << (options.json ? diagnosis_json(diagnosis) : diagnosis_text(diagnosis));
  streams.out.flush();
  for (const std::string& notice : database->notices()) print_notice(streams, notice);
  for (const patterns::PatternProblem& problem : diagnosis.problems) print_notice(streams, problem.text());
  if (!diagnosis.problems.empty()) return ExitCode::kFailed;
  if (run.damage_total() == 0 && !database->incomplete()) return ExitCode::kOk;
  print_notice(streams, "events are missing in the run, see ivtrace info: where they are, nothing is told");
  return ExitCode::kLoss;
}

}  // namespace

void add_diagnose_command(CLI::App& app, Invocation& invocation) {
  CLI::App* const command =
      app.add_subcommand("diagnose", "Names what made guests slow: which layer, since when, whose fault");
  const auto options = std::make_shared<DiagnoseOptions>();
  command->add_option("run", options->run, "The run directory")->required()->type_name("RUN");
  add_pattern_choice(*command, options->choice);
  command->add_flag("--json", options->json, "One JSON object");
  add_cache_option(*command, options->cache);
  command->callback([options, &invocation] {
    invocation.run = [options](Streams& streams) {
      return exit_code_of(diagnose(*options, streams), streams);
    };
  });
}

}  // namespace ivtrace::cli
