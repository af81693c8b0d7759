#include "exchange/perfetto_writer.h"

#include <gtest/gtest.h>

#include <protozero/pbf_message.hpp>

#include "base/fd.h"
#include "exchange/perfetto_schema.h"
#include "exchange/perfetto_tracks.h"
#include "run/run_test_support.h"

namespace ivtrace::exchange {
namespace {

using namespace perfetto;  // NOLINT: the schema's names
using protozero::pbf_message;

/// One packet, as far as the tests look at it.
struct Packet {
  std::uint64_t time = 0;
  std::uint32_t clock = 0;
  std::uint32_t sequence = 0;
  std::uint32_t flags = 0;
  std::string event;
  std::string track;
  std::string snapshot;
};

std::vector<Packet> packets_of(const std::string& bytes) {
  std::vector<Packet> packets;
  pbf_message<Trace> trace(bytes);
  while (trace.next(Trace::kPacket)) {
    pbf_message<TracePacket> message = trace.get_message();
    Packet& packet = packets.emplace_back();
    while (message.next()) {
      switch (message.tag()) {
        case TracePacket::kTimestamp:
          packet.time = message.get_uint64();
          break;
        case TracePacket::kTimestampClock:
          packet.clock = message.get_uint32();
          break;
        case TracePacket::kSequence:
          packet.sequence = message.get_uint32();
          break;
        case TracePacket::kSequenceFlags:
          packet.flags = message.get_uint32();
          break;
        case TracePacket::kTrackEvent:
          packet.event = message.get_bytes();
          break;
        case TracePacket::kTrackDescriptor:
          packet.track = message.get_bytes();
          break;
        case TracePacket::kClockSnapshot:
          packet.snapshot = message.get_bytes();
          break;
      }
    }
  }
  return packets;
}

template <class Message>
std::string text_of(const std::string& bytes, Message field) {
  pbf_message<Message> message(bytes);
  return message.next(field) ? message.get_string() : std::string("none");
}
template <class Message>
std::uint64_t number_of(const std::string& bytes, Message field) {
  pbf_message<Message> message(bytes);
  return message.next(field) ? message.get_uint64() : 0;
}

class PerfettoFiles : public ::testing::Test {
 protected:
  PerfettoWriter make() { return *PerfettoWriter::create(scratch_ / "trace", 5000, 9000); }
  std::vector<Packet> close(PerfettoWriter& writer) {
    EXPECT_TRUE(writer.close());
    return packets_of(*read_file(scratch_ / "trace"));
  }

 private:
  run::ScratchDirectory scratch_;
};

TEST_F(PerfettoFiles, BeginWithTheClocks) {
  PerfettoWriter writer = make();
  const std::vector<Packet> packets = close(writer);
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0].flags, kIncrementalStateCleared);
  EXPECT_EQ(number_of(packets[0].snapshot, ClockSnapshot::kPrimaryClock), kMonotonic);
  pbf_message<ClockSnapshot> snapshot(packets[0].snapshot);
  ASSERT_TRUE(snapshot.next(ClockSnapshot::kClock));
  const std::string clock = snapshot.get_bytes();
  EXPECT_EQ(number_of(clock, Clock::kId), kMonotonic);
  EXPECT_EQ(number_of(clock, Clock::kTimestamp), 5000u);
}

TEST_F(PerfettoFiles, SlicesHaveTimeTrackNameNotesAndFlows) {
  PerfettoWriter writer = make();
  const PerfettoTrack process = writer.process("vm1", 2);
  const PerfettoTrack track = writer.track(process, "CPU 0", 7);
  const std::array<PerfettoNote, 2> notes = {{{"tid", std::int64_t{42}}, {"nothing", {}}}};
  const std::uint64_t flow = 11;
  writer.begin(track, 100, {"bash", notes, std::span(&flow, 1)});
  writer.end(track, -9999);
  const std::vector<Packet> packets = close(writer);
  ASSERT_EQ(packets.size(), 5u);
  const std::string as_process = text_of(packets[1].track, TrackDescriptor::kProcess);
  EXPECT_EQ(text_of(as_process, ProcessDescriptor::kName), "vm1");
  EXPECT_EQ(number_of(packets[2].track, TrackDescriptor::kParent), process);
  EXPECT_EQ(text_of(packets[2].track, TrackDescriptor::kName), "CPU 0");
  EXPECT_EQ(packets[3].time, 5100u);
  EXPECT_EQ(packets[3].clock, kMonotonic);
  EXPECT_EQ(packets[3].sequence, 1u);
  EXPECT_EQ(number_of(packets[3].event, TrackEvent::kTrack), track);
  EXPECT_EQ(text_of(packets[3].event, TrackEvent::kName), "bash");
  const std::string note = text_of(packets[3].event, TrackEvent::kNote);
  EXPECT_EQ(text_of(note, Note::kName), "tid");
  EXPECT_EQ(number_of(note, Note::kInteger), 42u);
  pbf_message<TrackEvent> event(packets[3].event);
  ASSERT_TRUE(event.next(TrackEvent::kFlow));
  EXPECT_EQ(event.get_fixed64(), flow);
  EXPECT_EQ(packets[4].time, 0u);
}

TEST_F(PerfettoFiles, WhatOverlapsStandsOnTracksOfItsOwn) {
  PerfettoWriter writer = make();
  PerfettoLanes lanes(writer, 0, "requests", 0);
  const PerfettoTrack first = lanes.take(0, 10);
  const PerfettoTrack second = lanes.take(5, 12);
  EXPECT_NE(first, second);
  EXPECT_EQ(lanes.take(10, 20), first);
  EXPECT_EQ(lanes.take(20, 30), first);
  EXPECT_EQ(lanes.take(15, 40), second);
}

TEST_F(PerfettoFiles, SlicesInTheOrderOfTheirEndsNeedNoMoreTracksThanOverlap) {
  PerfettoWriter writer = make();
  PerfettoLanes lanes(writer, 0, "requests", 0);
  const PerfettoTrack first = lanes.take(0, 3);
  const PerfettoTrack second = lanes.take(2, 6);
  // The second track is free since 6, the first since 3: what began at 7 takes the one left last.
  EXPECT_EQ(lanes.take(7, 8), second);
  EXPECT_EQ(lanes.take(4, 9), first);
}

TEST(PerfettoText, IsUtf8OfBoundedLength) {
  EXPECT_EQ(perfetto_text("plain", 20), "plain");
  EXPECT_EQ(perfetto_text("a\xff", 20), "a\xef\xbf\xbd");
  EXPECT_EQ(perfetto_text(std::string(30, 'x'), 10), "xxxxxxx…");
  for (std::size_t size = 5; size < 40; ++size) {
    for (const char* piece : {"ä", "€", "\xff"}) {
      std::string text;
      while (text.size() < 60) text += piece;
      const std::string cut = perfetto_text(text, size);
      EXPECT_LE(cut.size(), size);
      EXPECT_EQ(perfetto_text(cut, 1000), cut) << "no UTF-8 any more";
    }
  }
}

}  // namespace
}  // namespace ivtrace::exchange
