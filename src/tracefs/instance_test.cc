#include "tracefs/instance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "tracefs/checks.h"
#include "tracefs/events.h"
#include "tracefs/test_support.h"

namespace ivtrace::tracefs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ParseStats, takes_the_named_counters) {
  const auto counters = parse_stats(
      "entries: 3\noverrun: 5\ncommit overrun: 7\nbytes: 320\noldest event ts: 1\nnow ts: 2\ndropped events: "
      "11\n"
      "read events: 13\n");
  ASSERT_TRUE(counters.ok());
  EXPECT_EQ(counters->unread, 3u);
  EXPECT_EQ(counters->overrun, 5u);
  EXPECT_EQ(counters->commit_overrun, 7u);
  EXPECT_EQ(counters->dropped, 11u);
  EXPECT_EQ(counters->delivered, 13u);
}

TEST(ParseStats, a_missing_counter_is_no_zero) {
  EXPECT_FALSE(parse_stats("entries: 3\noverrun: 5\n").ok());
  EXPECT_FALSE(parse_stats("").ok());
}

class InstanceTest : public TracefsTest {
 protected:
  void SetUp() override {
    TracefsTest::SetUp();
    if (IsSkipped()) return;
    auto instance = Instance::create(*dir_, name_);
    ASSERT_TRUE(instance.ok()) << instance.error().to_string();
    instance_.emplace(std::move(*instance));
  }

  bool exists() const {
    const auto names = Instance::list(*dir_);
    return names.ok() && std::find(names->begin(), names->end(), name_) != names->end();
  }

  const std::string name_ = "ivtrace-itest-" + std::to_string(::getpid());
  std::optional<Instance> instance_;
};

TEST_F(InstanceTest, goes_with_its_object_and_not_before) {
  EXPECT_TRUE(exists());
  EXPECT_EQ(Instance::create(*dir_, name_).error().code, ErrorCode::kBusy);
  EXPECT_TRUE(exists()) << "a second create() must not take the first one's instance along";
  Instance moved = std::move(*instance_);
  instance_.reset();
  EXPECT_TRUE(exists());
  ASSERT_TRUE(moved.remove().ok());
  EXPECT_FALSE(exists());
}

TEST_F(InstanceTest, adopting_a_left_instance_removes_it) {
  instance_->leave();
  instance_.reset();
  EXPECT_TRUE(exists());
  {
    auto adopted = Instance::adopt(*dir_, name_);
    ASSERT_TRUE(adopted.ok());
  }
  EXPECT_FALSE(exists());
}

TEST_F(InstanceTest, refuses_names_of_others) {
  EXPECT_EQ(Instance::create(*dir_, "perfetto").error().code, ErrorCode::kInvalid);
  EXPECT_EQ(Instance::adopt(*dir_, "ivtrace/../x").error().code, ErrorCode::kInvalid);
}

TEST_F(InstanceTest, removal_waits_for_a_reader_to_close) {
  auto raw = instance_->open_raw(instance_->cpus()->front());
  ASSERT_TRUE(raw.ok());
  std::thread closer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    raw->reset();
  });
  const Status removed = instance_->remove();
  closer.join();
  EXPECT_TRUE(removed.ok()) << removed.error().to_string();
  EXPECT_FALSE(exists());
}

TEST_F(InstanceTest, an_unknown_clock_is_told_with_those_there_are) {
  const Status status = instance_->set_clock("sundial");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(status.error().message, HasSubstr("mono"));
}

TEST_F(InstanceTest, sets_exactly_the_events_asked_for) {
  EXPECT_THAT(instance_->set_events(std::vector<std::string>{"sched:sched_switch", "sched:sched_waking"}),
              IsEmpty());
  EXPECT_THAT(instance_->set_events(std::vector<std::string>{"sched:sched_switch", "sched:no_such"}),
              ElementsAre(HasSubstr("sched:no_such")));
  EXPECT_THAT(instance_->events(), ElementsAre("sched:sched_switch"));
  const auto set = read_file_at(instance_->dir_fd(), "set_event");
  ASSERT_TRUE(set.ok());
  EXPECT_THAT(*set, HasSubstr("sched:sched_switch"));
  EXPECT_THAT(*set, ::testing::Not(HasSubstr("sched_waking")));
}

TEST_F(InstanceTest, a_bad_filter_brings_the_kernels_words_and_leaves_no_filter) {
  const Status status = instance_->set_filter("sched:sched_switch", "colour == 3");
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message, HasSubstr("Field not found"));
  const auto filter = read_file_at(instance_->dir_fd(), "events/sched/sched_switch/filter");
  ASSERT_TRUE(filter.ok());
  EXPECT_EQ(*filter, "none\n");
  EXPECT_TRUE(instance_->set_filter("sched:sched_switch", "prev_pid == 1").ok());
  EXPECT_TRUE(instance_->set_filter("sched:sched_switch", "").ok());
  EXPECT_EQ(instance_->set_filter("../../evil:x", "1").error().code, ErrorCode::kNotFound);
}

TEST_F(InstanceTest, event_pids_add_up) {
  std::vector<Tid> many;
  for (int i = 1; i <= 1000; ++i) many.emplace_back(i);
  ASSERT_TRUE(instance_->add_event_pids(many).ok());
  ASSERT_TRUE(instance_->add_event_pids(std::vector<Tid>{Tid(1), Tid(1001)}).ok());
  const auto pids = read_file_at(instance_->dir_fd(), "set_event_pid");
  ASSERT_TRUE(pids.ok());
  EXPECT_EQ(std::count(pids->begin(), pids->end(), '\n'), 1001);
}

TEST_F(InstanceTest, adding_event_pids_lets_no_other_threads_system_calls_through) {
  // Processes that sleep until they are killed make no system calls; this one makes a great many.
  std::vector<pid_t> sleepers;
  for (int i = 0; i < 3; ++i) {
    sleepers.push_back(::fork());
    if (sleepers.back() == 0) {
      while (true) ::pause();
    }
  }
  ASSERT_TRUE(instance_->add_event_pids(std::vector<Tid>{Tid(sleepers[0])}).ok());
  ASSERT_THAT(instance_->set_events(std::vector<std::string>{"raw_syscalls:sys_enter"}), IsEmpty());
  ASSERT_TRUE(instance_->set_tracing(true).ok());
  std::atomic<bool> done{false};
  std::thread noise([&] {
    while (!done) ::getppid();
  });
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(instance_->add_event_pids(std::vector<Tid>{Tid(sleepers[1]), Tid(sleepers[2])}).ok());
  }
  done = true;
  noise.join();
  ASSERT_TRUE(instance_->set_tracing(false).ok());
  for (const pid_t sleeper : sleepers) {
    ::kill(sleeper, SIGKILL);
    ::waitpid(sleeper, nullptr, 0);
  }
  std::uint64_t recorded = 0;
  const auto cpus = instance_->cpus();
  ASSERT_TRUE(cpus.ok());
  for (const CpuId cpu : *cpus) {
    const auto counters = instance_->counters(cpu);
    ASSERT_TRUE(counters.ok());
    recorded += counters->unread + counters->overrun;
  }
  EXPECT_LE(recorded, 10 * sleepers.size()) << "more than the sleepers may call on their way to pause()";
}

TEST_F(InstanceTest, checks_find_this_machine_able_and_leave_nothing) {
  for (const format::Check& check : check_tracing(1024)) {
    EXPECT_NE(check.state, "missing") << check.name << ": " << check.detail;
  }
  const auto names = Instance::list(*dir_);
  ASSERT_TRUE(names.ok());
  EXPECT_EQ(std::count(names->begin(), names->end(), "ivtrace-" + std::to_string(::getpid()) + "-check"), 0);
}

TEST_F(InstanceTest, formats_are_framed_by_their_length) {
  const auto text = formats_text(*dir_, std::vector<std::string>{"sched:sched_switch"});
  ASSERT_TRUE(text.ok());
  std::vector<std::string> names;
  std::size_t at = 0;
  while (at < text->size()) {
    ASSERT_EQ(text->compare(at, 5, "file "), 0);
    const std::size_t space = text->find(' ', at + 5);
    const std::size_t end = text->find('\n', at);
    names.push_back(text->substr(at + 5, space - at - 5));
    at = end + 1 + std::stoul(text->substr(space + 1, end - space - 1));
    ASSERT_EQ((*text)[at], '\n');
    ++at;
  }
  EXPECT_THAT(names, ::testing::IsSupersetOf({"header_page", "header_event", "ftrace/print/format",
                                              "sched/sched_switch/format"}));
}

}  // namespace
}  // namespace ivtrace::tracefs
