#include "cli/cli.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/declaration.h"

namespace ivtrace::cli {
namespace {

constexpr const char* kAbout =
    "Records the kernel of a KVM/QEMU host and of its guests at once and puts every event on one clock.";
constexpr const char* kTakesProgram = "record";  // the only command with a program behind --
constexpr const char* kExitCodes =
    "Exit status: 0 ok, 1 failed, 2 the command line makes no sense, 3 finished, but recorded data is lost.";

ExitCode usage_error(Streams& streams, const std::string& message, const std::string& hint) {
  print_error(streams, Error(ErrorCode::kInvalid, message, hint));
  return ExitCode::kUsage;
}

std::string quoted_list(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

/// The first word that is not an option: what stands in the command's place; empty when there is none.
std::string command_word(std::span<const std::string> arguments) {
  for (const std::string& argument : arguments) {
    if (!argument.starts_with('-')) return argument;
  }
  return {};
}

/// The command that the arguments name, or null.
CLI::App* named_command(CLI::App& app, std::span<const std::string> arguments) {
  const std::string word = command_word(arguments);
  for (CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() == word) return command;
  }
  return nullptr;
}

/// What CLI11 finds wrong, as one line that names the nearest option when an unknown one was given.
ExitCode report_parse_error(CLI::App& app, std::span<const std::string> arguments,
                            const CLI::ParseError& error, Streams& streams) {
  CLI::App* command = named_command(app, arguments);
  std::string hint = std::string("see ivtrace ") + (command ? command->get_name() + " " : "") + "--help";
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && command != nullptr) {
    const std::vector<std::string> extras = command->remaining();
    if (!extras.empty() && extras[0].starts_with("--")) {
      const std::string wanted = extras[0].substr(0, extras[0].find('='));
      const std::vector<std::string> nearest = nearest_names(wanted, option_names(*command));
      if (!nearest.empty()) hint = "did you mean " + quoted_list(nearest) + "? " + hint;
      return usage_error(streams, command->get_name() + " has no option " + wanted, hint);
    }
    if (!extras.empty()) {
      return usage_error(streams, command->get_name() + " does not expect \"" + extras[0] + "\"", hint);
    }
  }
  std::string message = error.what();
  std::replace(message.begin(), message.end(), '\n', ' ');
  return usage_error(streams, message, hint);
}

/// All commands and options.
void declare(CLI::App& app, Invocation& invocation) {
  app.footer(kExitCodes);
  app.set_help_flag("-h,--help", "Print a short help and end");
  app.set_version_flag("--version", std::string("ivtrace ") + IVTRACE_VERSION, "Print the version");
  app.require_subcommand(0, 1);
  app.get_formatter()->column_width(34);
  add_guests_command(app, invocation);
  add_attach_command(app, invocation);
  add_detach_command(app, invocation);
  add_record_command(app, invocation);
  add_info_command(app, invocation);
  add_report_command(app, invocation);
  add_diagnose_command(app, invocation);
  add_patterns_command(app, invocation);
  add_query_command(app, invocation);
  add_view_command(app, invocation);
  add_export_command(app, invocation);
  add_import_command(app, invocation);
  add_io_command(app, invocation);
  add_vcpus_command(app, invocation);
  add_exits_command(app, invocation);
  add_doctor_command(app, invocation);
  add_cleanup_command(app, invocation);
  add_compile_command(app, invocation);
}

}  // namespace

std::string declaration() {
  CLI::App app(kAbout, "ivtrace");
  Invocation unused;
  declare(app, unused);
  return declaration_json(app, kTakesProgram);
}

ExitCode run_cli(std::span<const std::string> arguments, Streams& streams) {
  Invocation invocation;
  invocation.command_line = {"ivtrace"};
  invocation.command_line.insert(invocation.command_line.end(), arguments.begin(), arguments.end());
  const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
  const bool has_trailing = dashes != arguments.end();
  if (has_trailing) invocation.trailing.assign(dashes + 1, arguments.end());
  const std::span<const std::string> own =
      arguments.first(static_cast<std::size_t>(dashes - arguments.begin()));

  CLI::App app(kAbout, "ivtrace");
  declare(app, invocation);

  if (const std::string word = command_word(own); !word.empty() && named_command(app, own) == nullptr) {
    const std::vector<std::string> names = command_names(app);
    const std::vector<std::string> nearest = nearest_names(word, names);
    return usage_error(
        streams, "there is no command \"" + word + "\"",
        nearest.empty() ? "commands: " + quoted_list(names) : "did you mean " + quoted_list(nearest) + "?");
  }
  try {
    std::vector<std::string> reversed(own.rbegin(), own.rend());
    app.parse(reversed);
  } catch (const CLI::CallForVersion& version) {
    streams.out << version.what() << "\n";
    return ExitCode::kOk;
  } catch (const CLI::CallForHelp&) {
    const CLI::App* command = named_command(app, own);
    streams.out << (command != nullptr ? command->help("ivtrace") : app.help());
    return ExitCode::kOk;
  } catch (const CLI::ParseError& error) {
    return report_parse_error(app, own, error, streams);
  }
  if (!invocation.run) {
    streams.err << app.help();
    return ExitCode::kUsage;
  }
  if (has_trailing && !app.got_subcommand(kTakesProgram)) {
    return usage_error(streams, std::string("only ") + kTakesProgram + " takes a program behind --",
                       std::string("see ivtrace ") + kTakesProgram + " --help");
  }
  return invocation.run(streams);
}

}  // namespace ivtrace::cli
