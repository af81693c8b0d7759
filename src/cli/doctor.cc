#include <CLI/App.hpp>
#include <memory>

#include "cli/checks_view.h"
#include "cli/commands.h"
#include "cli/connect_option.h"
#include "doctor/guest.h"
#include "doctor/host.h"

namespace ivtrace::cli {
namespace {

struct DoctorOptions {
  std::vector<std::string> guests;
  std::string output = ".";
  std::string connect;
  bool json = false;
};

Result<std::vector<CheckedMachine>> examine(const DoctorOptions& options) {
  std::vector<CheckedMachine> machines = {{"host", doctor::check_host(options.output)}};
  if (options.guests.empty()) return machines;
  IVT_ASSIGN_OR_RETURN(const hypervisor::InventoryOptions inventory, inventory_options(options.connect));
  for (const std::string& wanted : options.guests) {
    IVT_ASSIGN_OR_RETURN(const doctor::GuestState state, doctor::find_guest(wanted, inventory));
    CheckedMachine machine{state.guest.name, doctor::judge_guest(state)};
    if (state.agent_alive) {
      const std::vector<format::Check> answers = doctor::ask_agent(state.guest.rings.front().path);
      machine.checks.insert(machine.checks.end(), answers.begin(), answers.end());
    }
    machines.push_back(std::move(machine));
  }
  return machines;
}

ExitCode run_doctor(const DoctorOptions& options, Streams& streams) {
  const Result<std::vector<CheckedMachine>> machines = examine(options);
  if (!machines) {
    print_error(streams, machines.error());
    return ExitCode::kFailed;
  }
  streams.out << (options.json ? checks_json(*machines) : checks_text(*machines));
  return nothing_missing(*machines) ? ExitCode::kOk : ExitCode::kFailed;
}

}  // namespace

void add_doctor_command(CLI::App& app, Invocation& invocation) {
  CLI::App* const command =
      app.add_subcommand("doctor", "Tells what this host, or a guest, lacks for tracing, and how to get it");
  const auto options = std::make_shared<DoctorOptions>();
  command
      ->add_option("-g,--guest", options->guests, "Also ask this guest (name, UUID or pid); may be repeated")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command->add_option("-o,--output", options->output, "Where a run would be written")->type_name("DIR");
  add_connect_option(*command, options->connect);
  command->add_flag("--json", options->json, "One JSON object");
  command->callback([options, &invocation] {
    invocation.run = [options](Streams& streams) { return run_doctor(*options, streams); };
  });
}

}  // namespace ivtrace::cli
