// What a QEMU command line tells: name, UUID, accelerator, disks, rings, monitors.
//
// QEMU's own syntax (qemu-options.hx, util/keyval.c): "-option value", "--option value"; a value is
// "key=value,…" with an implied first key, ",," for a comma within a value, "on" for a key alone; -blockdev,
// -device and -object also take JSON. The text comes from another process and may be anything; every list is
// bounded.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hypervisor/inventory.h"

namespace ivtrace::hypervisor {

/// Keys and values of one option; JSON objects are flattened ("cache.direct" → "on").
using OptionValues = std::map<std::string, std::string>;

/// Parses the "key=value,…" text of one option; `implied_key` is the key of a first part without "=".
OptionValues parse_option(std::string_view text, const std::string& implied_key);

/// The facts of one command line. Paths are as written there.
struct CommandLine {
  std::string name;
  std::string uuid;
  std::string accel;
  std::optional<std::uint32_t> cpus;  ///< -smp, online at start
  std::vector<Disk> disks;
  std::vector<RingBacking> rings;        ///< memory files behind ivshmem-plain devices
  std::vector<std::string> qmp_sockets;  ///< UNIX sockets that QEMU listens on for QMP
  bool monitor_is_held = false;          ///< it has a QMP monitor that its parent holds, as libvirt does
  bool has_agent_port = false;           ///< a virtio-serial port for the QEMU guest agent
  std::string agent_socket;              ///< UNIX socket behind that port; "" when its parent holds it
  std::vector<std::string> unknown;      ///< "the QMP monitor is no UNIX socket", …
};

/// `arguments` without the program's name.
CommandLine parse_command_line(const std::vector<std::string>& arguments);

/// cache=… from the three flags that QEMU makes of it.
std::string cache_mode(bool writeback, bool direct, bool no_flush);

/// Does a block node of that driver show the very bytes of the node below it?
bool is_block_filter(std::string_view driver);

}  // namespace ivtrace::hypervisor
