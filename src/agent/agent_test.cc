// The agent as a process of its own, against a recorder's side in this one: a ring in a memfd between them
// (named by /proc/<pid>/fd, so that nothing is left behind), and as workload numbered lines written to the
// agent's own tracing instance, so that every event is known.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <thread>

#include "agent/capture.h"
#include "clock/handshake.h"
#include "ring/consumer.h"
#include "ring/mailbox.h"
#include "tracefs/cpus.h"
#include "tracefs/instance.h"
#include "tracefs/test_support.h"

namespace ivtrace::agent {
namespace {

using format::Op;
using format::Reply;
using format::Request;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr Nanoseconds kPatience{20'000'000'000};

Request of(Op op) {
  Request request;
  request.op = op;
  return request;
}

bool eventually(const std::function<bool()>& condition,
                std::chrono::seconds limit = std::chrono::seconds(20)) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

/// An agent process; killed when it goes.
class AgentProcess {
 public:
  explicit AgentProcess(const std::string& ring_path) {
    std::string self(4096, '\0');
    self.resize(static_cast<std::size_t>(
        std::max<ssize_t>(::readlink("/proc/self/exe", self.data(), self.size()), 0)));
    const std::string program = self.substr(0, self.rfind('/')) + "/ivtrace-agent";
    pid_ = ::fork();
    if (pid_ == 0) {
      ::execl(program.c_str(), "ivtrace-agent", "--foreground", "--ring", ring_path.c_str(), nullptr);
      ::_exit(127);
    }
  }
  ~AgentProcess() {
    if (pid_ > 0) end(SIGTERM);
  }
  AgentProcess(const AgentProcess&) = delete;
  AgentProcess& operator=(const AgentProcess&) = delete;

  pid_t pid() const { return pid_; }
  /// Sends the signal, waits for the end, returns wait()'s status.
  int end(int signal_number) {
    ::kill(pid_, signal_number);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
};

/// Rebuilds the images that come out of the ring.
class Saved : public ring::PageSink {
 public:
  struct Page {
    std::vector<std::byte> image;
    bool missed = false;
  };

  Status on_piece(const ring::PagePiece& piece) override {
    std::vector<Page>& pages = cpus[piece.cpu.value];
    if (piece.offset == 0) {
      EXPECT_EQ(piece.page, pages.size());
      pages.push_back({{}, piece.missed});
    }
    EXPECT_EQ(piece.page + 1, pages.size());
    if (pages.empty()) return {};
    EXPECT_EQ(piece.offset, pages.back().image.size());
    pages.back().image.insert(pages.back().image.end(), piece.bytes.begin(), piece.bytes.end());
    return {};
  }
  Status on_loss(const ring::PlaneLoss& loss) override {
    losses.push_back(std::string(ring::to_string(loss.reason)) + " " + loss.detail);
    return {};
  }

  std::vector<int> numbers() const {
    std::vector<int> all;
    for (const auto& [cpu, pages] : cpus) {
      for (const Page& page : pages) {
        const std::vector<int> some = tracefs::numbers_in(page.image);
        all.insert(all.end(), some.begin(), some.end());
      }
    }
    return all;
  }

  std::map<std::uint32_t, std::vector<Page>> cpus;
  std::vector<std::string> losses;
};

class AgentTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "the agent needs root";
    auto dir = tracefs::TraceDir::open();
    if (!dir) GTEST_SKIP() << dir.error().to_string();
    dir_.emplace(std::move(*dir));
    file_ = UniqueFd(::memfd_create("ivtrace-ring", MFD_CLOEXEC));
    ASSERT_TRUE(file_.valid());
    ASSERT_EQ(::ftruncate(file_.get(), 8 << 20), 0);
    ring_path_ = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(file_.get());
    start_agent();
  }

  void TearDown() override {
    plane_.reset();
    host_.reset();
    agent_.reset();
    if (!dir_) return;
    for (const std::string& name : instances()) {
      EXPECT_THAT(started_, Not(Contains(name))) << "left behind";
    }
  }

  void start_agent() {
    agent_ = std::make_unique<AgentProcess>(ring_path_);
    started_.push_back(instance_name(agent_->pid()));
  }

  /// Becomes the recorder: waits for the agent to have formatted the ring.
  void attach() {
    auto host = ring::HostRing::open(ring_path_);
    ASSERT_TRUE(host.ok()) << host.error().to_string();
    host_ = std::move(*host);
    client_ = std::make_unique<ring::MailboxClient>(*host_);
    ASSERT_TRUE(eventually([&] {
      auto plane = ring::CopyRing::attach(*host_);
      if (plane) plane_ = std::move(*plane);
      return plane.ok();
    }));
    plane_->skip_all();
  }
  void detach() {
    plane_.reset();
    client_.reset();
    host_.reset();
  }

  /// Asks, and polls the ring while waiting as a recorder does (unless `poll` is false).
  Reply ask(const Request& request, std::string* raw = nullptr) {
    const Status posted = client_->post(request);
    EXPECT_TRUE(posted.ok()) << posted.error().to_string();
    Reply answer;
    answer.ok = false;
    EXPECT_TRUE(eventually([&] {
      poll();
      auto reply = client_->take(raw);
      EXPECT_TRUE(reply.ok()) << reply.error().to_string();
      if (!reply) return true;
      if (*reply) answer = **reply;
      return reply->has_value();
    }));
    poll();
    return answer;
  }
  void poll() {
    for (;;) {
      const auto progress = plane_->poll(saved_, 1u << 20);
      ASSERT_TRUE(progress.ok()) << progress.error().to_string();
      if (!progress->more) return;
    }
  }

  Reply start(const std::string& feed, std::uint64_t buffer_kb = 0, std::vector<std::string> events = {}) {
    Request request;
    request.op = Op::kStart;
    request.feed = feed;
    request.buffer_kb = buffer_kb;
    request.events = std::move(events);
    const Reply reply = ask(request);
    if (!reply.ok) return reply;
    auto marker =
        open_at(dir_->fd(), "instances/" + instance_name(agent_->pid()) + "/trace_marker", O_WRONLY);
    EXPECT_TRUE(marker.ok());
    if (marker) marker_ = std::move(*marker);
    return reply;
  }
  /// Ends the recording; an open file of the instance would keep the agent from removing it.
  Reply stop() {
    marker_.reset();
    return ask(of(Op::kStop));
  }
  void mark(int count) {
    for (int i = 0; i < count; ++i) {
      const std::string line = "n=" + std::to_string(next_++);
      ASSERT_EQ(::write(marker_.get(), line.data(), line.size()), static_cast<ssize_t>(line.size()));
    }
  }
  void expect_all_marks() {
    std::vector<int> numbers = saved_.numbers();
    std::sort(numbers.begin(), numbers.end());
    ASSERT_EQ(numbers.size(), static_cast<std::size_t>(next_));
    for (int i = 0; i < next_; ++i) ASSERT_EQ(numbers[static_cast<std::size_t>(i)], i);
    EXPECT_THAT(saved_.losses, IsEmpty());
  }

  std::vector<std::string> instances() const {
    const auto names = tracefs::Instance::list(*dir_);
    return names ? *names : std::vector<std::string>();
  }
  bool has_instance(pid_t pid) const {
    const auto names = instances();
    return std::find(names.begin(), names.end(), instance_name(pid)) != names.end();
  }

  std::optional<tracefs::TraceDir> dir_;
  UniqueFd file_;
  std::string ring_path_;
  std::unique_ptr<AgentProcess> agent_;
  std::vector<std::string> started_;
  std::unique_ptr<ring::HostRing> host_;
  std::unique_ptr<ring::MailboxClient> client_;
  std::unique_ptr<ring::CopyRing> plane_;
  Saved saved_;
  UniqueFd marker_;
  int next_ = 0;
};

struct Sum {
  std::uint64_t delivered = 0, unread = 0, overrun = 0, dropped = 0, bytes = 0;
};
Sum sum(const std::vector<format::CpuCounters>& counters) {
  Sum all;
  for (const auto& cpu : counters) {
    all.delivered += cpu.delivered;
    all.unread += cpu.unread;
    all.overrun += cpu.overrun;
    all.dropped += cpu.dropped + cpu.commit_overrun;
    all.bytes += cpu.bytes;
  }
  return all;
}

TEST_F(AgentTest, tells_what_its_machine_is_and_what_it_lacks) {
  attach();
  const Reply hello = ask(of(Op::kHello));
  ASSERT_TRUE(hello.ok) << hello.message;
  EXPECT_EQ(hello.protocol, format::kMailboxProtocol);
  EXPECT_EQ(hello.agent_pid, agent_->pid());
  EXPECT_FALSE(hello.recording);
  EXPECT_GT(hello.tsc_khz, 100'000u);
  EXPECT_EQ(hello.page_size, 4096u);
  EXPECT_THAT(hello.feed, ::testing::AnyOf("map", "read"));
  EXPECT_EQ(hello.cpus.size(), tracefs::possible_cpus()->size());
  const Reply doctor = ask(of(Op::kDoctor));
  EXPECT_GE(doctor.checks.size(), 8u);
  for (const format::Check& check : doctor.checks)
    EXPECT_NE(check.state, "missing") << check.name << check.detail;
}

class AgentFeedTest : public AgentTest, public ::testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Feeds, AgentFeedTest, ::testing::Values("map", "read"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(AgentFeedTest, delivers_every_event_of_three_recordings_in_a_row) {
  attach();
  for (int recording = 0; recording < 3; ++recording) {
    saved_ = Saved();
    next_ = 0;
    plane_->skip_all();
    const Reply started = start(GetParam());
    if (started.code == "unsupported") GTEST_SKIP() << started.message;
    ASSERT_TRUE(started.ok) << started.message;
    EXPECT_EQ(started.feed, GetParam());
    for (int i = 0; i < 10; ++i) {
      mark(500);
      poll();
    }
    const Reply stopped = stop();
    ASSERT_TRUE(stopped.ok) << stopped.message;
    EXPECT_EQ(stopped.message, "");
    EXPECT_FALSE(has_instance(agent_->pid()));
    expect_all_marks();
    const Sum counted = sum(stopped.counters);
    EXPECT_EQ(counted.delivered, static_cast<std::uint64_t>(next_));
    EXPECT_EQ(counted.unread + counted.overrun + counted.dropped, 0u);
  }
}

TEST_P(AgentFeedTest, a_ring_that_nobody_empties_loses_events_but_not_their_number) {
  attach();
  const Reply started = start(GetParam(), 64);
  if (started.code == "unsupported") GTEST_SKIP() << started.message;
  ASSERT_TRUE(started.ok) << started.message;
  mark(300'000);  // about 10 MB: more than ring and kernel buffer hold together
  ASSERT_TRUE(eventually([&] {
    host_->beat();
    return plane_->fill() > 0.9;
  }));
  const Reply stopped = stop();
  ASSERT_TRUE(stopped.ok) << stopped.message;
  const Sum counted = sum(stopped.counters);
  EXPECT_GT(counted.overrun, 0u);
  EXPECT_EQ(counted.unread, 0u) << "the host read on, so all that was left must have been delivered";
  EXPECT_EQ(counted.delivered + counted.overrun + counted.dropped, static_cast<std::uint64_t>(next_));
  EXPECT_EQ(saved_.numbers().size(), counted.delivered);
  std::size_t missed = 0;
  for (const auto& [cpu, pages] : saved_.cpus) {
    missed += static_cast<std::size_t>(
        std::count_if(pages.begin(), pages.end(), [](const auto& p) { return p.missed; }));
  }
  EXPECT_GT(missed, 0u);
  EXPECT_THAT(saved_.losses, IsEmpty());
}

TEST_F(AgentTest, a_running_recordings_buffer_can_be_resized_without_loss) {
  attach();
  ASSERT_TRUE(start("").ok);
  mark(2000);
  Request request = of(Op::kBuffer);
  request.buffer_kb = 8192;
  const Reply resized = ask(request);
  ASSERT_TRUE(resized.ok) << resized.message;
  EXPECT_EQ(resized.feed, "read");
  mark(2000);
  ASSERT_TRUE(stop().ok);
  expect_all_marks();
}

TEST_F(AgentTest, enables_what_exists_and_says_what_does_not) {
  attach();
  const Reply started = start("", 0, {"sched:sched_switch", "raw_syscalls:sys_enter", "sched:sched_swich"});
  ASSERT_TRUE(started.ok) << started.message;
  EXPECT_THAT(started.events, ::testing::ElementsAre("raw_syscalls:sys_enter", "sched:sched_switch"));
  EXPECT_THAT(started.rejected, ::testing::ElementsAre(HasSubstr("sched:sched_switch")));
  const auto filter_of = [&](const std::string& event) {
    const auto text = read_file_at(
        dir_->fd(), "instances/" + instance_name(agent_->pid()) + "/events/" + event + "/filter");
    return text ? *text : std::string();
  };
  EXPECT_THAT(filter_of("raw_syscalls/sys_enter"),
              HasSubstr("common_pid != " + std::to_string(agent_->pid())));
  EXPECT_EQ(filter_of("sched/sched_switch"), "none\n");

  Request change = of(Op::kEvents);
  change.events = {"sched:sched_switch", "sched:sched_waking", "sched:sched_wakeup"};
  change.filters = {{"sched:sched_switch", "prev_prio < 100"},
                    {"sched:sched_waking", "common_pid != 1"},
                    {"sched:sched_wakeup", "nonsense == 1"}};
  const Reply changed = ask(change);
  ASSERT_TRUE(changed.ok) << changed.message;
  EXPECT_THAT(changed.events, ::testing::ElementsAre("sched:sched_switch"));
  EXPECT_THAT(changed.rejected,
              ::testing::UnorderedElementsAre(HasSubstr("interrupts"), HasSubstr("Field not found")));
  EXPECT_EQ(filter_of("sched/sched_switch"), "prev_prio < 100\n");
  ASSERT_TRUE(stop().ok);
}

TEST_F(AgentTest, bulk_texts_come_whole) {
  attach();
  ASSERT_TRUE(start("", 0, {"sched:sched_switch"}).ok);
  const auto read = [&](format::Bulk bulk) {
    auto text = client_->read_bulk(bulk, 64u << 20, kPatience);
    EXPECT_TRUE(text.ok()) << text.error().to_string();
    return text ? *text : std::string();
  };
  EXPECT_THAT(read(format::Bulk::kFormats), HasSubstr("file sched/sched_switch/format "));
  EXPECT_THAT("\n" + read(format::Bulk::kCmdlines),
              HasSubstr("\n" + std::to_string(agent_->pid()) + " ivtrace-agent\n"));
  EXPECT_THAT(read(format::Bulk::kEventNames), HasSubstr("sched:sched_switch\n"));
  const std::string symbols = read(format::Bulk::kKallsyms);
  EXPECT_EQ(symbols.empty() ? ' ' : symbols.back(), '\n');
  ASSERT_TRUE(stop().ok);
}

TEST_F(AgentTest, answers_the_clock_on_the_cpu_asked_for) {
  attach();
  Request request = of(Op::kClock);
  request.clock_cpu = tracefs::online_cpus()->back().value;
  request.clock_limit_us = 500'000;
  ASSERT_TRUE(client_->post(request).ok());
  const clock::Burst burst =
      clock::run_burst(host_->memory().mailbox(), 200, Nanoseconds(500'000'000), CpuId(request.clock_cpu));
  EXPECT_GT(burst.exchanges, 0u);
  EXPECT_LE(burst.lower, 0);  // one machine, one TSC: 0 must lie within the bounds
  EXPECT_GE(burst.upper, 0);
  EXPECT_TRUE(eventually([&] { return client_->take()->has_value(); }));
  request.clock_cpu = 8000;
  EXPECT_EQ(ask(request).code, "not-found");
}

TEST_F(AgentTest, killed_and_started_again_it_removes_its_leftover_and_records_on) {
  attach();
  ASSERT_TRUE(start("").ok);
  mark(100);
  const std::uint64_t generation = plane_->generation();
  const pid_t dead = agent_->pid();
  marker_.reset();
  agent_->end(SIGKILL);
  EXPECT_TRUE(has_instance(dead));
  start_agent();
  ASSERT_TRUE(eventually([&] {
    poll();
    return plane_->generation() != generation;
  }));
  EXPECT_TRUE(eventually([&] { return !has_instance(dead); }));
  saved_ = Saved();
  next_ = 0;
  ASSERT_TRUE(start("").ok);
  mark(1000);
  ASSERT_TRUE(stop().ok);
  expect_all_marks();
}

TEST_F(AgentTest, asked_to_end_it_delivers_what_it_has_and_removes_its_instance) {
  attach();
  ASSERT_TRUE(start("").ok);
  const pid_t pid = agent_->pid();
  EXPECT_TRUE(has_instance(pid));
  mark(5000);
  marker_.reset();
  const int status = agent_->end(SIGTERM);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_FALSE(has_instance(pid));
  poll();
  expect_all_marks();
}

TEST_F(AgentTest, asked_to_detach_it_ends_its_recording_and_stores_nothing_any_more) {
  attach();
  ASSERT_TRUE(start("").ok);
  mark(100);
  marker_.reset();
  const Reply reply = ask(of(Op::kDetach));
  ASSERT_TRUE(reply.ok) << reply.message;
  EXPECT_FALSE(reply.counters.empty());
  EXPECT_FALSE(has_instance(agent_->pid()));
  // Its mapping goes right after the reply, and the file, though still there, is not taken again.
  const std::string maps = "/proc/" + std::to_string(agent_->pid()) + "/maps";
  ASSERT_TRUE(eventually([&] {
    const auto text = read_file(maps);
    return text && text->find("ivtrace-ring") == std::string::npos;
  }));
  const auto before = ring::peek_ring(ring_path_);
  std::this_thread::sleep_for(std::chrono::milliseconds(2500));  // it looks for rings every two seconds
  const auto after = ring::peek_ring(ring_path_);
  ASSERT_TRUE(before.ok() && after.ok());
  EXPECT_FALSE(ring::agent_beat(*before, *after));
  EXPECT_EQ(agent_->end(SIGTERM), 0) << "it was waiting for another ring";
}

TEST_F(AgentTest, a_recorder_that_leaves_without_a_word_ends_its_recording) {
  attach();
  ASSERT_TRUE(start("").ok);
  marker_.reset();
  detach();
  EXPECT_TRUE(eventually([&] { return !has_instance(agent_->pid()); }));
  attach();
  ASSERT_TRUE(start("").ok);
  mark(1000);
  ASSERT_TRUE(stop().ok);
  expect_all_marks();
}

TEST_F(AgentTest, a_recorder_that_was_killed_is_noticed_by_its_silence) {
  attach();
  detach();
  const pid_t recorder = ::fork();
  if (recorder == 0) {
    auto host = ring::HostRing::open(ring_path_);
    if (!host) ::_exit(1);
    ring::MailboxClient client(**host);
    const auto reply = client.call(of(Op::kStart), kPatience);
    if (!reply || !reply->ok) ::_exit(2);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(recorder, &status, 0), recorder);
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_TRUE(has_instance(agent_->pid()));
  EXPECT_TRUE(eventually([&] { return !has_instance(agent_->pid()); }, std::chrono::seconds(60)));
  attach();
  ASSERT_TRUE(start("").ok);
  mark(1000);
  ASSERT_TRUE(stop().ok);
  expect_all_marks();
}

TEST_F(AgentTest, a_second_recorder_takes_over_from_a_killed_one_at_once) {
  attach();
  detach();
  const pid_t recorder = ::fork();
  if (recorder == 0) {
    auto host = ring::HostRing::open(ring_path_);
    if (!host) ::_exit(1);
    ring::MailboxClient client(**host);
    const auto reply = client.call(of(Op::kStart), kPatience);
    if (!reply || !reply->ok) ::_exit(2);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(recorder, &status, 0), recorder);
  attach();
  ASSERT_TRUE(start("").ok);
  mark(1000);
  ASSERT_TRUE(stop().ok);
  expect_all_marks();
}

TEST_F(AgentTest, a_second_agent_on_the_same_ring_does_not_touch_it) {
  attach();
  const std::uint64_t generation = plane_->generation();
  AgentProcess second(ring_path_);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  poll();
  EXPECT_EQ(plane_->generation(), generation);
  EXPECT_TRUE(ask(of(Op::kHello)).ok);
}

}  // namespace
}  // namespace ivtrace::agent
