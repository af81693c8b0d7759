#include "run/page_encoder.h"

#include <gtest/gtest.h>

#include <vector>

#include "decode/page.h"
#include "decode/page_builder.h"

namespace ivtrace::run {
namespace {

constexpr std::size_t kPage = 4096;

decode::PageImage image_of(const std::string& page) {
  decode::PageWalker walker(std::as_bytes(std::span(page)), format::PageLayout::kSlots, kPage);
  decode::PageImage image;
  EXPECT_TRUE(walker.next(image));
  return image;
}

std::string page_of(const PageEncoder& encoder, const Missed& missed = {}) {
  std::string page;
  append_page(page, kPage, encoder.timestamp(), encoder.events(), missed);
  EXPECT_EQ(page.size(), kPage);
  return page;
}

TEST(PageEncoder, WhatGoesInComesOutWhateverTheDistanceAndTheLength) {
  const std::vector<std::pair<std::uint64_t, std::size_t>> events = {
      {1000, 8}, {1000, 112}, {1000 + (1u << 27) - 1, 116}, {5'000'000'000, 12}, {1ull << 57, 1024}};
  PageEncoder encoder(kPage);
  for (const auto& [time, size] : events) {
    const decode::Bytes record = decode::make_record(7, 42, size);
    ASSERT_TRUE(encoder.fits(time, record));
    ASSERT_TRUE(encoder.add(time, record));
  }
  const std::string page = page_of(encoder);
  const decode::PageImage image = image_of(page);
  EXPECT_EQ(image.timestamp, 1000u);
  EXPECT_FALSE(image.missed);
  decode::EventCursor cursor(image.timestamp, image.events);
  decode::RawEvent raw;
  for (const auto& [time, size] : events) {
    ASSERT_TRUE(cursor.next(raw));
    EXPECT_EQ(raw.timestamp, time);
    EXPECT_EQ(raw.record.size(), size);
    EXPECT_EQ(decode::event_id(raw.record), 7);
    EXPECT_EQ(decode::event_pid(raw.record), 42);
  }
  EXPECT_FALSE(cursor.next(raw));
  EXPECT_EQ(cursor.damaged_bytes(), 0u);
}

TEST(PageEncoder, AFullPageSaysSoAndAnEventLargerThanAnyIsRefused) {
  PageEncoder encoder(kPage);
  const decode::Bytes record = decode::make_record(7, 42, 60);
  std::size_t count = 0;
  for (; encoder.fits(count, record); ++count) ASSERT_TRUE(encoder.add(count, record));
  EXPECT_EQ(count, (kPage - 16) / 64);
  encoder.clear();
  EXPECT_TRUE(encoder.empty());
  EXPECT_FALSE(encoder.add(1, decode::make_record(7, 42, kPage)));
  EXPECT_TRUE(encoder.empty());
  const decode::Bytes largest = decode::make_record(7, 42, kPage - 16 - 8);
  ASSERT_TRUE(encoder.fits(1, largest));
  EXPECT_TRUE(encoder.add(1, largest));
}

TEST(PageEncoder, ADistanceThatNoHeaderCanHoldBeginsAnotherPage) {
  PageEncoder encoder(kPage);
  const decode::Bytes record = decode::make_record(7, 42);
  ASSERT_TRUE(encoder.add(1, record));
  EXPECT_TRUE(encoder.fits(1ull << 59, record));
  EXPECT_FALSE(encoder.fits((1ull << 59) + 1, record));
}

TEST(AppendPage, WhatWasMissedIsMarkedAsTheKernelDoes) {
  PageEncoder encoder(kPage);
  ASSERT_TRUE(encoder.add(1, decode::make_record(7, 42)));
  Missed missed;
  missed.add(5);
  missed.add(6);
  std::string page = page_of(encoder, missed);
  EXPECT_TRUE(image_of(page).missed);
  EXPECT_EQ(image_of(page).missed_count, 11u);
  missed.add(std::nullopt);
  missed.add(1);
  page = page_of(encoder, missed);
  EXPECT_TRUE(image_of(page).missed);
  EXPECT_FALSE(image_of(page).missed_count);
}

TEST(AppendPage, ACountThatHasNoRoomIsLeftOut) {
  PageEncoder encoder(kPage);
  ASSERT_TRUE(encoder.add(1, decode::make_record(7, 42, kPage - 16 - 8)));
  Missed missed;
  missed.add(5);
  const std::string page = page_of(encoder, missed);
  EXPECT_TRUE(image_of(page).missed);
  EXPECT_FALSE(image_of(page).missed_count);
}

}  // namespace
}  // namespace ivtrace::run
