// include/ivtrace/mark.h against a tracefs that is made of directories and pipes.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <set>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/text.h"
#include "format/mark_file.h"
#include "mark/mark_fixture.h"
#include "tracefs/mark_signal.h"

namespace ivtrace::mark {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

static_assert(ivtrace_mark_page_ == format::kMarkFileBytes);

/// A trace_marker that keeps what is written to it.
class Recording {
 public:
  Recording(const MarkPlace& place, const std::string& name) : path_(place.instance(name) + "/trace_marker") {
    open();
  }
  /// The top-level buffer's.
  Recording() : path_(IVTRACE_MARK_TRACEFS "/trace_marker") {
    open();
    std::ofstream(IVTRACE_MARK_RUN "/top-level").flush();
  }
  void remove() { std::filesystem::remove_all(std::filesystem::path(path_).parent_path()); }

  /// What came since it was asked last.
  std::vector<std::string> lines() {
    std::string text;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(pipe_.get(), buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<std::size_t>(got));
    std::vector<std::string> out;
    for (const std::string_view line : split(text, '\n')) out.emplace_back(line);
    EXPECT_EQ(out.back(), "") << "the last line has no end";
    out.pop_back();
    return out;
  }

 private:
  void open() {
    IVT_CHECK(::mkfifo(path_.c_str(), 0600) == 0);
    pipe_ = UniqueFd(::open(path_.c_str(), O_RDWR | O_NONBLOCK));
    IVT_CHECK(pipe_.valid());
  }
  std::string path_;
  UniqueFd pipe_;
};

std::string self() { return std::to_string(::getpid()); }

TEST(MarkLibrary, WritesAtracesSyntax) {
  const MarkPlace place;
  tracefs::signal_marks(place.kFile);
  Recording recording(place, "ivtrace-12");
  EXPECT_EQ(ivtrace_mark_begin("read"), 1);
  EXPECT_EQ(ivtrace_mark_instant("here"), 1);
  EXPECT_EQ(ivtrace_mark_counter("queue", -42), 1);
  EXPECT_EQ(ivtrace_mark_counter("least", INT64_MIN), 1);
  EXPECT_EQ(ivtrace_mark_end(), 1);
  { const MarkScope scope("scope"); }
  EXPECT_THAT(recording.lines(),
              ElementsAre("B|" + self() + "|read", "I|" + self() + "|here", "C|" + self() + "|queue|-42",
                          "C|" + self() + "|least|-9223372036854775808", "E|" + self(),
                          "B|" + self() + "|scope", "E|" + self()));
}

TEST(MarkLibrary, NamesCannotBreakTheLine) {
  const MarkPlace place;
  tracefs::signal_marks(place.kFile);
  Recording recording(place, "ivtrace-12");
  ivtrace_mark_instant("a|b\nc\x01");
  ivtrace_mark_instant("");
  ivtrace_mark_instant(nullptr);
  ivtrace_mark_instant(std::string(1000, 'x').c_str());
  ivtrace_mark_instant((std::string(239, 'x') + "\xc3\xa4").c_str());
  ivtrace_mark_instant((std::string(238, 'x') + "\xc3\xa4").c_str());
  const std::string head = "I|" + self() + "|";
  EXPECT_THAT(recording.lines(),
              ElementsAre(head + "a_b_c_", head, head, head + std::string(240, 'x'),
                          head + std::string(239, 'x'), head + std::string(238, 'x') + "\xc3\xa4"));
}

TEST(MarkLibrary, WritesToEveryRecordingOfTheMachineAndToNothingElse) {
  const MarkPlace place;
  tracefs::signal_marks(place.kFile);
  Recording host(place, "ivtrace-12"), agent(place, "ivtrace-agent-13"), top_level;
  std::vector<Recording> others;
  for (const char* name : {"ivtrace-12-sys", "ivtrace-agent-13-probe", "ivtrace-", "ivtrace-agent-",
                           "other-12", "ivtrace-12x", "ivtrace-99999999999"})
    others.emplace_back(place, name);
  EXPECT_EQ(ivtrace_mark_instant("all"), 3);
  for (Recording* one : {&host, &agent, &top_level})
    EXPECT_THAT(one->lines(), ElementsAre("I|" + self() + "|all"));
  for (Recording& other : others) EXPECT_THAT(other.lines(), IsEmpty());
}

TEST(MarkLibrary, NoticesThatARecordingBeganOrEnded) {
  const MarkPlace place;
  tracefs::signal_marks(place.kFile);
  EXPECT_EQ(ivtrace_mark_instant("nobody"), 0);
  EXPECT_TRUE(ivtrace_mark_is_off_());
  Recording first(place, "ivtrace-12");
  EXPECT_EQ(ivtrace_mark_instant("not told yet"), 0);
  tracefs::signal_marks(place.kFile);
  EXPECT_FALSE(ivtrace_mark_is_off_());
  EXPECT_EQ(ivtrace_mark_instant("one"), 1);
  Recording second(place, "ivtrace-13");
  tracefs::signal_marks(place.kFile);
  EXPECT_EQ(ivtrace_mark_instant("two"), 2);
  first.remove();
  EXPECT_EQ(ivtrace_mark_instant("one is gone"), 1);
  second.remove();
  tracefs::signal_marks(place.kFile);
  EXPECT_EQ(ivtrace_mark_instant("nobody"), 0);
  EXPECT_TRUE(ivtrace_mark_is_off_());
}

TEST(MarkLibrary, WithoutTheFileItLooksForItselfNowAndThen) {
  const MarkPlace place;
  EXPECT_EQ(ivtrace_mark_instant("nobody"), 0);
  Recording recording(place, "ivtrace-12");
  while (ivtrace_mark_instant("at last") == 0) std::this_thread::yield();
  recording.remove();
  EXPECT_EQ(ivtrace_mark_instant("gone"), 0);
  // The file comes: from then on it tells.
  tracefs::signal_marks(place.kFile);
  while (ivtrace_mark_instant("nobody") == 0 && !ivtrace_mark_is_off_()) std::this_thread::yield();
  Recording again(place, "ivtrace-14");
  tracefs::signal_marks(place.kFile);
  EXPECT_EQ(ivtrace_mark_instant("told"), 1);
}

TEST(MarkLibrary, KeepsNoFileOpenAndLeavesErrnoAlone) {
  const MarkPlace place;
  tracefs::signal_marks(place.kFile);
  Recording recording(place, "ivtrace-12");
  const auto open_files = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator());
  };
  const auto before = open_files();
  errno = EXDEV;
  const int taken = ivtrace_mark_instant("one");
  EXPECT_EQ(errno, EXDEV);
  EXPECT_EQ(taken, 1);
  recording.remove();
  errno = EXDEV;
  const int gone = ivtrace_mark_instant("two");
  EXPECT_EQ(errno, EXDEV);
  EXPECT_EQ(gone, 0);
  EXPECT_EQ(open_files(), before);
}

TEST(MarkLibrary, AChildThatWasForkedWhileAThreadWasKeepingTargetsKeepsThemItself) {
  const MarkPlace place;
  Recording recording(place, "ivtrace-1");
  ivtrace_mark_state_.busy = static_cast<std::uint32_t>(::getpid());  // as if another thread were at it
  ivtrace_mark_instant("parent");
  EXPECT_EQ(ivtrace_mark_state_.looked, 0u) << "what somebody else writes is left alone";
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const bool taken = ivtrace_mark_instant("child") == 1;
    ::_exit(taken && ivtrace_mark_state_.looked != 0 && ivtrace_mark_state_.busy == 0 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(recording.lines().size(), 2u);
}

TEST(MarkLibrary, AFileThatIsTooShortIsNotMapped) {
  const MarkPlace place;
  std::filesystem::create_directories(IVTRACE_MARK_RUN);
  std::ofstream(IVTRACE_MARK_RUN "/mark") << "short";
  Recording recording(place, "ivtrace-12");
  EXPECT_EQ(ivtrace_mark_instant("looks for itself"), 1);
}

TEST(MarkLibrary, NoMarkOfAnyThreadIsMissedWhileRecordingsComeAndGo) {
  const MarkPlace place;
  tracefs::signal_marks(place.kFile);
  Recording recording(place, "ivtrace-12");
  constexpr int kThreads = 4, kMarks = 500;
  std::atomic<bool> stop{false};
  std::vector<std::string> seen;
  std::thread reader([&] {
    for (bool last = false; !last;) {
      last = stop;
      for (std::string& line : recording.lines()) seen.push_back(std::move(line));
    }
  });
  std::thread disturber([&] {
    for (int i = 0; !stop; i = (i + 1) % 2) {
      const std::string other = place.instance("ivtrace-2" + std::to_string(i));
      tracefs::signal_marks(place.kFile);
      std::filesystem::remove_all(other);
      tracefs::signal_marks(place.kFile);
    }
  });
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([thread] {
      for (int i = 0; i < kMarks; ++i) ivtrace_mark_counter(std::to_string(thread).c_str(), i);
    });
  }
  for (std::thread& thread : threads) thread.join();
  stop = true;
  reader.join();
  disturber.join();
  EXPECT_EQ(seen.size(), std::size_t{kThreads} * kMarks);
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), seen.size())
      << "a mark was written twice";
}

TEST(MarkSignal, MakesAFileThatEverybodyMayRead) {
  const MarkPlace place;
  tracefs::signal_marks(place.kFile);
  struct stat about {};
  ASSERT_EQ(::stat(IVTRACE_MARK_RUN "/mark", &about), 0);
  EXPECT_EQ(about.st_mode & 07777, 0644u);
  EXPECT_EQ(about.st_size, static_cast<off_t>(format::kMarkFileBytes));
  const auto generation = [] {
    std::uint32_t value = 0;
    std::ifstream(IVTRACE_MARK_RUN "/mark", std::ios::binary)
        .read(reinterpret_cast<char*>(&value), sizeof value);
    return value;
  };
  EXPECT_EQ(generation(), format::kFirstMarkGeneration);
  tracefs::signal_marks(place.kFile);
  EXPECT_EQ(generation(), format::kFirstMarkGeneration + 1);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(IVTRACE_MARK_RUN),
                          std::filesystem::directory_iterator()),
            1);
}

TEST(MarkSignal, KnowsWhichInstancesTakeMarks) {
  for (const char* name : {"ivtrace-1", "ivtrace-agent-77"}) EXPECT_TRUE(tracefs::takes_marks(name)) << name;
  for (const char* name :
       {"ivtrace-1-sys", "ivtrace-agent-7-probe", "ivtrace-", "ivtrace", "other-1", "ivtrace-test-1"})
    EXPECT_FALSE(tracefs::takes_marks(name)) << name;
}

}  // namespace
}  // namespace ivtrace::mark
