#include "record/host_texts.h"

#include <sys/utsname.h>

#include "base/fd.h"
#include "base/text.h"
#include "record/registry.h"
#include "tracefs/cpus.h"
#include "tracefs/events.h"

namespace ivtrace::record {

// Symbols are large and only make addresses prettier: where there is no room, the recording goes on without
// them.
static void save_symbols(RunLog& log) {
  auto symbols = read_file("/proc/kallsyms");
  if (!symbols) return log.note(format::kHostMachine, "no symbols: " + symbols.error().message);
  if (symbols->size() > log.space().left() / 4) {
    return log.note(format::kHostMachine, "no symbols: the run's size limit leaves no room for them");
  }
  if (Status written = log.writer().write_text(format::kHostMachine, format::kKallsymsName, *symbols);
      !written) {
    return log.note(format::kHostMachine, "no symbols: " + written.error().message);
  }
  log.space().add(symbols->size());
}

Status save_host_texts(RunLog& log, const tracefs::TraceDir& dir, std::span<const std::string> events) {
  run::RunWriter& writer = log.writer();
  IVT_ASSIGN_OR_RETURN(const std::string formats, tracefs::formats_text(dir, events));
  IVT_RETURN_IF_ERROR(writer.write_text(format::kHostMachine, format::kFormatsName, formats));
  log.space().add(formats.size());
  auto printk = read_file_at(dir.fd(), "printk_formats");
  if (printk)
    IVT_RETURN_IF_ERROR(writer.write_text(format::kHostMachine, format::kPrintkFormatsName, *printk));
  save_symbols(log);
  return {};
}

Status HostTaskNames::save(RunLog& log) {
  // Numbers do without names where /proc cannot be read.
  if (const auto now = names_.text()) told_ += *now;
  return log.writer().write_text(format::kHostMachine, format::kCmdlinesName, told_);
}

run::MachineRecord describe_host() {
  run::MachineRecord host;
  host.name = format::kHostMachine;
  host.kind = "host";
  struct utsname names {};
  if (::uname(&names) == 0) {
    host.kernel_release = names.release;
    host.hostname = names.nodename;
  }
  if (auto uuid = read_file("/sys/class/dmi/id/product_uuid", 4096)) host.uuid = std::string(trim(*uuid));
  host.boot_id = current_boot_id();
  host.feed = "splice";
  auto possible = tracefs::possible_cpus();
  if (possible) host.cpu_count = static_cast<std::uint32_t>(possible->size());
  return host;
}

std::uint64_t tsc_khz_between(const clock::Anchor& first, const clock::Anchor& last) {
  const std::int64_t ns = last.monotonic_raw.value - first.monotonic_raw.value;
  if (ns <= 1'000'000) return 0;
  const auto ticks = static_cast<unsigned __int128>(last.tsc.value - first.tsc.value);
  return static_cast<std::uint64_t>(ticks * 1'000'000 / static_cast<std::uint64_t>(ns));
}

}  // namespace ivtrace::record
