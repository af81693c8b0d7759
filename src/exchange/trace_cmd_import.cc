#include "exchange/trace_cmd_import.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <memory>
#include <set>

#include "base/fd.h"
#include "base/replacement.h"
#include "exchange/trace_cmd_clock.h"
#include "exchange/trace_cmd_files.h"
#include "format/run_layout.h"
#include "run/run_writer.h"

namespace ivtrace::exchange {
namespace {

constexpr std::uint64_t kCheckEvery = 1u << 16;
constexpr double kCopying = 0.7;  // of the work; the rest is reading what was copied

/// Makes one run; lives as long as that takes.
class Import {
 public:
  Import(const std::vector<TraceCmdFile>& files, const ImportRequest& request, Summary& summary,
         Progress& progress)
      : files_(files), request_(request), summary_(summary), progress_(progress) {
    for (const TraceCmdFile& file : files) {
      for (const TraceDatBuffer& buffer : file.dat.buffers) {
        for (const TraceDatCpu& cpu : buffer.cpus) bytes_ += cpu.size;
      }
    }
  }

  Status write(const std::string& path) {
    IVT_ASSIGN_OR_RETURN(const auto first, first_time(files_));
    if (!first) return no_events();
    const HostTsc zero = zero_of(files_.front().dat);
    start_ = zero.value > 0 && zero <= *first ? zero : *first;
    IVT_ASSIGN_OR_RETURN(writer_, run::RunWriter::create(path, manifest()));
    for (const TraceCmdFile& file : files_) {
      const Status written = write_machine(file);
      if (!written)
        return file.mapping.lost() ? Error(ErrorCode::kGone, file.path + " was cut while it was read")
                                   : written;
      if (file.mapping.lost()) return Error(ErrorCode::kGone, file.path + " was cut while it was read");
    }
    tell_clock();
    return look_at_events(path);
  }

 private:
  Error no_events() const {
    std::string all;
    for (const TraceCmdFile& file : files_) all += (all.empty() ? "" : ", ") + file.path;
    return Error(ErrorCode::kInvalid, "no events in " + all);
  }
  bool is_host(const TraceCmdFile& file) const { return &file == &files_.front(); }
  run::Manifest manifest() const;
  Status write_machine(const TraceCmdFile& file);
  Status write_texts(const TraceCmdFile& file);
  Status write_buffer(const TraceCmdFile& file, const TraceDatBuffer& buffer, const std::string& name);
  Status write_cpu(const TraceCmdFile& file, const TraceDatBuffer& buffer, const TraceDatCpu& cpu,
                   const std::string& name);
  Status write_journal(const TraceCmdFile& file);
  void tell_clock();
  Status look_at_events(const std::string& path);
  Status write_end(const run::RunReader& run, const std::vector<std::set<std::uint16_t>>& ids,
                   const merge::RunEvents& events, HostTsc last);

  const std::vector<TraceCmdFile>& files_;
  const ImportRequest& request_;
  Summary& summary_;
  Progress& progress_;
  HostTsc start_;
  std::unique_ptr<run::RunWriter> writer_;
  std::uint64_t bytes_ = 0;
  std::uint64_t done_ = 0;
};

run::Manifest Import::manifest() const {
  const TraceDat& host = files_.front().dat;
  run::Manifest manifest;
  manifest.tool_version = IVTRACE_VERSION;
  manifest.created = fmt::format("{:%FT%TZ}", fmt::gmtime(std::time(nullptr)));
  manifest.start_tsc = start_;
  manifest.command_line = request_.command_line;
  manifest.host_kernel = machine_record(files_.front(), true).kernel_release;
  manifest.trace_clock = host.speed ? "x86-tsc" : host.clock;
  return manifest;
}

Status Import::write_machine(const TraceCmdFile& file) {
  IVT_RETURN_IF_ERROR(write_journal(file));
  IVT_RETURN_IF_ERROR(write_texts(file));
  std::set<std::string> names;
  for (const TraceDatBuffer& buffer : file.dat.buffers) {
    const std::string name = buffer_name(buffer);
    if (!names.insert(name).second)
      return about(file, Error(ErrorCode::kCorrupt, "two of its buffers have the same name"));
    IVT_RETURN_IF_ERROR(write_buffer(file, buffer, name));
  }
  return {};
}

Status Import::write_journal(const TraceCmdFile& file) {
  IVT_RETURN_IF_ERROR(writer_->append(machine_record(file, is_host(file))));
  if (file.guest != nullptr) {
    for (const auto& [cpu, thread] : file.guest->vcpus) {
      const auto number = static_cast<std::int32_t>(cpu);
      IVT_RETURN_IF_ERROR(writer_->append(run::VcpuRecord{file.machine, number, thread, number}));
    }
  }
  for (const clock::Epoch& epoch : file.epochs)
    IVT_RETURN_IF_ERROR(writer_->append(run::EpochRecord{file.machine, epoch}));
  for (run::CountersRecord& counters : counters_of(file)) IVT_RETURN_IF_ERROR(writer_->append(counters));
  return {};
}

Status Import::write_texts(const TraceCmdFile& file) {
  const TraceDat& dat = file.dat;
  IVT_RETURN_IF_ERROR(writer_->write_text(file.machine, format::kFormatsName, dat.formats));
  IVT_RETURN_IF_ERROR(writer_->write_text(file.machine, format::kKallsymsName, dat.kallsyms));
  IVT_RETURN_IF_ERROR(writer_->write_text(file.machine, format::kPrintkFormatsName, dat.printk_formats));
  return writer_->write_text(file.machine, format::kCmdlinesName, dat.cmdlines);
}

Status Import::write_buffer(const TraceCmdFile& file, const TraceDatBuffer& buffer, const std::string& name) {
  const std::string& clock = buffer.clock.empty() ? file.dat.clock : buffer.clock;
  if (!buffer.name.empty() && clock != file.dat.clock) {
    summary_.notices.push_back(
        fmt::format("{}: buffer {} is left out: its clock is another one than the main "
                    "buffer's",
                    file.path, name));
    summary_.incomplete = true;
    return {};
  }
  for (const TraceDatCpu& cpu : buffer.cpus) IVT_RETURN_IF_ERROR(write_cpu(file, buffer, cpu, name));
  return {};
}

Status Import::write_cpu(const TraceCmdFile& file, const TraceDatBuffer& buffer, const TraceDatCpu& cpu,
                         const std::string& name) {
  run::SegmentRecord segment;
  segment.machine = file.machine;
  segment.buffer = name;
  segment.cpu = cpu.cpu;
  segment.page_size = buffer.page_size;
  IVT_RETURN_IF_ERROR(writer_->append(segment));
  IVT_ASSIGN_OR_RETURN(const UniqueFd pages, writer_->open_pages(file.machine, name, cpu.cpu));
  TraceDatPieces pieces(file.dat, buffer, cpu);
  const std::uint64_t before = done_;
  for (std::uint64_t offset = 0;;) {
    const auto piece = pieces.next();
    if (!piece) return about(file, piece.error());
    if (piece->empty()) break;
    IVT_RETURN_IF_ERROR(pwrite_all(pages.get(), *piece, offset, writer_->path()));
    offset += piece->size();
    done_ = before + std::min(offset, cpu.size);
    progress_.at("reading", kCopying * static_cast<double>(done_) / static_cast<double>(bytes_));
    IVT_RETURN_IF_ERROR(progress_.check());
  }
  done_ = before + cpu.size;
  return {};
}

void Import::tell_clock() {
  const TraceDat& host = files_.front().dat;
  if (!host.speed && (host.clock == "x86-tsc" || host.clock == "counter")) {
    summary_.notices.push_back(files_.front().path + ": it does not tell how fast its clock " + host.clock +
                               " counts: each tick is shown as a nanosecond");
  }
  for (const TraceCmdFile& file : files_) {
    if (!is_host(file) && file.dat.speed.has_value() != host.speed.has_value()) {
      summary_.notices.push_back(file.path + ": its times are not in the unit of the host's");
    }
  }
}

/// Reads the run once: its last time, and which events it has.
Status Import::look_at_events(const std::string& path) {
  IVT_ASSIGN_OR_RETURN(const run::RunReader run, run::RunReader::open(path));
  merge::Filter filter;
  filter.include_unaligned = true;
  IVT_ASSIGN_OR_RETURN(merge::RunEvents events, merge::RunEvents::open(run, filter));
  std::vector<std::set<std::uint16_t>> ids(run.machines().size());
  std::vector<std::vector<bool>> seen(ids.size(), std::vector<bool>(1u << 16));
  HostTsc last = start_;
  std::uint64_t walked = 0;
  for (merge::MergedEvent event; events.next(event); ++walked) {
    if (walked % kCheckEvery == 0) {
      progress_.at("reading", kCopying);
      IVT_RETURN_IF_ERROR(progress_.check());
    }
    summary_.incomplete = summary_.incomplete || event.loss != nullptr;
    if (event.loss != nullptr) continue;
    ++summary_.events;
    if (event.aligned) last = std::max(last, event.time);
    const std::size_t machine = event.stream->machine;
    if (seen[machine][event.id]) continue;
    seen[machine][event.id] = true;
    ids[machine].insert(event.id);
  }
  if (summary_.events == 0) return no_events();
  return write_end(run, ids, events, last);
}

Status Import::write_end(const run::RunReader& run, const std::vector<std::set<std::uint16_t>>& ids,
                         const merge::RunEvents& events, HostTsc last) {
  bool kvm = false;
  for (const TraceCmdFile& file : files_) {
    const auto machine = std::ranges::find_if(
        run.machines(), [&](const run::Machine& known) { return known.info.name == file.machine; });
    const auto index = static_cast<std::size_t>(machine - run.machines().begin());
    run::MachineRecord record = machine_record(file, is_host(file));
    for (const std::uint16_t id : ids[index]) {
      const decode::EventFormat* const format = events.formats(index)->find(id);
      if (format != nullptr) record.events.push_back(format->full_name());
    }
    if (is_host(file)) kvm = std::ranges::find(record.events, "kvm:kvm_entry") != record.events.end();
    if (!is_host(file) && kvm && file.guest != nullptr) record.accel = "kvm";
    IVT_RETURN_IF_ERROR(writer_->append(record));
  }
  // Two points make the clock's speed; they must not be the same.
  const HostTsc until(std::max(last.value, start_.value + khz_of(speed_of(files_.front().dat)) * 1000));
  for (const clock::Anchor& anchor : anchors_of(files_.front().dat, start_, until))
    IVT_RETURN_IF_ERROR(writer_->append(run::AnchorRecord{anchor}));
  return writer_->append(run::EndRecord{last, "imported"});
}

}  // namespace

Result<Summary> import_trace_cmd(const ImportRequest& request, Progress& progress) {
  Summary summary;
  IVT_ASSIGN_OR_RETURN(const std::vector<TraceCmdFile> files,
                       open_trace_cmd_files(request.files, summary.notices));
  for (const std::string& file : request.files) IVT_RETURN_IF_ERROR(keep_apart(request.out, file));
  IVT_ASSIGN_OR_RETURN(Replacement place,
                       Replacement::folder(request.out, request.force, {kImportMark, format::kCacheName}));
  // The run's writer makes its folder itself.
  if (::rmdir(place.fresh().c_str()) != 0) return errno_error(errno, "cannot make " + place.fresh());
  IVT_RETURN_IF_ERROR(Import(files, request, summary, progress).write(place.fresh()));
  IVT_RETURN_IF_ERROR(place.put());
  return summary;
}

}  // namespace ivtrace::exchange
