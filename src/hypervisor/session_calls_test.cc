#include "hypervisor/session_calls.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <thread>

namespace ivtrace::hypervisor {
namespace {

constexpr Nanoseconds kPatience{20'000'000'000};
constexpr Nanoseconds kShort{30'000'000};

struct Session {
  int number = 0;
};

/// Calls that hang until the test ends or lets them go on.
class SessionCallsTest : public ::testing::Test {
 protected:
  void TearDown() override { go_on(); }

  void go_on() {
    if (!std::exchange(gone_on_, true)) hang_.set_value();
  }
  bool hangs(const std::string& subject) {
    const std::function<int(Session&)> body = [until = until_](Session&) { return until.wait(), 1; };
    return !calls_.call<int>(subject, body, kShort).has_value();
  }
  /// The number of the session that served it.
  std::optional<int> serves(const std::string& subject) {
    const std::function<int(Session&)> body = [](Session& session) { return session.number; };
    return calls_.call<int>(subject, body, kPatience);
  }

  std::promise<void> hang_;
  std::shared_future<void> until_ = hang_.get_future().share();
  bool gone_on_ = false;
  int made_ = 0;
  SessionCalls<Session> calls_{[this] { return std::make_shared<Session>(Session{++made_}); }};
};

TEST_F(SessionCallsTest, ADomainThatHangsLeavesTheOthersReachable) {
  EXPECT_EQ(serves("B"), 1);
  EXPECT_TRUE(hangs("A"));
  EXPECT_EQ(serves("B"), 2);
  EXPECT_EQ(serves("A"), std::nullopt) << "the one that hangs is not asked again";
  EXPECT_EQ(serves("B"), 2);
  go_on();
  std::optional<int> answer;
  for (int i = 0; i < 2000 && !answer; ++i) {
    answer = serves("A");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(answer, 2);
}

TEST_F(SessionCallsTest, ADaemonThatHangsIsAskedNothingMore) {
  EXPECT_TRUE(hangs(""));
  EXPECT_EQ(serves("B"), std::nullopt);
}

TEST_F(SessionCallsTest, ABoundedNumberIsLeftBehind) {
  for (std::size_t i = 0; i < SessionCalls<Session>::kMaxLeftBehind; ++i) {
    EXPECT_TRUE(hangs("A" + std::to_string(i)));
  }
  EXPECT_EQ(serves("B"), std::nullopt);
  EXPECT_EQ(made_, static_cast<int>(SessionCalls<Session>::kMaxLeftBehind));
}

}  // namespace
}  // namespace ivtrace::hypervisor
