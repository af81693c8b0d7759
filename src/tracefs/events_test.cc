#include "tracefs/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tracefs/cpus.h"
#include "tracefs/lockdown.h"

namespace ivtrace::tracefs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

const std::vector<std::string> kAvailable = {"block:block_rq_complete", "block:block_rq_issue",
                                             "sched:sched_switch", "sched:sched_waking",
                                             "syscalls:sys_enter_read"};

EventSelection select(std::vector<std::string> patterns) { return select_events(kAvailable, patterns); }

TEST(SelectEvents, takes_names_globs_systems_and_bare_names) {
  EXPECT_THAT(select({"sched:sched_switch"}).events, ElementsAre("sched:sched_switch"));
  EXPECT_THAT(select({"block:block_rq_*"}).events,
              ElementsAre("block:block_rq_complete", "block:block_rq_issue"));
  EXPECT_THAT(select({"sched"}).events, ElementsAre("sched:sched_switch", "sched:sched_waking"));
  EXPECT_THAT(select({"sched:"}).events, ElementsAre("sched:sched_switch", "sched:sched_waking"));
  EXPECT_THAT(select({"sched_waking"}).events, ElementsAre("sched:sched_waking"));
  EXPECT_THAT(select({"sched", "sched:sched_switch"}).events,
              ElementsAre("sched:sched_switch", "sched:sched_waking"));
}

TEST(SelectEvents, says_what_is_near_to_a_name_that_does_not_exist) {
  const EventSelection selection = select({"sched:sched_swich", "sched:sched_waking"});
  EXPECT_THAT(selection.events, ElementsAre("sched:sched_waking"));
  EXPECT_THAT(selection.rejected, ElementsAre(HasSubstr("sched:sched_switch")));
  EXPECT_THAT(select({"sched_swich"}).rejected, ElementsAre(HasSubstr("sched_switch")));
}

TEST(SelectEvents, nothing_asked_is_nothing_taken) {
  EXPECT_THAT(select({}).events, IsEmpty());
  EXPECT_THAT(select({""}).events, IsEmpty());
}

TEST(Profiles, only_system_calls_are_named_as_system_calls) {
  for (const Profile& profile : profiles()) {
    for (const std::string& event : profile.events) EXPECT_FALSE(is_syscall_event(event)) << event;
    for (const std::string& event : profile.host_events) EXPECT_FALSE(is_syscall_event(event)) << event;
    for (const std::string& event : profile.syscalls) EXPECT_TRUE(is_syscall_event(event)) << event;
  }
  EXPECT_NE(find_profile("io"), nullptr);
  EXPECT_EQ(find_profile("none"), nullptr);
}

TEST(Profiles, this_kernel_has_what_they_are_made_of) {
  if (::geteuid() != 0) GTEST_SKIP() << "tracefs needs root";
  const auto dir = TraceDir::open();
  if (!dir) GTEST_SKIP() << dir.error().to_string();
  const auto available = available_events(*dir);
  ASSERT_TRUE(available.ok());
  for (const Profile& profile : profiles()) {
    EXPECT_THAT(select_events(*available, profile.events).rejected, IsEmpty()) << profile.name;
  }
}

TEST(ResolveFilters, names_patterns_and_full_names_become_full_names) {
  const auto filters = resolve_filters(
      kAvailable,
      {{"sched_switch", "prev_pid > 5"}, {"block:*", "nr_sector > 8"}, {"syscalls", "common_pid == 7"}});
  ASSERT_TRUE(filters.ok()) << filters.error().to_string();
  EXPECT_THAT(*filters, ElementsAre(Pair("block:block_rq_complete", "nr_sector > 8"),
                                    Pair("block:block_rq_issue", "nr_sector > 8"),
                                    Pair("sched:sched_switch", "prev_pid > 5"),
                                    Pair("syscalls:sys_enter_read", "common_pid == 7")));
}

TEST(ResolveFilters, a_name_of_nothing_recorded_is_refused_with_the_nearest) {
  for (const char* name : {"sched_swich", "sched:sched_swich"}) {
    const auto filters = resolve_filters(kAvailable, {{name, "1"}});
    ASSERT_FALSE(filters.ok());
    EXPECT_EQ(filters.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(filters.error().to_string(), HasSubstr(name));
    EXPECT_THAT(filters.error().to_string(), HasSubstr("sched_switch"));
  }
  EXPECT_FALSE(resolve_filters(kAvailable, {{"irq:*", "1"}}).ok());
}

TEST(ResolveFilters, common_pid_is_refused_where_interrupts_would_go_with_it) {
  EXPECT_FALSE(resolve_filters(kAvailable, {{"sched_switch", "prev_pid>1&&common_pid!=5"}}).ok());
  EXPECT_FALSE(resolve_filters(kAvailable, {{"*", "common_pid != 5"}}).ok());
  EXPECT_TRUE(resolve_filters(kAvailable, {{"sched_switch", "my_common_pid == 5 || common_pid2 == 5"}}).ok());
}

TEST(ResolveFilters, one_event_has_one_filter) {
  EXPECT_FALSE(resolve_filters(kAvailable, {{"sched:*", "a == 1"}, {"sched_switch", "a == 2"}}).ok());
  EXPECT_TRUE(resolve_filters(kAvailable, {{"sched:*", "a == 1"}, {"sched_switch", "a == 1"}}).ok());
}

TEST(ParseCpuList, understands_ranges) {
  EXPECT_THAT(*parse_cpu_list("0-2,5\n"), ElementsAre(CpuId(0), CpuId(1), CpuId(2), CpuId(5)));
  EXPECT_THAT(*parse_cpu_list("0"), ElementsAre(CpuId(0)));
  EXPECT_THAT(*parse_cpu_list("\n"), IsEmpty());
  EXPECT_FALSE(parse_cpu_list("3-1").ok());
  EXPECT_FALSE(parse_cpu_list("0-99999999").ok());
  EXPECT_FALSE(parse_cpu_list("a").ok());
}

TEST(Lockdown, the_bracketed_word_is_the_state) {
  EXPECT_EQ(parse_lockdown("[none] integrity confidentiality\n"), Lockdown::kNone);
  EXPECT_EQ(parse_lockdown("none [integrity] confidentiality\n"), Lockdown::kIntegrity);
  EXPECT_EQ(parse_lockdown("none integrity [confidentiality]\n"), Lockdown::kConfidentiality);
  EXPECT_EQ(parse_lockdown(""), Lockdown::kUnknown);
}

}  // namespace
}  // namespace ivtrace::tracefs
