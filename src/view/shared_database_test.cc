#include "view/shared_database.h"

#include <gtest/gtest.h>

#include <thread>

#include "query/query_test_support.h"

namespace ivtrace::view {
namespace {

class SharedDatabaseTest : public ::testing::Test {
 protected:
  SharedDatabaseTest() : open_(made_) {}

  model::MadeRun made_;
  query::OpenRun open_;
  int opened_ = 0;
  SharedDatabase shared_{[this](query::StopFlag stop) {
    ++opened_;
    return query::Database::open(open_.run(), open_.clock(), stop, query::CacheUse::kNone);
  }};
};

Result<std::int64_t> count_up(query::Database& database, std::int64_t to) {
  IVT_ASSIGN_OR_RETURN(
      query::Statement statement,
      database.prepare("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :to) "
                       "SELECT count(*) FROM n",
                       {{"to", to}}));
  IVT_ASSIGN_OR_RETURN(const bool is_there, statement.step());
  IVT_CHECK(is_there);
  return std::get<std::int64_t>(statement.cell(0));
}
constexpr std::int64_t kForever = std::int64_t{1} << 60;

TEST_F(SharedDatabaseTest, IsOpenedOnceForAll) {
  EXPECT_EQ(opened_, 0);
  for (int i = 0; i < 2; ++i) {
    StopSource stop;
    EXPECT_EQ(*shared_.use(stop, [](query::Database& database) { return count_up(database, 10); }), 10);
  }
  EXPECT_EQ(opened_, 1);
}

TEST_F(SharedDatabaseTest, AnOpenersErrorIsEachOnesAnswerUntilItOpens) {
  bool is_there = false;
  SharedDatabase later([&](query::StopFlag stop) -> Result<std::unique_ptr<query::Database>> {
    if (!is_there) return Error(ErrorCode::kBusy, "not yet");
    return query::Database::open(open_.run(), open_.clock(), stop, query::CacheUse::kNone);
  });
  StopSource stop;
  const auto ask = [&] {
    return later.use(stop, [](query::Database& database) { return count_up(database, 3); });
  };
  EXPECT_EQ(ask().error().code, ErrorCode::kBusy);
  is_there = true;
  EXPECT_EQ(*ask(), 3);
}

TEST_F(SharedDatabaseTest, AStopEndsTheOnesWorkAndNotTheNexts) {
  StopSource stop;
  Result<std::int64_t> ended = Error(ErrorCode::kIo, "");
  std::thread asking([&] {
    ended = shared_.use(stop, [](query::Database& database) { return count_up(database, kForever); });
  });
  stop.request();
  asking.join();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::kTimeout);
  StopSource other;
  EXPECT_EQ(*shared_.use(other, [](query::Database& database) { return count_up(database, 5000); }), 5000);
}

TEST_F(SharedDatabaseTest, WhoWaitsInVainLeavesTheLine) {
  StopSource first;
  StopSource second;
  std::atomic<bool> is_at_work{false};
  std::thread working([&] {
    const auto ended = shared_.use(first, [&](query::Database& database) {
      is_at_work = true;
      return count_up(database, kForever);
    });
    EXPECT_FALSE(ended);
  });
  while (!is_at_work) std::this_thread::yield();
  second.request();
  const auto ended = shared_.use(second, [](query::Database& database) { return count_up(database, 1); });
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::kTimeout);
  first.request();
  working.join();
}

TEST_F(SharedDatabaseTest, TooManyAtOnceAreTurnedAway) {
  StopSource stop;
  std::atomic<bool> is_at_work{false};
  std::atomic<int> turned_away{0};
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    (void)shared_.use(stop, [&](query::Database& database) {
      is_at_work = true;
      return count_up(database, kForever);
    });
  });
  while (!is_at_work) std::this_thread::yield();
  for (std::size_t i = 0; i < SharedDatabase::kMostWaiting + 1; ++i) {
    threads.emplace_back([&] {
      const auto ended = shared_.use(stop, [](query::Database& database) { return count_up(database, 1); });
      if (!ended && ended.error().code == ErrorCode::kExhausted) ++turned_away;
    });
  }
  while (turned_away == 0) std::this_thread::yield();
  stop.request();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(turned_away, 1);
}

}  // namespace
}  // namespace ivtrace::view
