#include "hypervisor/call_thread.h"

#include <gtest/gtest.h>

#include <future>

namespace ivtrace::hypervisor {
namespace {

constexpr Nanoseconds kPatience{20'000'000'000};
constexpr Nanoseconds kShort{30'000'000};

TEST(CallThread, GivesWhatTheCallGives) {
  CallThread calls;
  EXPECT_EQ(calls.call<int>([] { return 7; }, kPatience), 7);
  EXPECT_EQ(calls.call<std::string>([] { return std::string("x"); }, kPatience), "x");
}

TEST(CallThread, ACallThatHangsHoldsNobodyAndOthersFailUntilItIsBack) {
  CallThread calls;
  const auto hang = std::make_shared<std::promise<void>>();
  const auto until = std::make_shared<std::shared_future<void>>(hang->get_future().share());
  const auto hanging = [until] {
    until->wait();
    return 1;
  };
  EXPECT_FALSE(calls.call<int>(hanging, kShort).has_value());
  bool made = false;
  EXPECT_FALSE(calls.call<int>([&] { return made = true, 2; }, kPatience).has_value());
  EXPECT_FALSE(made);
  hang->set_value();
  std::optional<int> answer;
  for (int i = 0; i < 2000 && !answer; ++i) {
    answer = calls.call<int>([] { return 3; }, kPatience);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(answer, 3);
}

TEST(CallThread, OneThatIsStuckDoesNotKeepItsOwner) {
  const auto hang = std::make_shared<std::promise<void>>();
  const auto until = std::make_shared<std::shared_future<void>>(hang->get_future().share());
  auto ended = std::make_shared<std::promise<void>>();
  auto over = ended->get_future();
  {
    CallThread calls;
    EXPECT_FALSE(calls.call<int>([until] { return until->wait(), 1; }, kShort).has_value());
    calls.post([ended] { ended->set_value(); });
  }
  hang->set_value();
  EXPECT_EQ(over.wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

TEST(CallThread, WhatACallHoldsMayTakeItsTimeToGoWithoutItsOwner) {
  struct Slow {
    std::promise<void>& begun;
    std::shared_future<void> until;
    std::promise<void>& over;
    ~Slow() {
      begun.set_value();
      until.wait();
      over.set_value();
    }
  };
  std::promise<void> hang, begun, over;
  {
    CallThread calls;
    calls.post([slow = std::shared_ptr<Slow>(new Slow{begun, hang.get_future().share(), over})] {});
    begun.get_future().wait();
  }
  hang.set_value();
  EXPECT_EQ(over.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

}  // namespace
}  // namespace ivtrace::hypervisor
