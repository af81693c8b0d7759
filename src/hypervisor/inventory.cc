// How one guest is looked at: the command line first, since it is always there; then its monitor, whose word
// replaces what hot-plugging may have changed; then /proc again for what neither told. The monitor's word is
// checked where the kernel knows better: a vCPU's thread must be a thread of that process, a ring's file must
// be mapped by it.
#include "hypervisor/inventory.h"

#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "hypervisor/cgroup.h"
#include "hypervisor/command_line.h"
#include "hypervisor/monitor.h"
#include "hypervisor/process.h"
#include "hypervisor/qmp_facts.h"

namespace ivtrace::hypervisor {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxUnknown = 64;
constexpr Nanoseconds kListLimit{2'000'000'000};

void say_unknown(Guest& guest, std::string text) {
  if (guest.unknown.size() < kMaxUnknown) guest.unknown.push_back(std::move(text));
}

std::string absolute(const std::string& path, const std::string& directory) {
  // "json:{…}", "nbd://…" are no paths of the file system.
  if (path.empty() || path.front() == '/' || directory.empty() || path.find(':') != std::string::npos)
    return path;
  return directory + "/" + path;
}

void identify(Disk& disk) {
  struct stat file {};
  if (disk.path.empty() || disk.path.front() != '/' || stat(disk.path.c_str(), &file) != 0) return;
  if (S_ISBLK(file.st_mode)) {
    disk.device_number = file.st_rdev;
  } else {
    disk.device_number = file.st_dev;
    disk.inode = file.st_ino;
  }
}

/// Asks one QEMU's monitor. Each question may fail alone: then that fact is unknown, the others are not.
class Interview {
 public:
  Interview(MonitorConnection& connection, Guest& guest) : connection_(connection), guest_(guest) {}

  void ask_all(const std::vector<Disk>& command_line_disks, const std::string& directory) {
    if (const auto name = ask("query-name"); name && !text_of(*name, "name").empty())
      guest_.name = text_of(*name, "name");
    if (const auto uuid = ask("query-uuid")) guest_.uuid = text_of(*uuid, "UUID");
    if (const auto status = ask("query-status")) guest_.status = text_of(*status, "status");
    if (const auto kvm = ask("query-kvm"); kvm && kvm->is_object()) ask_accel(*kvm);
    if (const auto cpus = ask("query-cpus-fast")) ask_apic_ids(vcpus_of(*cpus));
    if (const auto block = ask("query-block")) {
      std::vector<Disk> disks;
      for (QmpDisk& found : disks_of(*block)) {
        Disk& disk = disks.emplace_back(std::move(found.disk));
        disk.path = absolute(disk.path, directory);
        for (const std::string& group : found.throttle_groups)
          disk.limits = format::tightest(disk.limits, ask_group(group));
      }
      guest_.disks = merge_disks(command_line_disks, std::move(disks));
    }
    ask_rings(directory);
  }

 private:
  std::optional<json> ask(const std::string& command, const std::string& arguments = {}) {
    if (!connection_.usable()) return std::nullopt;
    auto answer = connection_.execute(command, arguments);
    if (answer) return std::move(*answer);
    if (answer.error().code != ErrorCode::kNotFound || !connection_.usable()) {
      guest_.qmp.state = QmpState::kFailed;
      guest_.qmp.detail = command + ": " + answer.error().message;
    }
    return std::nullopt;
  }

  std::optional<json> property(const std::string& path, const std::string& name) {
    return ask("qom-get",
               json{{"path", path}, {"property", name}}.dump(-1, ' ', false, json::error_handler_t::replace));
  }

  void ask_accel(const json& kvm) {
    const auto enabled = kvm.find("enabled");
    if (enabled == kvm.end() || !enabled->is_boolean()) return;
    if (enabled->get<bool>()) {
      guest_.accel = "kvm";
    } else if (guest_.accel != "xen" && guest_.accel != "hvf") {
      guest_.accel = "tcg";
    }
  }

  void ask_apic_ids(std::vector<QmpVcpu> cpus) {
    guest_.vcpus.clear();
    for (QmpVcpu& cpu : cpus) {
      if (const auto apic_id = property(cpu.qom_path, "apic-id"); apic_id && apic_id->is_number_unsigned()) {
        const auto wide = apic_id->get<std::uint64_t>();
        if (wide < ~0u) cpu.vcpu.apic_id = static_cast<std::uint32_t>(wide);  // all ones: not assigned
      }
      guest_.vcpus.push_back(cpu.vcpu);
    }
  }

  format::DiskLimits ask_group(const std::string& group) {
    const auto limits = property("/objects/" + group, "limits");
    return limits ? group_limits_of(*limits) : format::DiskLimits();
  }

  void ask_rings(const std::string& directory) {
    std::vector<RingBacking> rings;
    bool answered = false;
    for (const char* parent : {"/machine/peripheral", "/machine/peripheral-anon"}) {
      const auto devices = ask("qom-list", json{{"path", parent}}.dump());
      if (!devices) continue;
      answered = true;
      for (const std::string& device : children_of(*devices, parent, "ivshmem-plain")) {
        const auto memory = property(device, "memdev");
        const std::string memory_path = memory ? text_of(*memory) : std::string();
        if (memory_path.empty()) continue;
        const auto path = property(memory_path, "mem-path");
        const auto size = property(memory_path, "size");
        RingBacking ring;
        if (path) ring.path = absolute(text_of(*path), directory);
        if (size && size->is_number_unsigned()) ring.bytes = size->get<std::uint64_t>();
        if (ring.path.empty()) {
          say_unknown(guest_, "the memory of " + device + " is no file");
        } else {
          rings.push_back(ring);
        }
      }
    }
    if (answered && connection_.usable()) guest_.rings = std::move(rings);
  }

  MonitorConnection& connection_;
  Guest& guest_;
};

/// The monitors that the guest may be asked through, best first: libvirt marks a domain that is asked.
std::vector<Monitor> monitors_of(const CommandLine& line, const std::string& directory,
                                 const LibvirtChoice& libvirt) {
  std::vector<Monitor> monitors;
  for (const std::string& socket : line.qmp_sockets)
    monitors.emplace_back().path = absolute(socket, directory);
  if (line.monitor_is_held && libvirt.libvirt && !line.uuid.empty()) {
    Monitor& monitor = monitors.emplace_back();
    monitor.libvirt = libvirt.libvirt;
    monitor.domain = line.uuid;
  }
  return monitors;
}

/// Asks the first monitor that answers.
void ask_monitors(const CommandLine& line, const std::string& directory, const InventoryOptions& options,
                  Guest& guest) {
  for (const Monitor& monitor : monitors_of(line, directory, options.libvirt)) {
    guest.qmp = monitor;
    auto connection = open_monitor(monitor, options.step_limit, options.guest_limit);
    if (connection) {
      guest.qmp.state = QmpState::kOk;
      Interview(**connection, guest).ask_all(line.disks, directory);
      if (guest.qmp.state == QmpState::kOk) return;
      continue;
    }
    guest.qmp.state = connection.error().code == ErrorCode::kBusy ? QmpState::kBusy : QmpState::kFailed;
    guest.qmp.detail = connection.error().message;
  }
}

/// "CPU 3/KVM": QEMU names its threads when it runs with -name …,debug-threads=on, as libvirt's do.
std::optional<Vcpu> vcpu_of_thread(const ProcessThread& thread, std::string& accel) {
  if (!thread.name.starts_with("CPU ")) return std::nullopt;
  const std::size_t slash = thread.name.find('/');
  if (slash == std::string::npos) return std::nullopt;
  const auto index = parse_u64(std::string_view(thread.name).substr(4, slash - 4));
  if (!index || *index >= 8192) return std::nullopt;
  const std::string kind = thread.name.substr(slash + 1);
  if (kind == "KVM") accel = "kvm";
  if (kind == "TCG") accel = "tcg";
  return Vcpu{static_cast<std::int32_t>(*index), thread.tid, std::nullopt};
}

/// A QEMU in a container knows its threads by other numbers than we do.
void translate_threads(const std::string& proc, Guest& guest) {
  const auto threads = threads_by_own_number(guest.pid, proc);
  for (Vcpu& vcpu : guest.vcpus) {
    if (const auto thread = threads.find(vcpu.thread); thread != threads.end()) vcpu.thread = thread->second;
  }
}

void check_threads(const std::vector<ProcessThread>& threads, Guest& guest) {
  const auto is_foreign = [&](const Vcpu& vcpu) {
    return std::none_of(threads.begin(), threads.end(),
                        [&](const ProcessThread& thread) { return thread.tid == vcpu.thread; });
  };
  if (std::erase_if(guest.vcpus, is_foreign) != 0) {
    say_unknown(guest, "the monitor named vCPU threads that are none of the process': they are left out");
  }
  std::string accel;
  std::vector<Vcpu> named;
  for (const ProcessThread& thread : threads) {
    if (const auto vcpu = vcpu_of_thread(thread, accel)) named.push_back(*vcpu);
  }
  if (guest.accel.empty()) guest.accel = accel;
  if (guest.vcpus.empty()) guest.vcpus = std::move(named);
  std::sort(guest.vcpus.begin(), guest.vcpus.end(),
            [](const Vcpu& a, const Vcpu& b) { return a.index < b.index; });
  if (guest.vcpus.empty()) {
    say_unknown(guest,
                "which threads run the vCPUs: the monitor did not tell and the threads have no names "
                "(start QEMU with -qmp unix:… or with -name …,debug-threads=on)");
  }
}

void check_rings(const std::string& proc, Guest& guest) {
  std::erase_if(guest.rings, [&](const RingBacking& ring) {
    if (has_mapped(guest.pid, ring.path, proc)) return false;
    say_unknown(guest,
                "the ring's file " + ring.path +
                    " is not what the process has mapped (deleted, or in another mount namespace): left out");
    return true;
  });
}

void find_group_limits(const InventoryOptions& options, Guest& guest) {
  const auto unseen = [&](const Error& error) {
    say_unknown(guest, "limits that control groups set: " + error.message);
  };
  const auto groups = ControlGroups::find(options.proc);
  if (!groups) return unseen(groups.error());
  std::vector<Tid> threads;
  for (const Vcpu& vcpu : guest.vcpus) threads.push_back(vcpu.thread);
  const auto cpu = groups->cpu_limit_us(guest.pid, threads);
  if (!cpu) return unseen(cpu.error());
  guest.cpu_limit_us = *cpu;
  for (Disk& disk : guest.disks) {
    const auto limits = groups->disk_limits(guest.pid, limited_devices(disk.device_number, options.sys));
    if (!limits) return unseen(limits.error());
    disk.limits = format::tightest(disk.limits, *limits);
  }
}

void complete(const CommandLine& line, const std::string& no_libvirt, const std::string& proc, Guest& guest) {
  if (guest.name.empty()) guest.name = "qemu-" + std::to_string(guest.pid.value);
  if (guest.disks.empty() && guest.qmp.state != QmpState::kOk && line.disks.empty()) {
    for (const std::string& path : open_images(guest.pid, proc)) {
      Disk disk;
      disk.path = path;
      guest.disks.push_back(disk);
    }
    if (!guest.disks.empty()) say_unknown(guest, "formats of the disks: they are only known as open files");
  }
  for (Disk& disk : guest.disks) identify(disk);
  if (guest.qmp.state == QmpState::kNone && line.monitor_is_held) {
    say_unknown(guest, "what was plugged since the start: libvirt holds the monitor, and " +
                           (no_libvirt.empty() ? "it was not asked" : no_libvirt));
  } else if (guest.qmp.state == QmpState::kNone) {
    say_unknown(guest,
                "what was plugged since the start: no monitor to ask (QEMU option -qmp "
                "unix:PATH,server=on,wait=off)");
  } else if (guest.qmp.state != QmpState::kOk) {
    say_unknown(guest,
                "what was plugged since the start: the monitor did not tell all (" + guest.qmp.detail + ")");
  }
}

}  // namespace

const char* to_string(QmpState state) {
  switch (state) {
    case QmpState::kNone:
      return "none";
    case QmpState::kOk:
      return "ok";
    case QmpState::kBusy:
      return "busy";
    case QmpState::kFailed:
      return "failed";
  }
  return "failed";
}

Result<Guest> inspect_guest(Pid pid, const InventoryOptions& options) {
  IVT_ASSIGN_OR_RETURN(const QemuProcess process, read_process(pid, options.proc));
  CommandLine line = parse_command_line(process.arguments);
  for (Disk& disk : line.disks) disk.path = absolute(disk.path, process.working_directory);
  for (RingBacking& ring : line.rings) ring.path = absolute(ring.path, process.working_directory);
  Guest guest;
  guest.pid = pid;
  guest.start_time = process.start_time;
  guest.name = line.name;
  guest.uuid = line.uuid;
  guest.accel = line.accel;
  guest.disks = line.disks;
  guest.rings = line.rings;
  guest.unknown = line.unknown;
  guest.monitor_is_held = line.monitor_is_held;
  guest.has_agent_port = line.has_agent_port;
  guest.agent_socket = absolute(line.agent_socket, process.working_directory);
  if (options.use_qmp) ask_monitors(line, process.working_directory, options, guest);
  IVT_ASSIGN_OR_RETURN(const auto threads, list_threads(pid, options.proc));
  translate_threads(options.proc, guest);
  check_threads(threads, guest);
  check_rings(options.proc, guest);
  complete(line, options.libvirt.problem, options.proc, guest);
  find_group_limits(options, guest);
  // A pid that was given to another process meanwhile would have mixed two guests.
  const auto still = start_time(pid, options.proc);
  if (!still || *still != guest.start_time) {
    return Error(ErrorCode::kNotFound, "process " + std::to_string(pid.value) + " has ended");
  }
  return guest;
}

Result<std::vector<Guest>> find_guests(const InventoryOptions& options) {
  IVT_ASSIGN_OR_RETURN(const auto pids, qemu_pids(options.proc));
  std::vector<Guest> guests;
  for (const Pid pid : pids) {
    auto guest = inspect_guest(pid, options);
    if (guest) guests.push_back(std::move(*guest));  // else it ended while we looked
  }
  return guests;
}

bool libvirt_is_needed(const std::string& proc) {
  const auto pids = qemu_pids(proc);
  return pids && std::ranges::any_of(*pids, [&](Pid pid) {
           const auto process = read_process(pid, proc);
           return process && parse_command_line(process->arguments).monitor_is_held;
         });
}

std::vector<Domain> unseen_domains(const InventoryOptions& options, const std::vector<Guest>& guests) {
  if (!options.libvirt.libvirt) return {};
  auto domains = options.libvirt.libvirt->domains(kListLimit);
  if (!domains) return {};
  std::erase_if(*domains, [&](const Domain& domain) {
    return std::any_of(guests.begin(), guests.end(),
                       [&](const Guest& guest) { return guest.uuid == domain.uuid; });
  });
  return *std::move(domains);
}

std::optional<Error> unseen_domain(const InventoryOptions& options, const std::string& wanted,
                                   const std::vector<Guest>& guests) {
  for (const Domain& domain : unseen_domains(options, guests)) {
    if (domain.name != wanted && domain.uuid != wanted) continue;
    return Error(ErrorCode::kNotFound,
                 "libvirt at " + options.libvirt.libvirt->uri() + " runs the domain " + domain.name +
                     ", but no QEMU process here has its UUID " + domain.uuid,
                 "run ivtrace on the machine, and in the PID namespace, where that QEMU runs");
  }
  return std::nullopt;
}

}  // namespace ivtrace::hypervisor
