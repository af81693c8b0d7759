#include "exchange/perfetto_writer.h"

#include <algorithm>
#include <limits>
#include <protozero/pbf_builder.hpp>

#include "base/utf8.h"
#include "exchange/perfetto_schema.h"

namespace ivtrace::exchange {
namespace {

using namespace perfetto;  // NOLINT: the schema's names
using protozero::pbf_builder;

constexpr std::uint32_t kSequence = 1;

std::uint64_t not_negative(std::int64_t time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(time, 0));
}

template <class Message>
void add_text(pbf_builder<Message>& message, Message field, std::string_view text, std::size_t limit) {
  message.add_string(field, perfetto_text(text, limit));
}

void add_note(pbf_builder<TrackEvent>& event, const PerfettoNote& note) {
  if (std::holds_alternative<std::monostate>(note.value)) return;
  pbf_builder<Note> message(event, TrackEvent::kNote);
  add_text(message, Note::kName, note.name, kPerfettoName);
  if (const auto* const integer = std::get_if<std::int64_t>(&note.value)) {
    message.add_int64(Note::kInteger, *integer);
  } else if (const auto* const real = std::get_if<double>(&note.value)) {
    message.add_double(Note::kReal, *real);
  } else {
    add_text(message, Note::kText, std::get<std::string_view>(note.value), kPerfettoText);
  }
}

void add_label(pbf_builder<TrackEvent>& event, const PerfettoLabel& label) {
  add_text(event, TrackEvent::kName, label.name, kPerfettoName);
  for (const PerfettoNote& note : label.notes) add_note(event, note);
  for (const std::uint64_t flow : label.flows) event.add_fixed64(TrackEvent::kFlow, flow);
  for (const std::uint64_t flow : label.ending_flows) event.add_fixed64(TrackEvent::kEndingFlow, flow);
}

}  // namespace

std::string perfetto_text(std::string_view text, std::size_t limit) {
  constexpr std::string_view kMore = "…";
  std::string out;
  append_utf8(out, text.substr(0, limit));  // a byte that is no UTF-8 grows
  if (out.size() <= limit && text.size() <= limit) return out;
  std::size_t end = std::min(out.size(), limit - kMore.size());
  while (end > 0 && end < out.size() && (static_cast<unsigned char>(out[end]) & 0xc0) == 0x80) --end;
  out.resize(end);
  out += kMore;
  return out;
}

Result<PerfettoWriter> PerfettoWriter::create(const std::string& path, std::int64_t monotonic,
                                              std::int64_t realtime) {
  IVT_ASSIGN_OR_RETURN(FileWriter file, FileWriter::create(path));
  PerfettoWriter writer(std::move(file), monotonic);
  writer.put_clocks(realtime);
  return writer;
}

void PerfettoWriter::put_clocks(std::int64_t realtime) {
  {
    pbf_builder<TracePacket> packet(packet_);
    packet.add_uint32(TracePacket::kSequence, kSequence);
    packet.add_uint32(TracePacket::kSequenceFlags, kIncrementalStateCleared);
    pbf_builder<ClockSnapshot> snapshot(packet, TracePacket::kClockSnapshot);
    const auto add = [&snapshot](std::uint32_t id, std::int64_t time) {
      pbf_builder<Clock> clock(snapshot, ClockSnapshot::kClock);
      clock.add_uint32(Clock::kId, id);
      clock.add_uint64(Clock::kTimestamp, not_negative(time));
    };
    add(kMonotonic, monotonic_);
    add(kRealtime, realtime);
    snapshot.add_uint32(ClockSnapshot::kPrimaryClock, kMonotonic);
  }
  put_packet();
}

PerfettoTrack PerfettoWriter::process(std::string_view name, std::int32_t order) {
  {
    pbf_builder<TracePacket> packet(packet_);
    packet.add_uint32(TracePacket::kSequence, kSequence);
    pbf_builder<TrackDescriptor> track(packet, TracePacket::kTrackDescriptor);
    track.add_uint64(TrackDescriptor::kUuid, ++tracks_);
    track.add_int32(TrackDescriptor::kChildOrdering, kExplicitOrder);
    track.add_int32(TrackDescriptor::kOrderRank, order);
    pbf_builder<ProcessDescriptor> process(track, TrackDescriptor::kProcess);
    process.add_int32(ProcessDescriptor::kPid, order);
    process.add_int32(ProcessDescriptor::kSortIndex, order);
    add_text(process, ProcessDescriptor::kName, name, kPerfettoName);
  }
  put_packet();
  return tracks_;
}

PerfettoTrack PerfettoWriter::track(PerfettoTrack parent, std::string_view name, std::int32_t rank) {
  return describe(parent, name, rank, false);
}

PerfettoTrack PerfettoWriter::counter(PerfettoTrack parent, std::string_view name, std::int32_t rank) {
  return describe(parent, name, rank, true);
}

PerfettoTrack PerfettoWriter::describe(PerfettoTrack parent, std::string_view name, std::int32_t rank,
                                       bool is_counter) {
  {
    pbf_builder<TracePacket> packet(packet_);
    packet.add_uint32(TracePacket::kSequence, kSequence);
    pbf_builder<TrackDescriptor> track(packet, TracePacket::kTrackDescriptor);
    track.add_uint64(TrackDescriptor::kUuid, ++tracks_);
    if (parent != 0) track.add_uint64(TrackDescriptor::kParent, parent);
    add_text(track, TrackDescriptor::kName, name, kPerfettoName);
    track.add_int32(TrackDescriptor::kChildOrdering, kExplicitOrder);
    track.add_int32(TrackDescriptor::kOrderRank, rank);
    if (is_counter) {
      pbf_builder<CounterDescriptor> counter(track, TrackDescriptor::kCounter);
      counter.add_int32(CounterDescriptor::kUnit, kUnitCount);
    }
  }
  put_packet();
  return tracks_;
}

void PerfettoWriter::begin(PerfettoTrack track, std::int64_t time, const PerfettoLabel& label) {
  put_event(track, time, kSliceBegin, &label, nullptr);
}

void PerfettoWriter::end(PerfettoTrack track, std::int64_t time) {
  put_event(track, time, kSliceEnd, nullptr, nullptr);
}

void PerfettoWriter::instant(PerfettoTrack track, std::int64_t time, const PerfettoLabel& label) {
  put_event(track, time, kInstant, &label, nullptr);
}

void PerfettoWriter::value(PerfettoTrack track, std::int64_t time, std::int64_t value) {
  put_event(track, time, kCounterType, nullptr, &value);
}

void PerfettoWriter::put_event(PerfettoTrack track, std::int64_t time, std::int32_t type,
                               const PerfettoLabel* label, const std::int64_t* value) {
  std::int64_t shown = 0;
  if (__builtin_add_overflow(monotonic_, time, &shown))
    shown = time < 0 ? 0 : std::numeric_limits<std::int64_t>::max();
  {
    pbf_builder<TracePacket> packet(packet_);
    packet.add_uint64(TracePacket::kTimestamp, not_negative(shown));
    packet.add_uint32(TracePacket::kTimestampClock, kMonotonic);
    packet.add_uint32(TracePacket::kSequence, kSequence);
    pbf_builder<TrackEvent> event(packet, TracePacket::kTrackEvent);
    event.add_int32(TrackEvent::kType, type);
    event.add_uint64(TrackEvent::kTrack, track);
    if (label != nullptr) add_label(event, *label);
    if (value != nullptr) event.add_int64(TrackEvent::kCounterValue, *value);
  }
  put_packet();
}

void PerfettoWriter::put_packet() {
  pbf_builder<Trace>(file_.text()).add_message(Trace::kPacket, packet_);
  packet_.clear();
  file_.spill();
}

}  // namespace ivtrace::exchange
