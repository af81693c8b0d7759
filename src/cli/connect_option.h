// --connect: which libvirt a command asks about guests whose monitor libvirt holds.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/output.h"
#include "hypervisor/inventory.h"

namespace CLI {
class App;
}

namespace ivtrace::cli {

void add_connect_option(CLI::App& command, std::string& uri);

/// "": the system's own daemon, once a guest is there whose monitor libvirt holds, if it answers quickly. A
/// URI that was given must be reached.
Result<hypervisor::InventoryOptions> inventory_options(const std::string& uri);

/// A line for each running domain that has no process here.
void tell_unseen(const hypervisor::InventoryOptions& options, const std::vector<hypervisor::Guest>& guests,
                 Streams& streams);

}  // namespace ivtrace::cli
