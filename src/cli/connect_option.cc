#include "cli/connect_option.h"

#include <CLI/App.hpp>

namespace ivtrace::cli {
namespace {

constexpr Nanoseconds kConnectLimit{10'000'000'000};

}  // namespace

void add_connect_option(CLI::App& command, std::string& uri) {
  command
      .add_option("--connect", uri,
                  "The libvirt to ask, as qemu:///session (default: qemu:///system, where it answers)")
      ->type_name("URI");
}

Result<hypervisor::InventoryOptions> inventory_options(const std::string& uri) {
  hypervisor::InventoryOptions options;
  if (uri.empty()) {
    if (hypervisor::libvirt_is_needed(options.proc)) {
      options.libvirt = hypervisor::local_libvirt();
    } else {
      options.later_libvirt = hypervisor::local_libvirt;
    }
    return options;
  }
  IVT_ASSIGN_OR_RETURN(options.libvirt.libvirt, hypervisor::connect_libvirt(uri, kConnectLimit));
  return options;
}

void tell_unseen(const hypervisor::InventoryOptions& options, const std::vector<hypervisor::Guest>& guests,
                 Streams& streams) {
  for (const hypervisor::Domain& domain : hypervisor::unseen_domains(options, guests)) {
    if (const auto why = hypervisor::unseen_domain(options, domain.uuid, guests)) print_error(streams, *why);
  }
}

}  // namespace ivtrace::cli
