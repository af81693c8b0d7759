#include "timeline/timeline.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "model/io_test_support.h"
#include "model/model_test_support.h"
#include "timeline/track_list.h"

namespace ivtrace::timeline {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::uint64_t kStart = 2'000'000;  // the made runs'
using Lines = std::vector<std::string>;

/// A made run with its timeline. Ticks are nanoseconds from kStart.
class Opened {
 public:
  explicit Opened(auto& made, query::CacheUse cache = query::CacheUse::kNone) : Opened(opened(made), cache) {}
  explicit Opened(const std::string& path, query::CacheUse cache)
      : Opened(*run::RunReader::open(path), cache) {}

  Timeline& timeline() { return *timeline_; }
  const run::RunReader& run() const { return run_; }
  const clock::HostClock& clock() const { return clock_; }
  void wait() const {
    while (!timeline_->progress().done) std::this_thread::yield();
    EXPECT_EQ(timeline_->progress().failure, "");
  }
  void end() { timeline_.reset(); }
  const Track* find(std::uint32_t machine, TrackKind kind, std::int64_t number) {
    tracks_ = timeline_->tracks();
    const auto found = std::ranges::find_if(tracks_, [&](const Track& track) {
      return track.machine == machine && track.kind == kind && track.number == number;
    });
    return found == tracks_.end() ? nullptr : &*found;
  }
  TileTrack tile(std::uint32_t track, TileKey key = {}) const {
    return timeline_->tiles(key, std::span(&track, 1), nullptr).value().front();
  }
  /// "from-until state label machine tid"
  Lines slices(std::uint32_t machine, TrackKind kind, std::int64_t number) {
    const Track* const track = find(machine, kind, number);
    if (track == nullptr) return {"no such track"};
    const TileTrack tile = this->tile(track->id);
    EXPECT_TRUE(tile.complete);
    Lines lines;
    for (const TileSlice& slice : tile.slices) {
      const Category& category = tile.categories[slice.category];
      lines.push_back(fmt::format("{}-{} {} '{}' {} {}{}", slice.from_ns, slice.until_ns, category.state,
                                  category.label, category.machine, category.tid, slice.open ? " open" : ""));
    }
    return lines;
  }
  Lines track_lines() {
    Lines lines;
    for (const Track& track : timeline_->tracks())
      lines.push_back(fmt::format("{} {} {}", track.machine, to_string(track.kind), track.name));
    return lines;
  }
  /// All that can be seen at the whole run's level.
  Lines everything() {
    Lines lines = track_lines();
    for (const Track& track : timeline_->tracks()) {
      for (const std::string& line : slices(track.machine, track.kind, track.number)) lines.push_back(line);
      for (const Hole& hole : tile(track.id).holes)
        lines.push_back(fmt::format("hole {} {}", hole.from_ns, hole.until_ns));
    }
    return lines;
  }

 private:
  Opened(run::RunReader run, query::CacheUse cache)
      : run_(std::move(run)),
        clock_(*clock::HostClock::create(run_.anchors(), run_.manifest().start_tsc)),
        timeline_(*Timeline::open(run_, clock_, cache)) {}
  template <class Made>
  static run::RunReader opened(Made& made) {
    made.anchors = true;
    return made.open();
  }

  run::RunReader run_;
  clock::HostClock clock_;
  std::unique_ptr<Timeline> timeline_;
  std::vector<Track> tracks_;
};

void fill(model::MadeRun& made) {
  made.qemu_threads = {499, 500, 501};
  made.entry(kStart + 10);
  made.exit(kStart + 20, 0x400);
  made.host_switch(kStart + 22, 500, 0, 900, "hog");
  made.host_switch(kStart + 32, 900, 1, 500, "CPU 0/KVM");
  made.entry(kStart + 35);
  made.guest(kStart + 37, 0, 77);
  made.guest(kStart + 45, 77, 0);
  made.exit(kStart + 50, 0x78);
  made.host_switch(kStart + 60, 500, 1, 501, "io");
  made.host_switch(kStart + 70, 501, 1, 0, "swapper");
}

TEST(Timeline, AllThatHappenedIsOnItsTrack) {
  model::MadeRun made;
  fill(made);
  Opened run(made);
  run.wait();
  EXPECT_THAT(run.track_lines(),
              ElementsAre("0 cpu CPU 0", "1 vcpu vCPU 0", "1 task CPU 0", "1 thread io 501"));
  EXPECT_THAT(run.slices(0, TrackKind::kCpu, 0),
              ElementsAre("22-32 host 'hog' 0 900", "32-60 vcpu 'CPU 0/KVM' 1 500", "60-70 qemu 'io' 1 501"));
  EXPECT_THAT(run.slices(1, TrackKind::kVcpu, 0),
              ElementsAre("10-20 guest '' -1 -1", "20-22 exit 'npf' -1 -1", "22-32 preempted 'hog' 0 900",
                          "32-35 exit 'npf' -1 -1", "35-50 guest '' -1 -1", "50-60 exit 'hlt' -1 -1",
                          "60-70 halted '' -1 -1 open"));
  EXPECT_THAT(run.slices(1, TrackKind::kTask, 0),
              ElementsAre("37-45 task 'guest-task' 1 77", "45-70 idle '' -1 -1 open"));
  EXPECT_THAT(run.slices(1, TrackKind::kThread, 501), ElementsAre("60-70 running '' -1 -1"));
  EXPECT_EQ(run.find(1, TrackKind::kTask, 0)->vcpu, 0);
}

TEST(Timeline, IsAsLongAsTheJournalOrTheHostsEventsTell) {
  model::MadeRun made;
  fill(made);
  made.host_switch(kStart + 3'000'000'000, 0, 0, 900, "late");
  made.guest(kStart + 900'000'000'000, 0, 77);  // whatever a guest says
  Opened run(made);
  EXPECT_EQ(run.timeline().duration_ns(), 3'000'000'000);
  EXPECT_EQ(run.timeline().base_span_ns(), std::int64_t{1} << 32);
}

TEST(Timeline, ARequestHasItsPhasesAndIsTiedToTheHosts) {
  model::MadeIo made;
  for (std::uint64_t at = 10; at < 500; at += 200) {
    made.guest(at, model::kQueueId, at);
    made.guest(at + 10, model::kIssueId, at);
    made.host(at + 20, model::kQueueId, at);
    made.host(at + 25, model::kIssueId, at);
    made.host(at + 90, model::kCompleteId, at);
    made.guest(at + 100, model::kCompleteId, at);
  }
  Opened run(made);
  run.wait();
  EXPECT_THAT(run.track_lines(), ::testing::IsSupersetOf({"0 disk disk 254:0", "1 disk d0 253:0"}));
  const TileTrack guest = run.tile(run.find(1, TrackKind::kDisk, model::kGuestDevice)->id);
  const TileTrack host = run.tile(run.find(0, TrackKind::kDisk, model::kHostDevice)->id);
  ASSERT_EQ(guest.slices.size(), 3U);
  ASSERT_EQ(host.slices.size(), 3U);
  EXPECT_EQ(guest.slices[1].row, 2U);
  EXPECT_EQ(host.slices[1].request, 2U);
  EXPECT_EQ(host.categories[host.slices[1].category].machine, 1);
  ASSERT_EQ(guest.phases[1].size(), 5U);
  EXPECT_EQ(guest.phases[1][3].kind, static_cast<std::uint32_t>(model::IoPhaseKind::kDevice));
  EXPECT_EQ(guest.phases[1][3].span.from_ns, 235);
  EXPECT_EQ(guest.phases[1][3].span.until_ns, 300);
  ASSERT_EQ(host.phases[1].size(), 2U);
  EXPECT_EQ(host.phases[1][0].span.until_ns, 235);
}

TEST(Timeline, LossesAreHolesOfWhomTheyConcern) {
  model::MadeRun made;
  fill(made);
  made.lose();
  made.host_switch(kStart + 500'000'000, 0, 0, 900, "hog");
  made.host_switch(kStart + 500'000'100, 900, 1, 0, "swapper");
  Opened run(made);
  run.wait();
  const std::int64_t bin = run.timeline().base_span_ns() / kBins;
  for (const Track* track : {run.find(0, TrackKind::kCpu, 0)}) {
    const TileTrack tile = run.tile(track->id);
    ASSERT_EQ(tile.holes.size(), 1U);
    EXPECT_EQ(tile.holes[0].from_ns, 0);
    EXPECT_EQ(tile.holes[0].until_ns, (500'000'000 / bin + 1) * bin);
  }
  EXPECT_EQ(run.tile(run.find(1, TrackKind::kVcpu, 0)->id).holes.size(), 1U);
  EXPECT_THAT(run.tile(run.find(1, TrackKind::kTask, 0)->id).holes, IsEmpty());
}

TEST(Timeline, WhatCannotBeIsRefused) {
  model::MadeRun made;
  fill(made);
  Opened run(made);
  const auto refused = [&](TileKey key, std::uint32_t track) {
    const auto tiles = run.timeline().tiles(key, std::span(&track, 1), nullptr);
    return !tiles.ok() && tiles.error().code == ErrorCode::kInvalid;
  };
  EXPECT_FALSE(refused({0, 0}, 0));
  EXPECT_TRUE(refused({0, 1}, 0));
  EXPECT_TRUE(refused({3, 8}, 0));
  EXPECT_TRUE(refused({60, 0}, 0));
  EXPECT_TRUE(refused({30, 0}, 0));  // a bin would be shorter than 1 ns
  EXPECT_TRUE(refused({4294967295, ~0ull}, 0));
  EXPECT_TRUE(refused({0, 0}, 100'000));
  const std::uint32_t track = 0;
  const std::atomic<bool> stop{true};
  EXPECT_EQ(run.timeline().tiles({}, std::span(&track, 1), &stop).error().code, ErrorCode::kTimeout);
}

TEST(Timeline, FromTheCacheItIsTheSame) {
  model::MadeRun made;
  fill(made);
  made.lose();
  made.host_switch(kStart + 500'000'000, 0, 0, 900, "hog");
  made.host_switch(kStart + 500'000'100, 900, 1, 0, "swapper");
  made.ended = true;
  Opened first(made, query::CacheUse::kIfPossible);
  first.wait();
  const Lines seen = first.everything();
  EXPECT_THAT(seen, Not(IsEmpty()));
  Opened second(first.run().path(), query::CacheUse::kIfPossible);
  second.wait();
  EXPECT_EQ(second.everything(), seen);
  if (second.timeline().rows().walks() > 0) GTEST_SKIP() << "nothing is kept here: is the disk full?";
}

TEST(Timeline, SqlBesideItWalksNothing) {
  model::MadeRun made;
  fill(made);
  Opened run(made);
  run.wait();
  const std::uint64_t walks = run.timeline().rows().walks();
  EXPECT_EQ(walks, 2U);
  const auto database = query::Database::open(run.timeline().rows(), run.clock()).value();
  for (const query::TableInfo* table : database->tables()) {
    query::Statement statement =
        database->prepare(std::string("SELECT count(*) FROM ") + table->name).value();
    EXPECT_TRUE(statement.step().value());
  }
  EXPECT_EQ(database->walks(), walks);
}

/// So many that reading takes its time.
void fill_long(model::MadeRun& made) {
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    made.host_switch(kStart + i * 100, i % 2 == 0 ? 900 : 500, 1, i % 2 == 0 ? 500 : 900, "task");
    made.guest(kStart + i * 100 + 10, 77, 78);
  }
}

TEST(Timeline, ManyMayAskWhileItReads) {
  model::MadeRun made;
  fill_long(made);
  Opened run(made);
  std::vector<std::thread> askers;
  for (unsigned i = 0; i < 3; ++i) {
    askers.emplace_back([&run, i] {
      while (true) {
        const bool done = run.timeline().progress().done;
        std::vector<std::uint32_t> ids;
        for (const Track& track : run.timeline().tracks()) ids.push_back(track.id);
        const std::vector<TileTrack> tiles = run.timeline().tiles({i * 3, 0}, ids, nullptr).value();
        for (const TileTrack& tile : tiles) {
          if (done) {
            EXPECT_TRUE(tile.complete);
          }
        }
        if (done) break;
      }
    });
  }
  for (std::thread& asker : askers) asker.join();
  run.wait();
  EXPECT_EQ(run.timeline().progress().switches, 1);
  EXPECT_EQ(run.timeline().progress().rows, 1);
}

TEST(Timeline, EndsInTheMiddleOfItsReading) {
  model::MadeRun made;
  fill_long(made);
  Opened first(made);
  const std::string path = first.run().path();
  first.end();
  for (int i = 0; i < 20; ++i) {
    Opened run(path, query::CacheUse::kNone);
    while (run.timeline().progress().switches < i * 0.05 && !run.timeline().progress().done)
      std::this_thread::yield();
    run.end();
  }
}

TEST(Timeline, AGuestWithoutAClockHasTracksThatSaySo) {
  model::MadeRun made;
  fill(made);
  made.aligned = false;
  Opened run(made);
  run.wait();
  const Track* const track = run.find(1, TrackKind::kTask, 0);
  ASSERT_NE(track, nullptr);
  EXPECT_FALSE(track->aligned);
  EXPECT_THAT(run.tile(track->id).slices, IsEmpty());
}

TEST(Timeline, AProgramsThreadHasItsSlicesInLanesAndItsInstants) {
  model::MadeIo made;
  made.anchors = true;
  made.text("vm1", 10, 78, "B|77|outer");
  made.text("vm1", 20, 78, "B|77|inner");
  made.text("vm1", 30, 78, "I|77|half");
  made.text("vm1", 40, 78, "E|77");
  made.text("vm1", 50, 78, "E|77");
  made.text("vm1", 60, 79, "C|77|queue|5");
  made.text("vm1", 70, 79, "C|77|queue|-6");
  made.text("vm1", 80, 79, "I|77|last");
  Opened opened(made);
  opened.wait();
  EXPECT_THAT(
      opened.slices(1, TrackKind::kMarks, 78),
      ElementsAre("10-50 slice 'outer' 1 78", "20-40 slice 'inner' 1 78", "30-30 instant 'half' 1 78"));
  const Track* const track = opened.find(1, TrackKind::kMarks, 78);
  ASSERT_NE(track, nullptr);
  EXPECT_EQ(track->name, "marks of 77/78");
  EXPECT_EQ(track->lanes, 2u);
  const TileTrack tile = opened.tile(track->id);
  EXPECT_EQ(tile.slices[0].lane, 0u);
  EXPECT_EQ(tile.slices[1].lane, 1u);
  const auto tracks = opened.timeline().tracks();
  const auto counter = std::ranges::find(tracks, TrackKind::kCounter, &Track::kind);
  ASSERT_NE(counter, tracks.end());
  EXPECT_EQ(counter->name, "queue 77");
  EXPECT_THAT(opened.slices(1, TrackKind::kCounter, counter->number),
              ElementsAre("60-70 value '5' 1 -1", "70-80 value '-6' 1 -1 open"));
}

TEST(Timeline, ManyThreadsThatMarkDoNotTakeAllTracks) {
  model::MadeIo made;
  made.anchors = true;
  constexpr std::uint64_t kThreads = TrackList::kMaxMarkTracks + 20;
  for (std::uint64_t i = 0; i < kThreads; ++i) made.text("vm1", i, static_cast<std::int32_t>(i + 1), "I|1|x");
  Opened opened(made);
  opened.wait();
  const auto tracks = opened.timeline().tracks();
  EXPECT_EQ(std::ranges::count(tracks, TrackKind::kMarks, &Track::kind),
            static_cast<std::ptrdiff_t>(TrackList::kMaxMarkTracks));
  EXPECT_FALSE(opened.timeline().notices().empty());
}

}  // namespace
}  // namespace ivtrace::timeline
