#include "merge/run_events.h"

#include <sys/mman.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "format/run_layout.h"

namespace ivtrace::merge {
namespace {

template <class T>
bool wanted(const std::vector<T>& list, const T& value) {
  return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
}

bool is_host(const run::Machine& machine) { return machine.info.name == format::kHostMachine; }

bool has_pages(const run::Machine& machine, const std::string& buffer, std::uint32_t cpu) {
  return std::any_of(machine.files.begin(), machine.files.end(), [&](const run::PagesFile& file) {
    return file.buffer == buffer && file.cpu == cpu && file.size > 0;
  });
}

Status check_machines(const run::RunReader& reader, const Filter& filter) {
  for (const std::string& name : filter.machines) {
    if (reader.find(name) != nullptr) continue;
    std::string all;
    for (const run::Machine& machine : reader.machines())
      all += (all.empty() ? "" : ", ") + machine.info.name;
    return Error(ErrorCode::kNotFound, "no machine '" + name + "' in " + reader.path(), "there are: " + all);
  }
  return {};
}

std::vector<StreamSegment> segments_of(const run::PagesFile& file, std::span<const std::byte> bytes) {
  std::vector<StreamSegment> out;
  for (const run::Segment& segment : file.segments) {
    const std::uint64_t end = std::min<std::uint64_t>(segment.end, bytes.size());
    if (segment.begin >= end) continue;
    const auto part = bytes.subspan(segment.begin, end - segment.begin);
    out.push_back({segment.begin, decode::PageWalker(part, segment.layout, segment.page_size)});
  }
  return out;
}

std::vector<std::uint64_t> offsets_before(const run::PagesFile& file, HostTsc from) {
  std::vector<std::uint64_t> out;
  for (const run::Mark& mark : file.marks) {
    if (mark.tsc <= from) out.push_back(mark.bytes);
  }
  return out;
}

/// The machine's own TSC at the start of its first page of all; 0 when it has none.
template <class Files>
std::uint64_t first_timestamp(const Files& files) {
  std::optional<std::uint64_t> first;
  for (const auto& file : files) {
    for (StreamSegment segment : file.segments) {
      decode::PageImage image;
      while (segment.pages.next(image) && !image.readable) {
      }
      if (image.readable) first = std::min(first.value_or(image.timestamp), image.timestamp);
    }
  }
  return first.value_or(0);
}

}  // namespace

Result<RunEvents> RunEvents::open(const run::RunReader& reader, const Filter& filter) {
  IVT_RETURN_IF_ERROR(check_machines(reader, filter));
  RunEvents events;
  const std::size_t count = reader.machines().size();
  events.formats_.resize(count);
  events.texts_.resize(count);
  events.clocks_.resize(count);
  for (std::size_t index = 0; index < count; ++index) {
    if (wanted(filter.machines, reader.machines()[index].info.name))
      events.add_machine(reader, index, filter);
  }
  std::vector<EventStream*> streams;
  streams.reserve(events.streams_.size());
  for (const auto& stream : events.streams_) streams.push_back(stream.get());
  events.merger_ = std::make_unique<Merger>(std::move(streams));
  return events;
}

void RunEvents::add_machine(const run::RunReader& reader, std::size_t index, const Filter& filter) {
  const run::Machine& machine = reader.machines()[index];
  const HostTsc start = reader.manifest().start_tsc;
  read_formats(reader, index);
  if (!is_host(machine)) read_clock(machine, index);
  std::vector<OpenFile> files = open_files(reader, machine, filter);
  std::optional<std::uint64_t> assumed;
  if (filter.include_unaligned) assumed = start.value - first_timestamp(files);
  for (OpenFile& open : files) {
    const run::PagesFile& file = *open.file;
    std::optional<TimeConverter> converter = converter_of(machine, index, CpuId(file.cpu), assumed);
    if (!converter) continue;
    const StreamInfo info{index, machine.info.name, file.buffer, CpuId(file.cpu), formats_[index].get()};
    streams_.push_back(std::make_unique<EventStream>(info, *std::move(converter), std::move(open.segments),
                                                     start, filter.range));
    streams_.back()->seek(offsets_before(file, filter.range.from));
  }
  add_losses(reader, index, filter);
}

void RunEvents::read_formats(const run::RunReader& reader, std::size_t index) {
  const run::Machine& machine = reader.machines()[index];
  auto text = reader.read_text(machine.info.name, format::kFormatsName, decode::kMaxFormatsText);
  if (!text && !machine.files.empty()) {
    notices_.push_back(machine.info.name + ": no event formats: " + text.error().message);
  }
  // In front: nothing that is wrong with the machine's own can hide or replace them.
  std::string all;
  decode::append_mark_formats(all);
  if (text) all += *text;
  auto table = decode::FormatTable::parse(all);
  for (const std::string& problem : table.problems()) notices_.push_back(machine.info.name + ": " + problem);
  formats_[index] = std::make_unique<decode::FormatTable>(std::move(table));
  auto texts = std::make_unique<decode::TextEvents>(*formats_[index]);
  if (texts->print_id() == 0) return;
  last_text_id_ = std::max(last_text_id_, texts->print_id());
  texts_[index] = std::move(texts);
}

void RunEvents::translate(MergedEvent& event) {
  decode::TextEvents* const texts = texts_[event.stream->machine].get();
  if (event.loss != nullptr || texts == nullptr || event.id != texts->print_id()) return;
  const decode::RecordBytes record = texts->translate(event.record);
  if (record.empty()) return;
  event.record = record;
  event.id = decode::event_id(record);
}

void RunEvents::read_clock(const run::Machine& machine, std::size_t index) {
  clocks_[index] = std::make_unique<clock::GuestClock>();
  for (const clock::Epoch& epoch : machine.epochs) {
    if (auto status = clocks_[index]->add(epoch); !status) {
      notices_.push_back(machine.info.name + ": " + status.error().message);
    }
  }
}

std::vector<RunEvents::OpenFile> RunEvents::open_files(const run::RunReader& reader,
                                                       const run::Machine& machine, const Filter& filter) {
  std::vector<OpenFile> files;
  for (const run::PagesFile& file : machine.files) {
    if (!wanted(filter.cpus, file.cpu)) continue;
    auto mapping = reader.map_pages(file);
    if (!mapping) {
      notices_.push_back(mapping.error().message);
      continue;
    }
    if (!mapping->valid()) continue;
    // Pages are read once, in order: the kernel may read ahead and drop what lies behind.
    ::madvise(mapping->data(), mapping->size(), MADV_SEQUENTIAL);
    files.push_back({&file, segments_of(file, mapping->bytes())});
    mappings_.push_back(*std::move(mapping));
  }
  return files;
}

std::optional<TimeConverter> RunEvents::converter_of(const run::Machine& machine, std::size_t index,
                                                     CpuId cpu, std::optional<std::uint64_t> assumed) {
  if (is_host(machine)) return TimeConverter::host();
  if (clocks_[index]->aligned(cpu)) return TimeConverter::guest(*clocks_[index], cpu);
  const std::string& name = machine.info.name;
  if (std::find(unaligned_.begin(), unaligned_.end(), name) == unaligned_.end()) unaligned_.push_back(name);
  const bool whole = !clocks_[index]->aligned();
  const std::string notice =
      (whole ? name : name + " CPU " + std::to_string(cpu.value)) +
      " has no trustworthy relation to the host's clock: " + (assumed ? "placed by assumption" : "left out");
  if (std::find(notices_.begin(), notices_.end(), notice) == notices_.end()) notices_.push_back(notice);
  if (!assumed) return std::nullopt;
  return TimeConverter::assumed(*assumed);
}

void RunEvents::add_losses(const run::RunReader& reader, std::size_t index, const Filter& filter) {
  const run::Machine& machine = reader.machines()[index];
  const HostTsc start = reader.manifest().start_tsc;
  std::optional<HostTsc> end;
  if (reader.end()) end = reader.end()->tsc;
  std::vector<LossMarker> markers;
  for (const run::LossRecord& loss : machine.losses) {
    if (loss.cpu && !wanted(filter.cpus, *loss.cpu)) continue;
    std::optional<CpuId> cpu;
    if (loss.cpu) cpu = CpuId(*loss.cpu);
    markers.push_back({LossKind::kRecorded, cpu, loss.events, loss.bytes, loss.from.value_or(start),
                       loss.until, loss.reason});
  }
  for (const run::CountersRecord& record : machine.counters) {
    const format::CpuCounters& counters = record.counters;
    if (!wanted(filter.cpus, counters.cpu)) continue;
    const auto add = [&](std::uint64_t events, std::string_view reason) {
      if (events == 0) return;
      markers.push_back({LossKind::kRecorded, CpuId(counters.cpu), events, std::nullopt, start, end, reason});
    };
    // Where there are pages, they tell of the overrun themselves, at its place.
    if (!has_pages(machine, record.buffer, counters.cpu)) add(counters.overrun, "overrun");
    add(counters.dropped, "dropped-events");
    add(counters.commit_overrun, "commit-overrun");
    if (record.final_counters) add(counters.unread, "unread-at-stop");
  }
  if (markers.empty()) return;
  const StreamInfo info{index, machine.info.name, {}, CpuId(0), formats_[index].get()};
  streams_.push_back(std::make_unique<EventStream>(info, std::move(markers), start, filter.range));
}

}  // namespace ivtrace::merge
