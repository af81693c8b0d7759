#include <CLI/App.hpp>
#include <memory>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/connect_option.h"
#include "cli/guests_view.h"
#include "doctor/guest.h"
#include "hypervisor/inventory.h"

namespace ivtrace::cli {
namespace {

struct GuestsOptions {
  std::string connect;
  bool json = false;
  bool names = false;
};

GuestView::Ring ring_view(const doctor::GuestState& state) {
  GuestView::Ring view;
  view.path = state.guest.rings.front().path;
  view.bytes = state.guest.rings.front().bytes;
  view.problem = state.ring_problem;
  if (!state.ring) return view;
  view.bytes = state.ring->file_bytes;
  view.usable = state.ring->formatted && state.ring_problem.empty();
  if (view.usable) view.cpus = state.ring->cpu_count;
  return view;
}

GuestView guest_view(const doctor::GuestState& state) {
  const hypervisor::Guest& guest = state.guest;
  GuestView view;
  view.pid = guest.pid.value;
  view.name = guest.name;
  view.uuid = guest.uuid;
  view.accel = guest.accel;
  view.cpu_limit_us = guest.cpu_limit_us;
  for (const hypervisor::Vcpu& vcpu : guest.vcpus) {
    view.vcpus.push_back(
        {vcpu.index, vcpu.thread.value, vcpu.apic_id ? static_cast<std::int64_t>(*vcpu.apic_id) : -1});
  }
  for (const hypervisor::Disk& disk : guest.disks) {
    view.disks.push_back({disk.device, disk.path, disk.format, disk.aio, disk.cache, disk.limits});
  }
  if (state.has_ring()) view.ring = ring_view(state);
  view.agent_alive = state.agent_alive;
  view.being_recorded = state.ring && state.ring->recorder_pid.has_value();
  view.monitor = hypervisor::to_string(guest.qmp.state);
  view.unknown = guest.unknown;
  if (guest.qmp.state == hypervisor::QmpState::kFailed)
    view.unknown.push_back("monitor: " + guest.qmp.detail);
  return view;
}

/// From the command lines alone: shell completion must be quick, and must not take a monitor from anybody.
ExitCode print_names(Streams& streams) {
  hypervisor::InventoryOptions options;
  options.use_qmp = false;
  const Result<std::vector<hypervisor::Guest>> guests = hypervisor::find_guests(options);
  if (!guests) {
    print_error(streams, guests.error());
    return ExitCode::kFailed;
  }
  for (const hypervisor::Guest& guest : *guests) {
    append_terminal_safe(streams.out.text(), guest.name);
    streams.out << "\n";
  }
  return ExitCode::kOk;
}

Result<std::vector<GuestView>> look(const GuestsOptions& options, Streams& streams) {
  IVT_ASSIGN_OR_RETURN(const hypervisor::InventoryOptions inventory, inventory_options(options.connect));
  IVT_ASSIGN_OR_RETURN(const std::vector<doctor::GuestState> states, doctor::look_at_guests(inventory));
  std::vector<GuestView> views;
  std::vector<hypervisor::Guest> guests;
  for (const doctor::GuestState& state : states) {
    views.push_back(guest_view(state));
    guests.push_back(state.guest);
  }
  tell_unseen(inventory, guests, streams);
  return views;
}

ExitCode run_guests(const GuestsOptions& options, Streams& streams) {
  const Result<std::vector<GuestView>> guests = look(options, streams);
  if (!guests) {
    print_error(streams, guests.error());
    return ExitCode::kFailed;
  }
  streams.out << (options.json ? guests_json(*guests) : guests_text(*guests));
  return ExitCode::kOk;
}

}  // namespace

void add_guests_command(CLI::App& app, Invocation& invocation) {
  CLI::App* const command = app.add_subcommand("guests", "Lists the virtual machines of this host");
  const auto options = std::make_shared<GuestsOptions>();
  add_connect_option(*command, options->connect);
  CLI::Option* const json = command->add_flag("--json", options->json, "One JSON object");
  command->add_flag("--names", options->names, "The names alone, one a line, without asking any guest")
      ->excludes(json);
  command->callback([options, &invocation] {
    invocation.run = [options](Streams& streams) {
      return options->names ? print_names(streams) : run_guests(*options, streams);
    };
  });
}

}  // namespace ivtrace::cli
