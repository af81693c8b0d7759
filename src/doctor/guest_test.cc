#include "doctor/guest.h"

#include <gtest/gtest.h>

namespace ivtrace::doctor {
namespace {

GuestState guest_called(const std::string& name, std::int32_t pid) {
  GuestState state;
  state.guest.name = name;
  state.guest.pid = Pid(pid);
  state.guest.qmp.state = hypervisor::QmpState::kOk;
  return state;
}

TEST(PickGuest, ByNameUuidAndPid) {
  std::vector<GuestState> guests = {guest_called("web", 10), guest_called("database", 11),
                                    guest_called("web", 12)};
  guests[2].guest.uuid = "0c0ffee0-0000-4000-8000-000000000001";
  EXPECT_EQ(pick_guest(guests, "database").value(), 1u);
  EXPECT_EQ(pick_guest(guests, "12").value(), 2u);
  EXPECT_EQ(pick_guest(guests, guests[2].guest.uuid).value(), 2u);
  EXPECT_EQ(pick_guest(guests, "web").error().code, ErrorCode::kInvalid);
}

TEST(PickGuest, UnknownNameGetsTheNearestOnes) {
  const std::vector<GuestState> guests = {guest_called("database", 11)};
  const Result<std::size_t> picked = pick_guest(guests, "databse");
  ASSERT_FALSE(picked);
  EXPECT_EQ(picked.error().to_string(), "there is no guest \"databse\" (did you mean database?)");
  EXPECT_EQ(pick_guest({}, "x").error().code, ErrorCode::kNotFound);
}

TEST(JudgeGuest, EachStageHasItsOwnHint) {
  GuestState state = guest_called("web", 10);
  EXPECT_EQ(judge_guest(state).back().name, "ring");
  EXPECT_NE(judge_guest(state).back().hint.find("ivshmem-plain"), std::string::npos);

  state.guest.rings.push_back({"/dev/shm/web", 16u << 20});
  state.ring_problem = "cannot open /dev/shm/web: Permission denied";
  EXPECT_EQ(judge_guest(state).back().detail, state.ring_problem);

  state.ring.emplace();
  state.ring_problem = "not formatted yet";
  EXPECT_EQ(judge_guest(state).back().state, "missing");

  state.ring_problem.clear();
  state.ring->formatted = true;
  EXPECT_EQ(judge_guest(state).back().detail, "gives no sign of life");

  state.agent_alive = true;
  EXPECT_EQ(judge_guest(state).back().state, "ok");
}

TEST(JudgeGuest, BusyMonitorIsNoFailure) {
  GuestState state = guest_called("web", 10);
  state.guest.qmp.state = hypervisor::QmpState::kBusy;
  EXPECT_EQ(judge_guest(state).front().state, "warning");
}

TEST(AskAgent, RingThatIsNoneIsTold) {
  const std::vector<format::Check> checks = ask_agent("/no/such/ring");
  ASSERT_EQ(checks.size(), 1u);
  EXPECT_EQ(checks[0].state, "missing");
  EXPECT_FALSE(checks[0].hint.empty());
}

}  // namespace
}  // namespace ivtrace::doctor
