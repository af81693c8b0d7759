#include "attach/attach.h"

#include <CLI/App.hpp>
#include <memory>

#include "base/text.h"
#include "cli/attach_view.h"
#include "cli/commands.h"

namespace ivtrace::cli {
namespace {

struct AttachOptions {
  std::string guest;
  std::string size = "16M";
  bool json = false;
};

Result<doctor::GuestState> find_guest(const std::string& wanted) {
  IVT_ASSIGN_OR_RETURN(const std::vector<doctor::GuestState> guests, doctor::look_at_guests());
  IVT_ASSIGN_OR_RETURN(const std::size_t index, doctor::pick_guest(guests, wanted));
  return guests[index];
}

ExitCode failed(Streams& streams, const Error& error) {
  print_error(streams, error);
  return ExitCode::kFailed;
}

ExitCode run_attach(const AttachOptions& options, Streams& streams) {
  const Result<std::uint64_t> bytes = parse_size(options.size);
  if (!bytes || !hypervisor::pluggable_size(*bytes)) {
    print_error(streams, Error(ErrorCode::kInvalid, "--size " + options.size + " is no size of a ring",
                               "a power of two from 1M to 1G, as 16M"));
    return ExitCode::kUsage;
  }
  const Result<doctor::GuestState> state = find_guest(options.guest);
  if (!state) return failed(streams, state.error());
  const Result<attach::Attached> result = attach::attach(*state, *bytes);
  if (!result) return failed(streams, result.error());
  streams.out << (options.json ? attached_json(state->guest.name, *result)
                               : attached_text(state->guest.name, *result));
  return ExitCode::kOk;
}

ExitCode run_detach(const AttachOptions& options, Streams& streams) {
  const Result<doctor::GuestState> state = find_guest(options.guest);
  if (!state) return failed(streams, state.error());
  const Result<attach::Detached> result = attach::detach(*state);
  if (!result) return failed(streams, result.error());
  streams.out << (options.json ? detached_json(state->guest.name, *result)
                               : detached_text(state->guest.name, *result));
  return ExitCode::kOk;
}

CLI::App* add_command(CLI::App& app, const char* name, const char* about, AttachOptions& options) {
  CLI::App* const command = app.add_subcommand(name, about);
  command->add_option("guest", options.guest, "The guest: name, UUID or pid")->required()->type_name("NAME");
  command->add_flag("--json", options.json, "One JSON object");
  return command;
}

}  // namespace

void add_attach_command(CLI::App& app, Invocation& invocation) {
  const auto options = std::make_shared<AttachOptions>();
  CLI::App* const command = add_command(app, "attach", "Plugs a ring into a running guest", *options);
  command->add_option("--size", options->size, "Of the ring: a power of two, 16M if not given")
      ->type_name("SIZE");
  command->callback([options, &invocation] {
    invocation.run = [options](Streams& streams) { return run_attach(*options, streams); };
  });
}

void add_detach_command(CLI::App& app, Invocation& invocation) {
  const auto options = std::make_shared<AttachOptions>();
  CLI::App* const command =
      add_command(app, "detach", "Takes away the ring that attach plugged in", *options);
  command->callback([options, &invocation] {
    invocation.run = [options](Streams& streams) { return run_detach(*options, streams); };
  });
}

}  // namespace ivtrace::cli
