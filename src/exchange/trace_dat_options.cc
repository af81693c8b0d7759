#include <cstdlib>

#include "base/text.h"
#include "exchange/trace_cmd_limits.h"
#include "exchange/trace_dat_sections.h"
#include "format/trace_dat.h"

namespace ivtrace::exchange {
namespace {

namespace dat_format = format::trace_dat;

constexpr std::size_t kMostGuests = 4096;
/// Of all CPUs: some hours of a guest with 4 CPUs at a sample a second. The clock looks through them for
/// each.
constexpr std::size_t kMostSamples = 1u << 15;
constexpr std::size_t kMostText = 64u << 10;

Error broken(const char* option) {
  return Error(ErrorCode::kCorrupt, std::string("its option ") + option + " makes no sense");
}

/// Text of an option, without its NUL.
std::string text_of(std::string_view data) {
  return std::string(data.substr(0, data.find('\0')).substr(0, kMostText));
}

/// A number in C's notation, in units of `ns`. Times wrap, as libtracecmd's do.
std::int64_t span_of(std::string_view data, std::uint64_t ns) {
  const std::string text = text_of(data);
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(std::strtoll(text.c_str(), nullptr, 0)) * ns);
}

Status read_time_shift(TraceDatInput in, TraceDat& dat) {
  TimeShift shift;
  shift.peer = in.number<std::uint64_t>();
  shift.interpolated = (in.number<std::uint32_t>() & dat_format::kInterpolated) != 0;
  const auto cpus = in.number<std::uint32_t>();
  if (!in.ok() || cpus > kMostCpus) return broken("TIMESHIFT");
  std::size_t total = 0;
  for (std::uint32_t cpu = 0; cpu < cpus; ++cpu) {
    const auto count = in.number<std::uint32_t>();
    if (!in.ok() || count > in.left() / (3 * sizeof(std::uint64_t))) return broken("TIMESHIFT");
    if ((total += count) > kMostSamples)
      return Error(ErrorCode::kUnsupported, "its option TIMESHIFT has too many samples to work with");
    std::vector<TimeSample>& samples = shift.cpus.emplace_back(count);
    for (TimeSample& sample : samples) sample.time = in.number<std::uint64_t>();
    for (TimeSample& sample : samples) sample.offset = in.number<std::int64_t>();
    for (TimeSample& sample : samples) sample.ratio = in.number<std::uint64_t>();
  }
  // Files of before have no fractions.
  for (std::vector<TimeSample>& samples : shift.cpus) {
    if (in.left() == 0) break;
    for (TimeSample& sample : samples) sample.frac_bits = in.number<std::uint64_t>();
  }
  if (!in.ok()) return broken("TIMESHIFT");
  dat.time_shift = std::move(shift);
  return {};
}

Status read_guest(TraceDatInput in, TraceDat& dat) {
  TraceDatGuest guest;
  guest.name = in.string();
  guest.trace_id = in.number<std::uint64_t>();
  const auto cpus = in.number<std::uint32_t>();
  if (!in.ok() || cpus > kMostCpus || dat.guests.size() == kMostGuests) return broken("GUEST");
  for (std::uint32_t i = 0; i < cpus; ++i) {
    const auto cpu = in.number<std::uint32_t>();
    const auto thread = in.number<std::int32_t>();
    if (!in.ok() || cpu >= kMostCpus) return broken("GUEST");
    if (thread > 0) guest.vcpus.emplace_back(cpu, thread);
  }
  dat.guests.push_back(std::move(guest));
  return {};
}

Status read_speed(TraceDatInput in, TraceDat& dat) {
  TscToNs speed;
  speed.mult = in.number<std::uint32_t>();
  speed.shift = in.number<std::uint32_t>();
  if (!in.ok() || !speed.valid()) return broken("TSC2NSEC");
  dat.speed = speed;
  return {};
}

}  // namespace

std::string clock_of(std::string_view text) {
  text = text.substr(0, text.find('\0'));
  const std::size_t begin = text.find('[');
  if (begin != std::string_view::npos) {
    text.remove_prefix(begin + 1);
    text = text.substr(0, text.find(']'));
  }
  return std::string(trim(text).substr(0, 64));
}

Status add_cpu(TraceDat& dat, const TraceDatCpu& cpu, TraceDatBuffer& buffer) {
  const auto number = std::to_string(cpu.cpu);
  if (cpu.cpu >= kMostCpus) return Error(ErrorCode::kCorrupt, "it has a CPU " + number);
  if (cpu.size == 0) return {};
  if (cpu.offset > dat.file.size() || cpu.size > dat.file.size() - cpu.offset)
    return Error(ErrorCode::kCorrupt, "cut off in the events of CPU " + number);
  for (const TraceDatCpu& known : buffer.cpus) {
    if (known.cpu == cpu.cpu) return Error(ErrorCode::kCorrupt, "it has CPU " + number + " twice");
  }
  // Or a small file would become a run of any size.
  dat.event_bytes += cpu.size;
  if (dat.event_bytes > dat.file.size())
    return Error(ErrorCode::kCorrupt, "the events of its CPUs lie at the same place");
  buffer.cpus.push_back(cpu);
  return {};
}

Status read_option(std::uint16_t id, std::string_view data, TraceDat& dat) {
  TraceDatInput in(data);
  switch (id) {
    case dat_format::kDate:
      dat.date_ns = span_of(data, 1000);
      return {};
    case dat_format::kOffset:
      dat.offset_ns = span_of(data, 1);
      return {};
    case dat_format::kCpuStat:
      if (dat.cpu_stats.size() < kMostCpus) dat.cpu_stats.push_back(text_of(data));
      return {};
    case dat_format::kTraceClock:
      if (!data.empty() && data.front() != '\0') dat.clock = clock_of(data);
      return {};
    case dat_format::kUname:
      dat.uname = text_of(data);
      return {};
    case dat_format::kCpuCount:
      dat.cpu_count = in.number<std::uint32_t>();
      return in.ok() && dat.cpu_count <= kMostCpus ? Status() : broken("CPUCOUNT");
    case dat_format::kTraceId:
      dat.trace_id = in.number<std::uint64_t>();
      return in.ok() ? Status() : broken("TRACEID");
    case dat_format::kTimeShift:
      return read_time_shift(in, dat);
    case dat_format::kGuest:
      return read_guest(in, dat);
    case dat_format::kTscToNs:
      return read_speed(in, dat);
    default:
      return {};
  }
}

}  // namespace ivtrace::exchange
