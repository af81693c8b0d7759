#include "exchange/trace_cmd_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>

#include "base/fd.h"
#include "base/text.h"
#include "decode/page.h"
#include "exchange/trace_cmd_clock.h"
#include "format/run_layout.h"

namespace ivtrace::exchange {
namespace {

Status open_one(TraceCmdFile& file) {
  // Not a pipe or a device that never answers.
  IVT_ASSIGN_OR_RETURN(const UniqueFd fd, open_file(file.path, O_RDONLY | O_NONBLOCK));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return errno_error(errno, "cannot read " + file.path);
  if (!S_ISREG(info.st_mode)) return Error(ErrorCode::kInvalid, file.path + ": not a file");
  if (info.st_size == 0) return Error(ErrorCode::kInvalid, file.path + ": empty");
  IVT_ASSIGN_OR_RETURN(file.mapping, Mapping::guarded(fd.get(), 0, static_cast<std::size_t>(info.st_size),
                                                      Mapping::Access::kRead, file.path));
  Result<TraceDat> dat = read_trace_dat(file.mapping.bytes());
  if (!dat) return about(file, dat.error());
  file.dat = *std::move(dat);
  return {};
}

/// Names in the run: the host's, those that the host's file has for its guests, else the files' own.
void name_machines(std::vector<TraceCmdFile>& files) {
  std::set<std::string> taken = {format::kHostMachine};
  files.front().machine = format::kHostMachine;
  for (std::size_t i = 1; i < files.size(); ++i) {
    TraceCmdFile& file = files[i];
    const std::string wanted = format::to_machine_name(
        file.guest != nullptr ? file.guest->name : std::filesystem::path(file.path).stem().string());
    file.machine = wanted;
    for (int n = 2; !taken.insert(file.machine).second; ++n) file.machine = wanted + "-" + std::to_string(n);
  }
}

/// Finds the guest in the host's file and its clock.
void tie_to_host(TraceCmdFile& file, const TraceCmdFile& host, std::vector<std::string>& notices) {
  const auto& guests = host.dat.guests;
  const auto known = std::ranges::find(guests, file.dat.trace_id, &TraceDatGuest::trace_id);
  if (file.dat.trace_id != 0 && known != guests.end()) file.guest = &*known;
  const auto& shift = file.dat.time_shift;
  const auto is_not_aligned = [&](const char* why) {
    notices.push_back(
        fmt::format("{}: {}: it has no trustworthy relation to the host's clock", file.path, why));
  };
  if (!shift) return is_not_aligned("it has no option TIMESHIFT");
  if (shift->peer == 0 || shift->peer != host.dat.trace_id)
    return is_not_aligned("its option TIMESHIFT is about another host's recording");
  std::uint32_t cpus = 0;
  for (const TraceDatBuffer& buffer : file.dat.buffers) {
    for (const TraceDatCpu& cpu : buffer.cpus) cpus = std::max(cpus, cpu.cpu + 1);
  }
  file.epochs = epochs_of(*shift, cpus);
  if (file.epochs.empty()) is_not_aligned("its option TIMESHIFT tells no clock that can be");
}

Status check_host(const std::vector<TraceCmdFile>& files) {
  const TraceCmdFile& host = files.front();
  if (!host.dat.time_shift) return {};
  for (const TraceCmdFile& file : files) {
    if (&file != &host && file.dat.trace_id == host.dat.time_shift->peer)
      return Error(ErrorCode::kInvalid, host.path + " is a guest's recording, " + file.path + " its host's",
                   "name the host's file first");
  }
  return {};
}

/// The first sub-buffer's time; empty when there is none that can be read.
Result<std::optional<std::uint64_t>> first_timestamp(const TraceDat& dat, const TraceDatBuffer& buffer,
                                                     const TraceDatCpu& cpu) {
  TraceDatPieces pieces(dat, buffer, cpu);
  IVT_ASSIGN_OR_RETURN(const auto piece, pieces.next());
  decode::PageWalker walker(piece, format::PageLayout::kSlots, buffer.page_size);
  decode::PageImage image;
  while (walker.next(image)) {
    if (image.readable) return std::optional(image.timestamp);
  }
  return std::optional<std::uint64_t>();
}

/// "name: value" of a stats file; 0 when it is not there.
std::uint64_t value_of(std::string_view text, std::string_view name) {
  for (const std::string_view line : split(text, '\n')) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || trim(line.substr(0, colon)) != name) continue;
    const auto value = parse_u64(trim(line.substr(colon + 1)));
    return value ? *value : 0;
  }
  return 0;
}

}  // namespace

Error about(const TraceCmdFile& file, const Error& error) {
  return Error(error.code, file.path + ": " + error.message, error.hint);
}

Result<std::vector<TraceCmdFile>> open_trace_cmd_files(const std::vector<std::string>& paths,
                                                       std::vector<std::string>& notices) {
  std::vector<TraceCmdFile> files(paths.size());
  for (std::size_t i = 0; i < paths.size(); ++i) {
    files[i].path = paths[i];
    IVT_RETURN_IF_ERROR(open_one(files[i]));
  }
  IVT_RETURN_IF_ERROR(check_host(files));
  for (std::size_t i = 1; i < files.size(); ++i) tie_to_host(files[i], files.front(), notices);
  name_machines(files);
  return files;
}

Result<std::optional<HostTsc>> first_time(const std::vector<TraceCmdFile>& files) {
  std::optional<HostTsc> first;
  for (const TraceCmdFile& file : files) {
    clock::GuestClock clock;
    for (const clock::Epoch& epoch : file.epochs) static_cast<void>(clock.add(epoch).ok());
    for (const TraceDatBuffer& buffer : file.dat.buffers) {
      for (const TraceDatCpu& cpu : buffer.cpus) {
        const auto time = first_timestamp(file.dat, buffer, cpu);
        if (!time) return about(file, time.error());
        if (!*time) continue;
        std::optional<HostTsc> host;
        if (&file == &files.front()) {
          host = HostTsc(**time);
        } else if (const auto converted = clock.to_host(GuestTsc(**time), CpuId(cpu.cpu))) {
          host = converted->tsc;
        }
        if (host) first = std::min(first.value_or(*host), *host);
      }
    }
  }
  return first;
}

run::MachineRecord machine_record(const TraceCmdFile& file, bool is_host) {
  run::MachineRecord record;
  record.name = file.machine;
  record.kind = is_host ? "host" : "guest";
  // "Linux host 6.1.0 #1 SMP … x86_64"
  const std::vector<std::string_view> words = split(file.dat.uname, ' ');
  if (words.size() > 2) {
    record.hostname = words[1];
    record.kernel_release = words[2];
  }
  record.tsc_khz = khz_of(speed_of(file.dat));
  record.cpu_count = file.dat.cpu_count;
  for (const TraceDatBuffer& buffer : file.dat.buffers) {
    for (const TraceDatCpu& cpu : buffer.cpus) record.cpu_count = std::max(record.cpu_count, cpu.cpu + 1);
  }
  record.feed = "trace-cmd";
  record.note = "imported from " + std::filesystem::path(file.path).filename().string();
  if (file.guest == nullptr) return record;
  // The APIC IDs are not known; any will do that are the same on both sides.
  for (const auto& [cpu, thread] : file.guest->vcpus) record.cpus.push_back({cpu, cpu, true});
  return record;
}

std::vector<run::CountersRecord> counters_of(const TraceCmdFile& file) {
  std::vector<run::CountersRecord> records;
  if (file.dat.buffers.empty()) return records;
  std::set<std::uint64_t> seen;
  for (const std::string& text : file.dat.cpu_stats) {
    const std::uint64_t cpu = value_of(text, "CPU");
    // Those of the first buffer come first.
    if (text.find("CPU") == std::string::npos || cpu > 0xffff || !seen.insert(cpu).second) continue;
    run::CountersRecord record;
    record.machine = file.machine;
    record.buffer = buffer_name(file.dat.buffers.front());
    record.final_counters = true;
    record.counters.cpu = static_cast<std::uint32_t>(cpu);
    record.counters.delivered = value_of(text, "read events");
    record.counters.unread = value_of(text, "entries");
    record.counters.overrun = value_of(text, "overrun");
    record.counters.commit_overrun = value_of(text, "commit overrun");
    record.counters.dropped = value_of(text, "dropped events");
    records.push_back(std::move(record));
  }
  return records;
}

std::string buffer_name(const TraceDatBuffer& buffer) {
  return buffer.name.empty() ? "" : format::to_machine_name(buffer.name);
}

}  // namespace ivtrace::exchange
