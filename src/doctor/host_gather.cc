#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/fd.h"
#include "base/text.h"
#include "clock/kvm.h"
#include "doctor/host.h"
#include "hypervisor/inventory.h"
#include "tracefs/checks.h"

namespace ivtrace::doctor {
namespace {

/// What record leaves free on the disk unless it is told otherwise.
constexpr std::uint64_t kDiskFloor = 1ull << 30;

/// The kernel buffer per CPU that record asks for by default.
constexpr std::uint64_t kHostBufferKb = 4096;

std::string line_or_nothing(const std::string& path) {
  const Result<std::string> text = read_file(path, 4096);
  return text ? std::string(trim(*text)) : std::string();
}

/// The value of the first "key : value" line with that key.
std::string cpuinfo_value(std::string_view cpuinfo, std::string_view key) {
  for (const std::string_view line : split(cpuinfo, '\n')) {
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos && trim(line.substr(0, colon)) == key) {
      return std::string(trim(line.substr(colon + 1)));
    }
  }
  return {};
}

void gather_kvm(HostFacts& facts) {
  const Result<clock::KvmDebugfs> kvm = clock::KvmDebugfs::open();
  if (!kvm) facts.kvm_problem = kvm.error().message;
}

void gather_guests(HostFacts& facts) {
  hypervisor::InventoryOptions options;
  options.use_qmp = false;
  const Result<std::vector<hypervisor::Guest>> guests = hypervisor::find_guests(options);
  if (!guests) {
    facts.guests_problem = guests.error().message;
    return;
  }
  for (const hypervisor::Guest& guest : *guests) {
    facts.guests.push_back(guest.name + " (pid " + std::to_string(guest.pid.value) + ")");
  }
}

void gather_disk(HostFacts& facts, const std::string& output_directory) {
  facts.output_directory = output_directory;
  struct statvfs disk = {};
  if (::statvfs(output_directory.c_str(), &disk) != 0) {
    facts.disk_problem = errno_error(errno, "cannot look at " + output_directory).message;
    return;
  }
  facts.disk_free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  facts.disk_floor =
      std::max<std::uint64_t>(kDiskFloor, static_cast<std::uint64_t>(disk.f_blocks) * disk.f_frsize / 20);
}

}  // namespace

HostFacts gather_host_facts(const std::string& output_directory) {
  HostFacts facts;
  utsname system = {};
  if (::uname(&system) == 0) facts.kernel_release = system.release;
  if (const Result<std::string> cpuinfo = read_file("/proc/cpuinfo")) {
    facts.cpu_flags = cpuinfo_value(*cpuinfo, "flags");
  }
  facts.clocksource = line_or_nothing("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  facts.kvm_device = ::access("/dev/kvm", F_OK) == 0;
  gather_kvm(facts);
  gather_disk(facts, output_directory);
  gather_guests(facts);
  return facts;
}

std::vector<format::Check> check_host(const std::string& output_directory) {
  std::vector<format::Check> checks = tracefs::check_tracing(kHostBufferKb);
  const std::vector<format::Check> more = judge_host(gather_host_facts(output_directory));
  checks.insert(checks.end(), more.begin(), more.end());
  return checks;
}

}  // namespace ivtrace::doctor
