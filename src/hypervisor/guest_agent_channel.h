// Opening the way to a guest's agent.
#pragma once

#include <memory>

#include "hypervisor/guest_agent.h"

namespace ivtrace::hypervisor {

/// Through libvirt if that holds the guest's monitor, else by the agent's socket, synchronised.
Result<std::unique_ptr<AgentChannel>> open_agent_channel(const Guest& guest, Nanoseconds limit);

}  // namespace ivtrace::hypervisor
