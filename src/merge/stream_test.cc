#include "merge/stream.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "merge/stream_test_support.h"

namespace ivtrace::merge {
namespace {

using format::PageLayout;

/// Everything that a stream gives, one line per item.
std::vector<std::string> lines(EventStream& stream) {
  std::vector<std::string> out;
  while (stream.advance()) {
    std::string line = std::to_string(stream.time().value);
    if (const LossMarker* loss = stream.loss()) {
      line += std::string(" ") + to_string(loss->kind) + " " + std::string(loss->reason);
      line += " events " + (loss->events ? std::to_string(*loss->events) : "?");
      line += " bytes " + (loss->bytes ? std::to_string(*loss->bytes) : "?");
      line += " from " + std::to_string(loss->from.value);
      line += " until " + (loss->until ? std::to_string(loss->until->value) : "?");
    } else {
      line += " event " + std::to_string(decode::event_pid(stream.record()));
    }
    out.push_back(line);
  }
  EXPECT_FALSE(stream.advance()) << "the end stays the end";
  return out;
}
using Lines = std::vector<std::string>;

TEST(EventStream, GivesEventsAndTheHolesBetweenThem) {
  for (const PageLayout layout : {PageLayout::kSlots, PageLayout::kPacked}) {
    FileBuilder file(layout);
    file.lose(3);
    file.event({100, 1});
    file.event({110, 2});
    file.lose(std::nullopt);
    file.event({500, 3});
    file.lose(40);
    file.event({600, 4});
    const auto stream = host_stream(file, 0);
    Lines expected{"100 event 1",
                   "110 event 2",
                   "500 missed missed-events events ? bytes ? from 110 until 500",
                   "500 event 3",
                   "600 missed missed-events events 40 bytes ? from 500 until 600",
                   "600 event 4"};
    expected.insert(expected.begin(), "100 missed missed-events events 3 bytes ? from 1 until 100");
    EXPECT_EQ(lines(*stream), expected);
    EXPECT_EQ(stream->stats().moved, 0u);
  }
}

TEST(EventStream, DamageStandsBetweenWhatSurvived) {
  FileBuilder file(PageLayout::kSlots, 256);
  file.event({100, 1});
  file.close_page();
  file.event({200, 2});
  file.close_page();
  file.event({300, 3});
  decode::Bytes bytes = file.bytes();
  std::fill_n(bytes.begin() + 256, 256, std::byte{0});
  EventStream stream({}, TimeConverter::host(), {{0, decode::PageWalker(bytes, PageLayout::kSlots, 256)}},
                     HostTsc(1), {});
  EXPECT_EQ(lines(stream),
            (Lines{"100 event 1", "300 damaged damaged-page events ? bytes 256 from 100 until 300",
                   "300 event 3"}));
  EXPECT_EQ(stream.stats().damaged_bytes, 256u);
}

TEST(EventStream, AFileThatIsCutOffEndsWithItsDamage) {
  FileBuilder file(PageLayout::kPacked);
  file.event({100, 1});
  file.event({200, 2});
  decode::Bytes bytes = file.bytes();
  bytes.resize(bytes.size() - 5);
  EventStream stream({}, TimeConverter::host(), {{0, decode::PageWalker(bytes, PageLayout::kPacked, 0)}},
                     HostTsc(1), {});
  // The record's 23 bytes that are there, and the 5 that were promised and are not.
  EXPECT_EQ(lines(stream),
            (Lines{"100 event 1", "100 damaged damaged-page events ? bytes 28 from 100 until ?"}));
}

TEST(EventStream, OneBadTimeDoesNotPushTheRestToTheEndOfTime) {
  decode::Bytes bytes;
  decode::PageBuilder bad(100);
  bad.event(0, decode::make_record(7, 1)).time_extend(1ull << 50).event(0, decode::make_record(7, 2));
  decode::PageBuilder good(300);
  good.event(5, decode::make_record(7, 3));
  for (const decode::PageBuilder* page : {&bad, &good}) {
    const decode::Bytes slot = page->slot(256);
    decode::append_bytes(bytes, slot.data(), slot.size());
  }
  EventStream stream({}, TimeConverter::host(), {{0, decode::PageWalker(bytes, PageLayout::kSlots, 256)}},
                     HostTsc(1), {});
  EXPECT_EQ(lines(stream), (Lines{"100 event 1", "300 event 2", "305 event 3"}));
  EXPECT_EQ(stream.stats().moved, 1u);
  EXPECT_EQ(stream.stats().furthest_move, (1ull << 50) + 100 - 300);
}

clock::Epoch epoch(std::uint64_t from, std::int64_t offset) {
  clock::Epoch out;
  out.valid_from = GuestTsc(from);
  out.relation.offset = offset;
  out.source = clock::ClockSource::kKvmTracepoint;
  out.host_from = HostTsc(from - static_cast<std::uint64_t>(offset));
  return out;
}

TEST(EventStream, AnEpochMayBeginWithinAPage) {
  clock::GuestClock guest;
  ASSERT_TRUE(guest.add(epoch(1000, -500)));  // host = guest + 500
  ASSERT_TRUE(guest.add(epoch(2000, -900)));  // host = guest + 900: the guest stood still for 400
  FileBuilder file(PageLayout::kPacked);
  for (const MadeEvent& event : {MadeEvent{1500, 1}, {1999, 2}, {2000, 3}, {2600, 4}}) file.event(event);
  EventStream stream({}, TimeConverter::guest(guest, CpuId(0)), file.segments(), HostTsc(1), {});
  EXPECT_EQ(lines(stream), (Lines{"2000 event 1", "2499 event 2", "2900 event 3", "3500 event 4"}));
  EXPECT_EQ(stream.stats().moved, 0u);
}

TEST(EventStream, TimeThatFallsBackAtAnEpochIsHeldAndCounted) {
  clock::GuestClock guest;
  ASSERT_TRUE(guest.add(epoch(1000, -500)));
  ASSERT_TRUE(guest.add(epoch(2000, -490)));  // ten ticks less: an error bound's worth
  FileBuilder file(PageLayout::kPacked);
  for (const MadeEvent& event : {MadeEvent{1999, 1}, {2003, 2}, {2100, 3}}) file.event(event);
  EventStream stream({}, TimeConverter::guest(guest, CpuId(0)), file.segments(), HostTsc(1), {});
  EXPECT_EQ(lines(stream), (Lines{"2499 event 1", "2499 event 2", "2590 event 3"}));
  EXPECT_EQ(stream.stats().moved, 1u);
  EXPECT_EQ(stream.stats().furthest_move, 6u);
}

TEST(EventStream, MarkersOfTheJournalAreSortedAndCutToTheRange) {
  std::vector<LossMarker> markers;
  const auto add = [&](std::uint64_t from, std::optional<std::uint64_t> until) {
    LossMarker marker{LossKind::kRecorded, std::nullopt, 1, std::nullopt, HostTsc(from), std::nullopt, "x"};
    if (until) marker.until = HostTsc(*until);
    markers.push_back(marker);
  };
  add(700, 900);
  add(100, 200);
  add(100, 500);
  add(650, std::nullopt);
  add(2000, 3000);
  EventStream stream({}, markers, HostTsc(1), {HostTsc(300), HostTsc(800)});
  EXPECT_EQ(lines(stream), (Lines{"500 recorded x events 1 bytes ? from 100 until 500",
                                  "650 recorded x events 1 bytes ? from 650 until ?",
                                  "800 recorded x events 1 bytes ? from 700 until 900"}));
}

TEST(EventStream, ARangeGivesWhatTheWholeGivesWithinIt) {
  std::mt19937_64 random(3);
  for (const PageLayout layout : {PageLayout::kSlots, PageLayout::kPacked}) {
    for (int round = 0; round < 100; ++round) {
      FileBuilder file(layout, 256);
      std::uint64_t time = 1000;
      std::vector<MadeEvent> all;
      std::vector<std::pair<std::uint64_t, std::uint64_t>> marks;  // host time, size of the file then
      const std::size_t count = random() % 200;
      for (std::size_t i = 0; i < count; ++i) {
        time += random() % 4;
        all.push_back({time, static_cast<std::int32_t>(i)});
        file.event(all.back());
        if (random() % 16 == 0) {
          marks.emplace_back(time + 1, file.bytes().size());
          ++time;
        }
      }
      const std::uint64_t from = 995 + random() % (time - 980);
      const std::uint64_t until = from + random() % (time - 990);
      std::vector<MadeEvent> expected;
      for (const MadeEvent& event : all) {
        if (event.time >= from && event.time <= until) expected.push_back(event);
      }
      std::vector<std::uint64_t> offsets;
      for (const auto& [host, size] : marks) {
        if (host <= from) offsets.push_back(size);
      }
      EventStream stream({}, TimeConverter::host(), file.segments(), HostTsc(1),
                         {HostTsc(from), HostTsc(until)});
      stream.seek(offsets);
      std::vector<MadeEvent> seen;
      while (stream.advance()) {
        ASSERT_EQ(stream.loss(), nullptr) << "skipping is no loss";
        seen.push_back({stream.time().value, decode::event_pid(stream.record())});
      }
      ASSERT_EQ(seen, expected) << "round " << round << " from " << from << " until " << until;
    }
  }
}

TEST(EventStream, RandomBytesNeverFallBackInTimeAndEnd) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 500; ++round) {
    FileBuilder file(PageLayout::kPacked, 256);
    std::uint64_t time = 1000;
    for (int i = 0; i < 60; ++i) file.event({time += random() % 1000, i});
    decode::Bytes bytes = file.bytes();
    for (std::uint64_t flips = random() % 40; flips > 0; --flips) {
      bytes[random() % bytes.size()] ^= static_cast<std::byte>(1u << random() % 8);
    }
    EventStream stream({}, TimeConverter::host(), {{0, decode::PageWalker(bytes, PageLayout::kPacked, 0)}},
                       HostTsc(1), {});
    std::uint64_t last = 0;
    std::size_t items = 0;
    while (stream.advance()) {
      ASSERT_GE(stream.time().value, last);
      ASSERT_LE(stream.time(), kEndOfTime);
      last = stream.time().value;
      ++items;
    }
    ASSERT_LE(items, bytes.size());
  }
}

}  // namespace
}  // namespace ivtrace::merge
