#include "exchange/trace_cmd_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>

#include "base/checksum.h"
#include "base/text.h"
#include "decode/event_format.h"
#include "decode/format_text.h"
#include "exchange/trace_cmd_limits.h"
#include "format/run_layout.h"
#include "model/vcpu_events.h"

namespace ivtrace::exchange {
namespace {

namespace dat = format::trace_dat;

// What libtracecmd itself calls the clock of a file with a TSC2NSEC option.
constexpr const char* kClock = "tsc2nsec";

// Those of every 64-bit kernel, for a run that lacks them.
constexpr std::string_view kHeaderPage =
    "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
    "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
    "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
    "\tfield: char data;\toffset:16;\tsize:4080;\tsigned:1;\n";
constexpr std::string_view kHeaderEvent =
    "# compressed entry header\n\ttype_len    :    5 bits\n\ttime_delta  :   27 bits\n"
    "\tarray       :   32 bits\n\n\tpadding     : type == 29\n\ttime_extend : type == 30\n"
    "\ttime_stamp : type == 31\n\tdata max type_len  == 28\n";

std::uint32_t page_size_of(const run::Machine& machine) {
  std::uint32_t most = kLeastPage;
  for (const run::PagesFile& file : machine.files) {
    for (const run::Segment& segment : file.segments) most = std::max(most, segment.page_size);
  }
  return std::bit_ceil(std::min<std::uint32_t>(most, format::kMaxSubBuffer));
}

const run::PagesFile* file_of(const run::Machine& machine, const merge::StreamInfo& info) {
  const auto found = std::ranges::find_if(machine.files, [&](const run::PagesFile& file) {
    return file.buffer == info.buffer && file.cpu == info.cpu.value;
  });
  return found == machine.files.end() ? nullptr : &*found;
}

/// Writes one file; lives as long as that takes.
class MachineFile {
 public:
  MachineFile(const TraceCmdJob& job, const TraceCmdMachine& machine, TraceDatWriter& out,
              const ProgressPart& part)
      : job_(job),
        machine_(machine),
        info_(job.job.run.machines()[machine.index]),
        out_(out),
        part_(part),
        names_(*job.events.formats(machine.index), text_of(format::kCmdlinesName)) {}

  Status write(const std::vector<std::size_t>& guests) {
    write_texts();
    IVT_RETURN_IF_ERROR(write_buffers());
    out_.cmdlines(names_.text());
    write_options(guests);
    tell();
    return out_.close();
  }

 private:
  bool is_host() const { return info_.info.name == format::kHostMachine; }
  std::string text_of(const char* name) const {
    const auto text = job_.job.run.read_text(info_.info.name, name);
    return text ? *text : std::string();
  }
  void write_texts();
  Status write_buffers();
  Status write_cpu(merge::EventStream& stream, const ProgressPart& part);
  void write_options(const std::vector<std::size_t>& guests);
  void write_clock_options();
  std::string time_shift() const;
  void write_counters();
  void tell();
  void number(std::uint16_t id, std::uint64_t value) {
    out_.option(id, TraceDatBytes().number(value).view());
  }
  void string(std::uint16_t id, const std::string& text) {
    out_.option(id, TraceDatBytes().string(text).view());
  }

  const TraceCmdJob& job_;
  const TraceCmdMachine& machine_;
  const run::Machine& info_;
  TraceDatWriter& out_;
  ProgressPart part_;
  ThreadNames names_;
  PageTally tally_;
  std::map<std::uint32_t, std::uint64_t> offsets_;  ///< guest − host, of CPUs whose times are their own
  std::uint32_t cpu_count_ = 1;
};

void MachineFile::write_texts() {
  const std::string all = text_of(format::kFormatsName);
  const decode::FormatTable& table = *job_.events.formats(machine_.index);
  std::string_view rest = all, page = kHeaderPage, event = kHeaderEvent;
  FormatTexts texts;
  while (!rest.empty()) {
    const auto file = decode::take_format_file(rest);
    if (!file) break;
    if (file->name == "header_page" && decode::check_header_page(file->content)) page = file->content;
    if (file->name == "header_event") event = file->content;
    const std::vector<std::string_view> path = split(file->name, '/');
    if (path.size() != 3) continue;
    // Only what was understood here: the text may be a guest's.
    const auto format = decode::parse_event_format(file->content, path[0]);
    const decode::EventFormat* const known = format ? table.find(format->id) : nullptr;
    if (known != nullptr && known->full_name() == format->full_name())
      texts[std::string(path[0])].push_back(file->content);
  }
  out_.header_info(page, event);
  out_.formats(texts);
  out_.kallsyms(text_of(format::kKallsymsName));
  out_.printk_formats(text_of(format::kPrintkFormatsName));
}

Status MachineFile::write_buffers() {
  // There is a main buffer in every file.
  const bool has_main = !machine_.streams.empty() && machine_.streams.front()->info().buffer.empty();
  std::string_view buffer;
  out_.begin_buffer(buffer, kClock);
  if (!has_main) {
    out_.begin_cpu(0);
    out_.end_cpu();
  }
  ProgressPart part = part_;
  part.length /= static_cast<double>(std::max<std::size_t>(machine_.streams.size(), 1));
  for (merge::EventStream* const stream : machine_.streams) {
    if (stream->info().buffer != buffer) {
      out_.end_buffer();
      buffer = stream->info().buffer;
      out_.begin_buffer(buffer, kClock);
    }
    cpu_count_ = std::max(cpu_count_, stream->info().cpu.value + 1);
    out_.begin_cpu(stream->info().cpu.value);
    IVT_RETURN_IF_ERROR(write_cpu(*stream, part));
    out_.end_cpu();
    part.begin += part.length;
  }
  out_.end_buffer();
  return out_.status();
}

Status MachineFile::write_cpu(merge::EventStream& stream, const ProgressPart& part) {
  const CpuId cpu = stream.info().cpu;
  PageCopy pages(out_, names_, tally_, part);
  const clock::GuestClock* const guest = is_host() ? nullptr : job_.events.guest_clock(machine_.index);
  const auto plain = plain_clock(guest, cpu, job_.job.filter.range);
  const run::PagesFile* const file = file_of(info_, stream.info());
  if (plain && file != nullptr) {
    IVT_ASSIGN_OR_RETURN(const Mapping mapping, job_.job.run.map_pages(*file));
    if (mapping.valid() && has_plain_times(*file, mapping.bytes())) {
      offsets_[cpu.value] = plain->offset;
      return pages.copy(*file, mapping.bytes(), *plain);
    }
  }
  return pages.encode(stream, job_.span);
}

void MachineFile::write_options(const std::vector<std::size_t>& guests) {
  const run::RunReader& run = job_.job.run;
  std::string uname;
  append_terminal_safe(uname, "Linux " + info_.info.hostname + " " + info_.info.kernel_release + " x86_64");
  string(dat::kUname, uname);
  string(dat::kVersion, std::string("ivtrace ") + IVTRACE_VERSION);
  out_.option(dat::kCpuCount,
              TraceDatBytes().number(std::max(cpu_count_, std::min(info_.info.cpu_count, kMostCpus))).view());
  number(dat::kTraceId, trace_id(run, info_.info.name));
  write_clock_options();
  for (const std::size_t guest : guests) out_.option(dat::kGuest, guest_option(run, guest));
  write_counters();
}

void MachineFile::write_clock_options() {
  const TscToNs& speed = job_.speed;
  out_.option(dat::kTscToNs,
              TraceDatBytes().number(speed.mult).number(speed.shift).number(std::uint64_t{0}).view());
  // Time 0 is the run's start, as everywhere else.
  const std::uint64_t start = speed.to_ns(job_.job.run.manifest().start_tsc.value);
  string(dat::kOffset, std::to_string(-static_cast<std::int64_t>(start)));
  if (!is_host()) out_.option(dat::kTimeShift, time_shift());
}

/// One sample for each CPU: by how much its times differ from the host's, always.
std::string MachineFile::time_shift() const {
  TraceDatBytes data;
  data.number(trace_id(job_.job.run, format::kHostMachine)).number(std::uint32_t{0}).number(cpu_count_);
  for (std::uint32_t cpu = 0; cpu < cpu_count_; ++cpu) {
    const auto own = offsets_.find(cpu);
    const std::uint64_t shift = own == offsets_.end() ? 0 : std::uint64_t{0} - own->second;
    data.number(std::uint32_t{1}).number(std::uint64_t{0}).number(shift).number(std::uint64_t{1});
  }
  for (std::uint32_t cpu = 0; cpu < cpu_count_; ++cpu) data.number(std::uint64_t{0});
  return std::string(data.view());
}

/// The kernel's counters of the main buffer, when all of the recording is written.
void MachineFile::write_counters() {
  const merge::TimeRange& range = job_.job.filter.range;
  if (range.from.value != 0 || range.until != merge::kEndOfTime) return;
  std::map<std::uint32_t, format::CpuCounters> sums;
  for (const run::CountersRecord& record : info_.counters) {
    if (!record.buffer.empty() || record.counters.cpu >= kMostCpus) continue;
    format::CpuCounters& sum = sums[record.counters.cpu];
    sum.unread += record.final_counters ? record.counters.unread : 0;
    sum.overrun += record.counters.overrun;
    sum.commit_overrun += record.counters.commit_overrun;
    sum.dropped += record.counters.dropped;
    sum.delivered += record.counters.delivered;
  }
  for (const auto& [cpu, sum] : sums) {
    string(dat::kCpuStat,
           fmt::format("CPU: {}\nentries: {}\noverrun: {}\ncommit overrun: {}\n"
                       "dropped events: {}\nread events: {}\n",
                       cpu, sum.unread, sum.overrun, sum.commit_overrun, sum.dropped, sum.delivered));
  }
}

void MachineFile::tell() {
  Summary& summary = job_.job.summary;
  const std::string& name = info_.info.name;
  if (tally_.without_time > 0) {
    summary.notices.push_back(fmt::format("{}: {} events are left out: no clock relation holds at their time",
                                          name, tally_.without_time));
  }
  if (tally_.too_large > 0) {
    summary.notices.push_back(
        fmt::format("{}: {} events are left out: no sub-buffer holds them", name, tally_.too_large));
  }
  summary.events += tally_.events;
  summary.incomplete = summary.incomplete || tally_.holes || tally_.without_time > 0 || tally_.too_large > 0;
}

}  // namespace

std::uint64_t trace_id(const run::RunReader& run, const std::string& machine) {
  const std::string text =
      run.manifest().created + "\n" + std::to_string(run.manifest().start_tsc.value) + "\n" + machine;
  return std::max<std::uint64_t>(checksum(std::as_bytes(std::span(text))), 1);
}

std::string guest_option(const run::RunReader& run, std::size_t machine) {
  std::vector<std::uint32_t> threads;
  for (const model::Vcpu& vcpu : model::run_vcpus(run)) {
    if (vcpu.machine != machine || !vcpu.cpu || vcpu.cpu->value >= kMostCpus) continue;
    threads.resize(std::max<std::size_t>(threads.size(), vcpu.cpu->value + std::size_t{1}));
    threads[vcpu.cpu->value] = static_cast<std::uint32_t>(vcpu.thread.value);
  }
  const std::string& name = run.machines()[machine].info.name;
  TraceDatBytes data;
  data.string(name).number(trace_id(run, name)).number(static_cast<std::uint32_t>(threads.size()));
  for (std::size_t cpu = 0; cpu < threads.size(); ++cpu)
    data.number(static_cast<std::uint32_t>(cpu)).number(threads[cpu]);
  return std::string(data.view());
}

Status write_machine(const TraceCmdJob& job, const TraceCmdMachine& machine,
                     const std::vector<std::size_t>& guests, const ProgressPart& part) {
  const run::Machine& info = job.job.run.machines()[machine.index];
  IVT_ASSIGN_OR_RETURN(
      TraceDatWriter out,
      TraceDatWriter::create(job.job.place + "/" + info.info.name + ".dat", page_size_of(info)));
  return MachineFile(job, machine, out, part).write(guests);
}

}  // namespace ivtrace::exchange
