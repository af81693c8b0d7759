#include "decode/page.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/text.h"
#include "decode/format_file.h"
#include "decode/page_builder.h"

namespace ivtrace::decode {
namespace {

constexpr std::size_t kPage = 4096;

struct Seen {
  std::uint64_t timestamp;
  std::uint16_t id;
  std::size_t size;
  friend bool operator==(const Seen&, const Seen&) = default;
};
std::ostream& operator<<(std::ostream& out, const Seen& seen) {
  return out << seen.timestamp << " id " << seen.id << " size " << seen.size;
}

struct Walk {
  std::vector<Seen> events;
  std::size_t damaged = 0;
};

Walk walk(std::uint64_t timestamp, std::span<const std::byte> events) {
  Walk out;
  EventCursor cursor(timestamp, events);
  RawEvent event;
  while (cursor.next(event))
    out.events.push_back({event.timestamp, event_id(event.record), event.record.size()});
  EXPECT_FALSE(cursor.next(event)) << "the end stays the end";
  out.damaged = cursor.damaged_bytes();
  return out;
}
Walk walk(const PageBuilder& page) { return walk(page.timestamp(), page.events()); }

void append(Bytes& out, const Bytes& more) { append_bytes(out, more.data(), more.size()); }

TEST(EventCursor, AddsDeltasOfShortAndLongEvents) {
  PageBuilder page(1000);
  page.event(0, make_record(7, 1)).event(5, make_record(8, 1, 112)).event(10, make_record(9, 1, 116));
  const Walk seen = walk(page);
  EXPECT_EQ(seen.events, (std::vector<Seen>{{1000, 7, 8}, {1005, 8, 112}, {1015, 9, 116}}));
  EXPECT_EQ(seen.damaged, 0u);
}

TEST(EventCursor, AddsTimeExtends) {
  PageBuilder page(1000);
  page.time_extend((1ull << 40) + 3).event(2, make_record(7, 1));
  EXPECT_EQ(walk(page).events, (std::vector<Seen>{{1000 + (1ull << 40) + 5, 7, 8}}));
}

TEST(EventCursor, TakesAbsoluteTimes) {
  PageBuilder page(1000);
  page.event(1, make_record(7, 1)).time_stamp(500000).event(4, make_record(8, 1));
  EXPECT_EQ(walk(page).events, (std::vector<Seen>{{1001, 7, 8}, {500004, 8, 8}}));
}

TEST(EventCursor, CompletesAbsoluteTimesByTheUpperBitsOfTheTimeBefore) {
  const std::uint64_t before = (3ull << 59) + 1000;
  PageBuilder page(before);
  page.time_stamp(before + 50).event(0, make_record(7, 1));
  EXPECT_EQ(walk(page).events, (std::vector<Seen>{{before + 50, 7, 8}}));
}

TEST(EventCursor, AbsoluteTimesCarryIntoTheUpperBits) {
  const std::uint64_t before = (4ull << 59) - 10;  // the 59 bits run over within the page
  PageBuilder page(before);
  page.time_stamp(before + 25).event(0, make_record(7, 1));
  EXPECT_EQ(walk(page).events, (std::vector<Seen>{{before + 25, 7, 8}}));
}

TEST(EventCursor, SkipsDiscardedEventsAndKeepsTheirDelta) {
  PageBuilder page(1000);
  page.padding(100, 24).event(1, make_record(7, 1));
  EXPECT_EQ(walk(page).events, (std::vector<Seen>{{1101, 7, 8}}));
}

TEST(EventCursor, ADeltaOfOneOnPaddingIsOnlyAMark) {
  PageBuilder page(1000);
  page.padding(1, 24).event(1, make_record(7, 1));
  EXPECT_EQ(walk(page).events, (std::vector<Seen>{{1001, 7, 8}}));
}

TEST(EventCursor, EndsAtAnEmptyRest) {
  PageBuilder page(1000);
  page.event(1, make_record(7, 1)).empty_rest(40);
  const Walk seen = walk(page);
  EXPECT_EQ(seen.events.size(), 1u);
  EXPECT_EQ(seen.damaged, 0u);
  PageBuilder last_word(1000);
  last_word.event(1, make_record(7, 1)).empty_rest(0);
  EXPECT_EQ(walk(last_word).damaged, 0u);
}

TEST(EventCursor, TellsEventsThatReachBeyondTheEnd) {
  PageBuilder page(1000);
  page.event(1, make_record(7, 1)).word(20).word(0);  // 80 bytes of data promised, 4 there
  const Walk seen = walk(page);
  EXPECT_EQ(seen.events.size(), 1u);
  EXPECT_EQ(seen.damaged, 8u);
}

TEST(EventCursor, TellsLengthsThatMakeNoSense) {
  for (const std::uint32_t length : {0u, 3u, 9u, 0x7fffffffu, 0xffffffffu}) {
    PageBuilder data(1000);
    data.word(0 | 1 << 5).word(length).word(0);
    EXPECT_EQ(walk(data).damaged, 12u) << length;
    PageBuilder padding(1000);
    padding.word(29 | 2 << 5).word(length).word(0);
    EXPECT_EQ(walk(padding).damaged, 12u) << length;
  }
}

PageBuilder page_of_everything() {
  PageBuilder page(1u << 20);
  page.event(3, make_record(7, 1)).time_extend(1ull << 30).event(4, make_record(8, 1, 200));
  page.padding(9, 32).time_stamp(1ull << 40).event(5, make_record(9, 1, 64)).padding(1, 12);
  return page;
}

TEST(EventCursor, TruncatedAtEveryByteGivesTheEventsBeforeTheCut) {
  const PageBuilder page = page_of_everything();
  const Walk whole = walk(page);
  ASSERT_EQ(whole.events.size(), 3u);
  ASSERT_EQ(whole.damaged, 0u);
  for (std::size_t cut = 0; cut <= page.events().size(); ++cut) {
    const Bytes part(page.events().begin(), page.events().begin() + static_cast<std::ptrdiff_t>(cut));
    const Walk seen = walk(page.timestamp(), part);
    ASSERT_LE(seen.events.size(), whole.events.size());
    for (std::size_t i = 0; i < seen.events.size(); ++i) ASSERT_EQ(seen.events[i], whole.events[i]) << cut;
    ASSERT_LE(seen.damaged, cut);
    ASSERT_LT(seen.damaged, 208u) << "no more than the record that was cut is lost";
  }
}

TEST(EventCursor, RandomBytesAreDecodedOrToldAsDamage) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 2000; ++round) {
    Bytes bytes(random() % 512);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() % 3 == 0 ? random() % 32 : random());
    EventCursor cursor(random(), bytes);
    RawEvent event;
    std::size_t inside = 0;
    while (cursor.next(event)) {
      if (!event.record.empty()) {
        ASSERT_GE(event.record.data(), bytes.data());
        ASSERT_LE(event.record.data() + event.record.size(), bytes.data() + bytes.size());
      }
      inside += event.record.size();
    }
    ASSERT_LE(inside + cursor.damaged_bytes(), bytes.size());
  }
}

TEST(PageWalker, ReadsSlotsWithAndWithoutACountOfMissedEvents) {
  PageBuilder page(1000);
  page.event(1, make_record(7, 1));
  Bytes file = page.slot(kPage);
  append(file, page.slot(kPage, true));
  append(file, page.slot(kPage, true, 4711));
  PageWalker walker(file, format::PageLayout::kSlots, kPage);
  PageImage image;
  ASSERT_TRUE(walker.next(image));
  EXPECT_TRUE(image.readable);
  EXPECT_FALSE(image.missed);
  EXPECT_EQ(image.events.size(), page.events().size());
  ASSERT_TRUE(walker.next(image));
  EXPECT_TRUE(image.missed);
  EXPECT_EQ(image.missed_count, std::nullopt);
  ASSERT_TRUE(walker.next(image));
  EXPECT_TRUE(image.missed);
  EXPECT_EQ(image.missed_count, 4711u);
  EXPECT_EQ(image.events.size(), page.events().size()) << "the count is no event";
  EXPECT_FALSE(walker.next(image));
}

TEST(PageWalker, FullSlotsHaveNoRoomForTheCount) {
  PageBuilder page(1000);
  page.event(1, make_record(7, 1, kPage - 16 - 4 - 4 - 4));
  ASSERT_EQ(page.events().size(), kPage - 16 - 4);
  const Bytes file = page.slot(kPage, true, 5);
  PageWalker walker(file, format::PageLayout::kSlots, kPage);
  PageImage image;
  ASSERT_TRUE(walker.next(image));
  EXPECT_TRUE(image.missed);
  EXPECT_EQ(image.missed_count, std::nullopt);
}

TEST(PageWalker, TellsHolesAndAbsurdCommitsAsDamageAndGoesOn) {
  PageBuilder page(1000);
  page.event(1, make_record(7, 1));
  Bytes file(kPage);  // a hole
  Bytes absurd = page.slot(kPage);
  const std::uint64_t commit = kPage - 15;
  std::memcpy(absurd.data() + 8, &commit, 8);
  append(file, absurd);
  append(file, page.slot(kPage));
  PageWalker walker(file, format::PageLayout::kSlots, kPage);
  PageImage image;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(walker.next(image));
    EXPECT_FALSE(image.readable);
    EXPECT_EQ(image.damaged_bytes, kPage);
  }
  ASSERT_TRUE(walker.next(image));
  EXPECT_TRUE(image.readable);
  EXPECT_FALSE(walker.next(image));
}

TEST(PageWalker, RefusesAbsurdPageSizes) {
  const Bytes file(100);
  for (const std::uint32_t size : {0u, 1u, 31u, 1u << 30}) {
    PageWalker walker(file, format::PageLayout::kSlots, size);
    PageImage image;
    ASSERT_TRUE(walker.next(image));
    EXPECT_EQ(image.damaged_bytes, file.size());
    EXPECT_FALSE(walker.next(image));
  }
}

TEST(PageWalker, ReadsPackedImagesAndGapsInTheirSequence) {
  PageBuilder page(1000);
  page.event(1, make_record(7, 1));
  Bytes file = page.packed(0);
  append(file, page.packed(1, true, 12));
  append(file, page.packed(5, true, 12));
  PageWalker walker(file, format::PageLayout::kPacked, 0);
  PageImage image;
  ASSERT_TRUE(walker.next(image));
  EXPECT_FALSE(image.missed);
  ASSERT_TRUE(walker.next(image));
  EXPECT_EQ(image.missed_count, 12u);
  EXPECT_EQ(image.missing_pages, 0u);
  ASSERT_TRUE(walker.next(image));
  EXPECT_EQ(image.missing_pages, 3u);
  EXPECT_TRUE(image.missed);
  EXPECT_EQ(image.missed_count, std::nullopt) << "the count says nothing of the pages that are missing";
  EXPECT_FALSE(walker.next(image));
}

TEST(PageWalker, TheFirstPackedPageMayAlreadyFollowAGap) {
  PageBuilder page(1000);
  page.event(1, make_record(7, 1));
  const Bytes file = page.packed(2);
  PageWalker walker(file, format::PageLayout::kPacked, 0);
  PageImage image;
  ASSERT_TRUE(walker.next(image));
  EXPECT_EQ(image.missing_pages, 2u);
}

/// Bytes of framing, of events that decode, and of damage, over a whole segment.
struct Account {
  std::size_t images = 0;
  std::size_t events = 0;
  std::uint64_t decoded = 0;
  std::uint64_t damaged = 0;
};

Account account(std::span<const std::byte> bytes, format::PageLayout layout) {
  Account out;
  PageWalker walker(bytes, layout, kPage);
  PageImage image;
  while (walker.next(image)) {
    out.damaged += image.damaged_bytes;
    if (!image.readable) continue;
    ++out.images;
    EventCursor cursor(image.timestamp, image.events);
    RawEvent event;
    while (cursor.next(event)) ++out.events;
    out.decoded += image.events.size() - cursor.damaged_bytes();
    out.damaged += cursor.damaged_bytes();
  }
  return out;
}

TEST(PageWalker, PackedFilesTruncatedAtEveryByteAccountForEachByte) {
  Bytes file;
  for (int i = 0; i < 3; ++i) append(file, page_of_everything().packed(i));
  const std::size_t one = file.size() / 3;
  const std::size_t framing = sizeof(format::PackedPage) + format::kSubBufferHeader;
  for (std::size_t cut = 0; cut <= file.size(); ++cut) {
    const Account seen = account(std::span(file).first(cut), format::PageLayout::kPacked);
    ASSERT_EQ(seen.images, cut / one + (cut % one >= framing)) << cut;
    ASSERT_GE(seen.events, cut / one * 3) << cut;
    // A cut image still counts what it promised, so what is accounted for is never less than what is there.
    ASSERT_GE(seen.images * framing + seen.decoded + seen.damaged, cut) << cut;
    if (cut % one == 0) {
      ASSERT_EQ(seen.damaged, 0u) << cut;
    } else {
      ASSERT_GT(seen.damaged, 0u) << cut;
    }
  }
}

TEST(PageWalker, SlotFilesTruncatedAtEveryByteAccountForEachByte) {
  Bytes file = page_of_everything().slot(kPage);
  append(file, page_of_everything().slot(kPage));
  const std::size_t used = format::kSubBufferHeader + page_of_everything().events().size();
  for (std::size_t cut = 0; cut <= file.size(); ++cut) {
    const Account seen = account(std::span(file).first(cut), format::PageLayout::kSlots);
    ASSERT_GE(seen.events, cut / kPage * 3) << cut;
    const std::size_t tail = cut % kPage;
    if (tail == 0 || tail >= used) {
      ASSERT_EQ(seen.damaged, 0u) << cut;
    } else {
      ASSERT_GT(seen.damaged, 0u) << cut;
    }
  }
}

/// Where a plain walk would stop: the last page that starts at or before `timestamp`.
std::size_t plain_seek(PageWalker walker, std::uint64_t timestamp) {
  std::size_t best = walker.offset();
  PageImage image;
  for (std::size_t here = walker.offset(); walker.next(image); here = walker.offset()) {
    if (!image.readable || image.timestamp > timestamp) break;
    best = here;
  }
  return best;
}

TEST(PageWalker, SeekFindsWhatAPlainWalkFinds) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 50; ++round) {
    Bytes slots, packed;
    std::uint64_t time = 1000;
    std::vector<std::uint64_t> sizes{0};
    const std::size_t pages = random() % 40;
    for (std::size_t i = 0; i < pages; ++i) {
      PageBuilder page(time);
      for (std::uint64_t events = random() % 4; events > 0; --events) page.event(1, make_record(7, 1));
      append(slots, page.slot(kPage));
      append(packed, page.packed(i));
      sizes.push_back(packed.size());
      time += random() % 20;
    }
    for (int query = 0; query < 30; ++query) {
      const std::uint64_t wanted = 990 + random() % (time - 980);
      PageWalker in_slots(slots, format::PageLayout::kSlots, kPage);
      const std::size_t expected = plain_seek(in_slots, wanted);
      in_slots.seek(wanted);
      ASSERT_EQ(in_slots.offset(), expected);
      PageWalker in_packed(packed, format::PageLayout::kPacked, 0);
      in_packed.seek(wanted);
      ASSERT_EQ(in_packed.offset(), sizes[expected / kPage]);
    }
  }
}

TEST(PageWalker, SkipsOnlyToWhereAnImageStarts) {
  Bytes file;
  std::vector<std::size_t> starts;
  for (std::uint64_t i = 0; i < 6; ++i) {
    starts.push_back(file.size());
    PageBuilder page(1000 + i);
    page.event(1, make_record(7, 1, 64));
    append(file, page.packed(i));
  }
  starts.push_back(file.size());
  for (std::size_t hint = 0; hint <= file.size(); ++hint) {
    PageWalker walker(file, format::PageLayout::kPacked, 0);
    const bool is_start = std::find(starts.begin(), starts.end(), hint) != starts.end();
    ASSERT_EQ(walker.skip_to(hint), is_start) << hint;
    ASSERT_EQ(walker.offset(), is_start ? hint : 0u);
    PageImage image;
    if (walker.next(image)) {
      EXPECT_EQ(image.missing_pages, 0u) << "a skip is no loss";
    }
  }
}

// Real pages, with the kernel's own text of the same buffer as the truth: see testdata/pages/README.md.
void check_capture(const std::string& name, std::uint64_t missed) {
  const std::string folder = "src/decode/testdata/pages/";
  const auto pages = read_file(folder + name + ".slots");
  const auto expected = read_file(folder + name + ".expected");
  const auto formats = read_file(folder + "formats");
  ASSERT_TRUE(pages && expected && formats);
  const FormatTable table = FormatTable::parse(*formats);
  ASSERT_EQ(table.problem_count(), 0u) << table.problems()[0];

  std::string seen;
  std::uint64_t seen_missed = 0;
  PageWalker walker(std::as_bytes(std::span(*pages)), format::PageLayout::kSlots, kPage);
  PageImage image;
  while (walker.next(image)) {
    ASSERT_TRUE(image.readable);
    EXPECT_EQ(image.damaged_bytes, 0u);
    if (image.missed) seen_missed += image.missed_count.value_or(0);
    EventCursor cursor(image.timestamp, image.events);
    RawEvent event;
    while (cursor.next(event)) {
      const EventFormat* format = table.find(event_id(event.record));
      ASSERT_NE(format, nullptr) << event_id(event.record);
      const auto pid = read_signed(event.record, *format->find("common_pid"));
      ASSERT_TRUE(pid.has_value());
      EXPECT_EQ(*pid, event_pid(event.record));
      seen += std::to_string(event.timestamp) + " " + std::to_string(*pid) + " " + format->name + "\n";
    }
    EXPECT_EQ(cursor.damaged_bytes(), 0u);
  }
  EXPECT_EQ(seen, *expected);
  EXPECT_EQ(seen_missed, missed);
}

TEST(RealPages, OfAQuietBufferAreWhatTheKernelPrints) { check_capture("plain", 0); }
TEST(RealPages, OfAnOverrunBufferTellTheKernelsOverrunCount) { check_capture("overrun", 2791); }

}  // namespace
}  // namespace ivtrace::decode
