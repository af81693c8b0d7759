#include "cli/cli.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

namespace ivtrace::cli {
namespace {

struct Outcome {
  ExitCode code;
  std::string out;
  std::string err;
};

Outcome run(const std::vector<std::string>& arguments) {
  Output out = Output::to_memory();
  Output err = Output::to_memory();
  Streams streams{out, err};
  const ExitCode code = run_cli(arguments, streams);
  return {code, out.captured(), err.captured()};
}

TEST(Cli, VersionAndHelpGoToStandardOutput) {
  EXPECT_EQ(run({"--version"}).out, std::string("ivtrace ") + IVTRACE_VERSION + "\n");
  EXPECT_EQ(run({"--version"}).code, ExitCode::kOk);
  const Outcome help = run({"--help"});
  EXPECT_EQ(help.code, ExitCode::kOk);
  for (const char* command : {"guests", "record", "info", "report", "doctor", "cleanup"}) {
    EXPECT_NE(help.out.find(command), std::string::npos) << command;
    const Outcome own = run({command, "--help"});
    EXPECT_NE(own.out.find(std::string("Usage: ivtrace ") + command + " [OPTIONS]"), std::string::npos)
        << own.out;
    EXPECT_EQ(own.code, ExitCode::kOk) << command;
    EXPECT_NE(own.out.find(std::string("ivtrace ") + command), std::string::npos) << own.out;
    EXPECT_EQ(own.err, "");
  }
}

TEST(Cli, NoCommandShowsTheHelpAsAnError) {
  const Outcome outcome = run({});
  EXPECT_EQ(outcome.code, ExitCode::kUsage);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("report"), std::string::npos);
}

TEST(Cli, UsageErrorsAreOneLineWithAHint) {
  struct Case {
    std::vector<std::string> arguments;
    const char* expected;
  };
  const std::vector<Case> cases = {
      {{"reprot", "run.ivt"}, "did you mean report?"},
      {{"xyzzy123456"}, "commands: guests"},
      {{"report", "run.ivt", "--machin", "vm1"}, "did you mean --machine"},
      {{"report"}, "see ivtrace report --help"},
      {{"info", "a", "b"}, "does not expect \"b\""},
      {{"report", "run.ivt", "--cpu", "x"}, "see ivtrace report --help"},
      {{"record"}, "--output"},
      {{"record", "-o", "x", "--profile", "oi"}, "did you mean io?"},
      {{"record", "-o", "x", "--profile", "io", "--events", "sched"}, "see ivtrace record --help"},
      {{"record", "-o", "x", "--duration", "soon"}, "is not a time span"},
      {{"record", "-o", "x", "--max-size", "many"}, "is not a size"},
      {{"record", "-o", "x", "--max-size", "1K"}, "1M is the least"},
      {{"record", "-o", "x", "--buffer-size", "1"}, "16K to 4G"},
      {{"record", "-o", "x", "--filter", "nonsense"}, "for example"},
      {{"record", "-o", "x", "--ring", "=/dev/shm/x"}, "for example"},
      {{"info", "x", "--", "ls"}, "only record takes a program"},
  };
  for (const Case& c : cases) {
    const Outcome outcome = run(c.arguments);
    EXPECT_EQ(outcome.code, ExitCode::kUsage) << c.arguments[0] << outcome.err;
    EXPECT_NE(outcome.err.find(c.expected), std::string::npos) << outcome.err;
    EXPECT_TRUE(outcome.err.starts_with("ivtrace: ")) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
}

TEST(Cli, TheDeclarationHasEveryCommandWithItsOptions) {
  const auto declared = nlohmann::json::parse(declaration());
  EXPECT_EQ(declared["name"], "ivtrace");
  EXPECT_EQ(declared["version"], IVTRACE_VERSION);
  std::map<std::string, nlohmann::json> commands;
  for (const auto& command : declared["commands"]) commands[command["name"]] = command;
  for (const auto& [name, command] : commands) EXPECT_EQ(command["takes_program"], name == "record");

  std::map<std::string, nlohmann::json> record;
  for (const auto& option : commands["record"]["options"]) record[option["names"].back()] = option;
  EXPECT_EQ(record["--output"]["names"], (std::vector<std::string>{"-o", "--output"}));
  EXPECT_EQ(record["--output"]["value"], "DIR");
  EXPECT_TRUE(record["--output"]["required"]);
  EXPECT_FALSE(record["--output"]["repeated"]);
  EXPECT_TRUE(record["--guest"]["repeated"]);
  EXPECT_EQ(record["--quiet"]["value"], "");
  EXPECT_EQ(record["--profile"]["value"], "io|cpu|all");
  EXPECT_EQ(record["--feed"]["value"], "map|read");
  EXPECT_FALSE(record.contains("--state-directory")) << "hidden";

  const auto& run = commands["info"]["options"][1];
  EXPECT_EQ(run["names"], nlohmann::json::array()) << run;
  EXPECT_EQ(run["value"], "RUN");
  EXPECT_TRUE(run["required"]);
}

TEST(Cli, EscapesOfTheCommandLineDoNotReachTheTerminal) {
  const Outcome outcome = run({"\x1b[2J"});
  EXPECT_EQ(outcome.err.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace ivtrace::cli
