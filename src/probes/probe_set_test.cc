// On this machine's own kernel: events are really made and hit, in a private tracing instance.
#include "probes/probe_set.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "tracefs/instance.h"
#include "tracefs/probe_names.h"

// Called as it stands: neither inlined nor replaced by a copy for the arguments at hand.
#ifdef __clang__
#define PROBES_TEST_CALLED __attribute__((noinline))
#else
#define PROBES_TEST_CALLED __attribute__((noipa))
#endif

extern "C" PROBES_TEST_CALLED int probes_test_function(long first, const char* text, short third) {
  asm volatile("" : : "r"(first), "r"(text), "r"(third) : "memory");
  return static_cast<int>(first) + third;
}

namespace ivtrace::probes {
namespace {

std::string own_program() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

std::vector<std::string> ours(const tracefs::TraceDir& dir, pid_t pid) {
  std::vector<std::string> events;
  for (const EventName& name : TracefsEvents(dir).list()) {
    const auto group = tracefs::parse_probe_group(name.group);
    if (group && group->pid == pid) events.push_back(group->kind + ":" + name.event);
  }
  return events;
}

class ProbeSetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    auto dir = tracefs::TraceDir::open();
    ASSERT_TRUE(dir) << dir.error().message;
    dir_.emplace(std::move(*dir));
    if (!TracefsEvents(*dir_).supports(Kind::kUprobe)) GTEST_SKIP() << "needs a kernel with uprobes";
  }
  std::optional<tracefs::TraceDir> dir_;
};

TEST_F(ProbeSetTest, AFunctionIsHitAsOftenAsItIsCalled) {
  ProbeSet set(*dir_, ::getpid());
  const std::string place = own_program() + ":probes_test_function";
  set.add(std::vector<std::string>{"uprobe:" + place + " first text:string third",
                                   "uretprobe:" + place + " ret"});
  ASSERT_EQ(set.states().size(), 2u);
  EXPECT_EQ(set.states()[0].error, "");
  EXPECT_EQ(set.states()[0].event, "uprobe:probes_test_function");
  EXPECT_NE(set.states()[0].definition.find("first=%di:s64 text=+0(%si):string third=%dx:s16"),
            std::string::npos)
      << set.states()[0].definition;
  EXPECT_EQ(set.states()[1].error, "");
  EXPECT_NE(set.states()[1].definition.find("ret=$retval:s32"), std::string::npos)
      << set.states()[1].definition;
  auto instance = tracefs::Instance::create(*dir_, "ivtrace-probes-test-" + std::to_string(::getpid()));
  ASSERT_TRUE(instance) << instance.error().message;
  ASSERT_TRUE(instance->set_buffer_kb(256));
  const auto refused = instance->set_events(set.kernel_events());
  ASSERT_TRUE(refused.empty()) << refused.front();
  ASSERT_TRUE(instance->set_tracing(true));
  for (int call = 0; call < 100; ++call) probes_test_function(call, "text", 1);
  ASSERT_TRUE(instance->set_tracing(false));
  std::uint64_t events = 0;
  const auto cpus = instance->cpus();
  ASSERT_TRUE(cpus);
  for (const CpuId cpu : *cpus) events += instance->counters(cpu)->unread;
  EXPECT_EQ(events, 200u);
  ASSERT_TRUE(instance->remove());
  EXPECT_TRUE(set.remove());
  EXPECT_TRUE(ours(*dir_, ::getpid()).empty());
}

TEST_F(ProbeSetTest, WhatCannotBeSetSaysWhy) {
  ProbeSet set(*dir_, ::getpid());
  const std::string program = own_program();
  set.add(std::vector<std::string>{"uprobe:" + program + ":probes_test_functoin", "uprobe:/nonexistent:main",
                                   "uprobe:/etc/passwd:main", "usdt:" + program + ":no:such", "nonsense",
                                   "uprobe:" + program + ":probes_test_function nobody",
                                   "uprobe:" + program + ":probes_test_function x=%zz"});
  const auto& states = set.states();
  ASSERT_EQ(states.size(), 7u);
  EXPECT_NE(states[0].error.find("nearest: probes_test_function"), std::string::npos) << states[0].error;
  EXPECT_NE(states[1].error.find("/nonexistent"), std::string::npos) << states[1].error;
  EXPECT_NE(states[2].error.find("no program"), std::string::npos) << states[2].error;
  EXPECT_NE(states[3].error.find("USDT"), std::string::npos) << states[3].error;
  EXPECT_NE(states[4].error.find("not understood"), std::string::npos) << states[4].error;
  EXPECT_NE(states[5].error.find("it has first, text, third"), std::string::npos) << states[5].error;
  EXPECT_NE(states[6].error.find("the kernel refuses it"), std::string::npos) << states[6].error;
  EXPECT_TRUE(set.kernel_events().empty());
}

TEST_F(ProbeSetTest, TwoOfOneNameAreToldApart) {
  ProbeSet set(*dir_, ::getpid());
  const std::string spec = "uprobe:" + own_program() + ":probes_test_function";
  set.add(std::vector<std::string>{spec, spec + " first"});
  ASSERT_EQ(set.states().size(), 2u);
  EXPECT_EQ(set.states()[0].event, "uprobe:probes_test_function");
  EXPECT_EQ(set.states()[1].event, "uprobe:probes_test_function_2");
  EXPECT_EQ(ours(*dir_, ::getpid()).size(), 2u);
}

TEST_F(ProbeSetTest, TheDeadOnesProbesAreRemovedAndTheLivingOnesAreNot) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ProbeSet set(*dir_, ::getpid());
    set.add(std::vector<std::string>{"uprobe:" + own_program() + ":probes_test_function"});
    const char made = set.kernel_events().size() == 1 ? 'y' : 'n';
    if (::write(ready[1], &made, 1) != 1) ::_exit(1);
    ::pause();
    ::_exit(0);
  }
  char made = 0;
  ASSERT_EQ(::read(ready[0], &made, 1), 1);
  EXPECT_EQ(made, 'y');
  remove_leftovers(*dir_);
  EXPECT_EQ(ours(*dir_, child).size(), 1u) << "its owner lives";
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  const Leftovers left = remove_leftovers(*dir_);
  EXPECT_TRUE(left.problems.empty());
  const std::string expected = "uprobe:probes_test_function of " + std::to_string(child);
  EXPECT_NE(std::find(left.removed.begin(), left.removed.end(), expected), left.removed.end());
  EXPECT_TRUE(ours(*dir_, child).empty());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(ProbeSetTest, ProbesOfTheKernelNeedAKernelThatHasThem) {
  const TracefsEvents events(*dir_);
  ProbeSet set(*dir_, ::getpid());
  set.add(std::vector<std::string>{"kprobe:vfs_read count"});
  ASSERT_EQ(set.states().size(), 1u);
  if (events.supports(Kind::kKprobe)) {
    EXPECT_EQ(set.states()[0].error, "");
    EXPECT_EQ(set.states()[0].event, "kprobe:vfs_read");
  } else {
    EXPECT_NE(set.states()[0].error.find("no kprobes"), std::string::npos) << set.states()[0].error;
  }
}

}  // namespace
}  // namespace ivtrace::probes
