#include "merge/merger.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include "merge/stream_test_support.h"

namespace ivtrace::merge {
namespace {

struct Tagged {
  std::uint64_t time;
  std::uint32_t cpu;
  std::int32_t pid;
  friend bool operator==(const Tagged&, const Tagged&) = default;
};

/// Merges `events`, one list of rising times per stream.
std::vector<Tagged> merged(const std::vector<std::vector<MadeEvent>>& events, format::PageLayout layout) {
  std::vector<std::unique_ptr<FileBuilder>> files;
  std::vector<std::unique_ptr<EventStream>> streams;
  std::vector<EventStream*> pointers;
  for (std::size_t i = 0; i < events.size(); ++i) {
    files.push_back(std::make_unique<FileBuilder>(layout, 512));
    for (const MadeEvent& event : events[i]) files.back()->event(event);
    streams.push_back(host_stream(*files.back(), static_cast<std::uint32_t>(i)));
    pointers.push_back(streams.back().get());
  }
  Merger merger(pointers);
  std::vector<Tagged> out;
  MergedEvent event;
  while (merger.next(event)) {
    EXPECT_EQ(event.id, FileBuilder::kId);
    EXPECT_EQ(event.loss, nullptr);
    out.push_back({event.time.value, event.stream->cpu.value, decode::event_pid(event.record)});
  }
  EXPECT_FALSE(merger.next(event)) << "the end stays the end";
  return out;
}

/// The plain way to the same order.
std::vector<Tagged> sorted(const std::vector<std::vector<MadeEvent>>& events) {
  std::vector<Tagged> out;
  for (std::size_t i = 0; i < events.size(); ++i) {
    for (const MadeEvent& event : events[i]) {
      out.push_back({event.time, static_cast<std::uint32_t>(i), event.pid});
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const Tagged& a, const Tagged& b) { return a.time < b.time; });
  return out;
}

TEST(Merger, IsAStableSortOfRandomStreams) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::vector<MadeEvent>> events(random() % 12);
    const std::uint64_t step = 1 + random() % 50;  // small steps make many ties
    std::int32_t pid = 0;
    for (auto& stream : events) {
      std::uint64_t time = 1 + random() % 1000;
      const std::size_t count = random() % 5 == 0 ? 0 : random() % 120;
      for (std::size_t i = 0; i < count; ++i) {
        time += random() % 10 == 0 ? random() % 2000 : random() % step;  // bursts
        stream.push_back({time, pid++});
      }
    }
    for (const auto layout : {format::PageLayout::kSlots, format::PageLayout::kPacked}) {
      ASSERT_EQ(merged(events, layout), sorted(events)) << "round " << round;
    }
  }
}

TEST(Merger, TiesGoToTheStreamThatWasGivenFirst) {
  const std::vector<std::vector<MadeEvent>> events(5, {{100, 1}, {100, 2}, {200, 3}});
  EXPECT_EQ(merged(events, format::PageLayout::kSlots), sorted(events));
}

TEST(Merger, OfNothingIsEmpty) {
  EXPECT_TRUE(merged({}, format::PageLayout::kSlots).empty());
  EXPECT_TRUE(merged({{}, {}}, format::PageLayout::kSlots).empty());
}

TEST(Merger, LongGapsNeedTimeExtends) {
  const std::vector<std::vector<MadeEvent>> events{{{1, 1}, {1ull << 40, 2}, {1ull << 58, 3}},
                                                   {{1ull << 39, 4}, {(1ull << 58) + 1, 5}}};
  EXPECT_EQ(merged(events, format::PageLayout::kPacked), sorted(events));
}

TEST(Merger, HolesKeepTheirPlaceInTheOrder) {
  FileBuilder first(format::PageLayout::kSlots);
  first.event({100, 1});
  first.lose(9);
  first.event({300, 2});
  FileBuilder second(format::PageLayout::kSlots);
  for (const std::uint64_t time : {150u, 250u, 350u}) second.event({time, 3});
  const auto a = host_stream(first, 0);
  const auto b = host_stream(second, 1);
  Merger merger({a.get(), b.get()});
  std::vector<std::pair<std::uint64_t, bool>> seen;
  MergedEvent event;
  while (merger.next(event)) {
    seen.emplace_back(event.time.value, event.loss != nullptr);
    if (event.loss != nullptr) {
      EXPECT_TRUE(event.record.empty());
      EXPECT_EQ(event.id, 0);
      EXPECT_EQ(event.stream->cpu, CpuId(0));
    }
  }
  EXPECT_EQ(seen, (std::vector<std::pair<std::uint64_t, bool>>{
                      {100, false}, {150, false}, {250, false}, {300, true}, {300, false}, {350, false}}));
}

}  // namespace
}  // namespace ivtrace::merge
