#include "attach/attach.h"

#include <CLI/App.hpp>
#include <memory>

#include "attach/agent_program.h"
#include "attach/deploy.h"
#include "base/text.h"
#include "cli/attach_view.h"
#include "cli/commands.h"
#include "cli/connect_option.h"

namespace ivtrace::cli {
namespace {

/// An agent that waits for a ring takes it within two seconds: only then is there none to deploy.
constexpr std::chrono::milliseconds kAgentOfItsOwn(3000);

struct AttachOptions {
  std::string guest;
  std::string size = "16M";
  std::string connect;
  std::string agent;
  bool deploy = false;
  bool undeploy = false;
  bool json = false;
};

Result<doctor::GuestState> find_guest(const AttachOptions& options) {
  IVT_ASSIGN_OR_RETURN(const hypervisor::InventoryOptions inventory, inventory_options(options.connect));
  return doctor::find_guest(options.guest, inventory);
}

ExitCode failed(Streams& streams, const Error& error) {
  print_error(streams, error);
  return ExitCode::kFailed;
}

/// One line on a terminal, written anew in place; nothing elsewhere.
class CopyProgress {
 public:
  explicit CopyProgress(Output& terminal) : terminal_(terminal), show_(terminal.is_terminal()) {}
  ~CopyProgress() {
    if (shown_) terminal_ << "\r\x1b[K";
    terminal_.flush();
  }
  CopyProgress(const CopyProgress&) = delete;
  CopyProgress& operator=(const CopyProgress&) = delete;

  void show(std::uint64_t done, std::uint64_t all) {
    if (!show_ || all == 0) return;
    shown_ = true;
    terminal_ << "\r\x1b[Kcopying ivtrace-agent: " + std::to_string(done * 100 / all) + " % of " +
                     format_size(all) + (done == all ? ", starting it" : "");
    terminal_.flush();
  }

 private:
  Output& terminal_;
  const bool show_;
  bool shown_ = false;
};

Result<attach::Deployed> deploy_into(const hypervisor::Guest& guest, const attach::Attached& ring,
                                     const AttachOptions& options, Streams& streams) {
  if (ring.agent_alive) {
    attach::Deployed there;
    there.was_there = true;
    return there;
  }
  CopyProgress progress(streams.err);
  attach::DeployOptions how;
  how.agent = options.agent;
  how.progress = [&](std::uint64_t done, std::uint64_t all) { progress.show(done, all); };
  return attach::deploy(guest, ring.path, how);
}

/// Before anything is plugged: without a program there is nothing to deploy.
Status check_agent_program(const AttachOptions& options) {
  IVT_ASSIGN_OR_RETURN(const std::string path, attach::find_agent_program(options.agent));
  IVT_RETURN_IF_ERROR(attach::load_agent_program(path));
  return {};
}

ExitCode run_undeploy(const AttachOptions& options, Streams& streams) {
  const Result<doctor::GuestState> state = find_guest(options);
  if (!state) return failed(streams, state.error());
  const Result<attach::Undeployed> result = attach::undeploy(state->guest);
  if (!result) return failed(streams, result.error());
  streams.out << (options.json ? undeployed_json(state->guest.name, *result)
                               : undeployed_text(state->guest.name, *result));
  return ExitCode::kOk;
}

ExitCode run_attach(const AttachOptions& options, Streams& streams) {
  if (options.undeploy) return run_undeploy(options, streams);
  const Result<std::uint64_t> bytes = parse_size(options.size);
  if (!bytes || !hypervisor::pluggable_size(*bytes)) {
    print_error(streams, Error(ErrorCode::kInvalid, "--size " + options.size + " is no size of a ring",
                               "a power of two from 1M to 1G, as 16M"));
    return ExitCode::kUsage;
  }
  const Result<doctor::GuestState> state = find_guest(options);
  if (!state) return failed(streams, state.error());
  if (options.deploy && !state->agent_alive) {
    if (const Status program = check_agent_program(options); !program)
      return failed(streams, program.error());
  }
  attach::Options how;
  if (options.deploy) how.agent_wait = kAgentOfItsOwn;
  Result<attach::Attached> result = attach::attach(*state, *bytes, how);
  if (!result) return failed(streams, result.error());
  std::optional<attach::Deployed> deployed;
  if (options.deploy) {
    const Result<attach::Deployed> done = deploy_into(state->guest, *result, options, streams);
    // The ring stays: it is what was asked for, too, and an agent may come otherwise.
    if (!done) return failed(streams, done.error());
    deployed = *done;
    result->agent_alive = true;
  }
  streams.out << (options.json ? attached_json(state->guest.name, *result, deployed)
                               : attached_text(state->guest.name, *result, deployed));
  return ExitCode::kOk;
}

ExitCode run_detach(const AttachOptions& options, Streams& streams) {
  const Result<doctor::GuestState> state = find_guest(options);
  if (!state) return failed(streams, state.error());
  const Result<attach::Detached> result = attach::detach(*state);
  if (!result) return failed(streams, result.error());
  std::optional<attach::Undeployed> undeployed;
  if (options.undeploy) {
    const Result<attach::Undeployed> done = attach::undeploy(state->guest);
    if (!done) {
      Error error = done.error();
      error.message = "the ring is plugged out, but the agent was not removed: " + error.message;
      return failed(streams, error);
    }
    undeployed = *done;
  }
  streams.out << (options.json ? detached_json(state->guest.name, *result, undeployed)
                               : detached_text(state->guest.name, *result, undeployed));
  return ExitCode::kOk;
}

CLI::App* add_command(CLI::App& app, const char* name, const char* about, AttachOptions& options) {
  CLI::App* const command = app.add_subcommand(name, about);
  command->add_option("guest", options.guest, "The guest: name, UUID or pid")->required()->type_name("NAME");
  add_connect_option(*command, options.connect);
  command->add_flag("--json", options.json, "One JSON object");
  return command;
}

}  // namespace

void add_attach_command(CLI::App& app, Invocation& invocation) {
  const auto options = std::make_shared<AttachOptions>();
  CLI::App* const command = add_command(app, "attach", "Plugs a ring into a running guest", *options);
  CLI::Option* const size =
      command->add_option("--size", options->size, "Of the ring: a power of two, 16M if not given")
          ->type_name("SIZE");
  CLI::Option* const deploy = command->add_flag(
      "--deploy", options->deploy,
      "Also bring ivtrace-agent into the guest, through the QEMU guest agent, and start it");
  CLI::Option* const agent = command
                                 ->add_option("--agent", options->agent,
                                              "The ivtrace-agent to deploy, if not the one of this ivtrace")
                                 ->type_name("PATH")
                                 ->needs(deploy);
  command
      ->add_flag("--undeploy", options->undeploy,
                 "Only end the agent that --deploy started and remove it from the guest")
      ->excludes(deploy, agent, size);
  command->callback([options, &invocation] {
    invocation.run = [options](Streams& streams) { return run_attach(*options, streams); };
  });
}

void add_detach_command(CLI::App& app, Invocation& invocation) {
  const auto options = std::make_shared<AttachOptions>();
  CLI::App* const command =
      add_command(app, "detach", "Takes away the ring that attach plugged in", *options);
  command->add_flag("--undeploy", options->undeploy, "Then remove the agent that attach --deploy brought in");
  command->callback([options, &invocation] {
    invocation.run = [options](Streams& streams) { return run_detach(*options, streams); };
  });
}

}  // namespace ivtrace::cli
