#include "tracefs/top_level.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace ivtrace::tracefs {
namespace {

using ::testing::HasSubstr;

/// A directory with the files of tracefs that check_free() reads: nobody's tests change the machine's own top
/// level.
class TopLevelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(root_ + "/per_cpu/cpu0");
    put("current_tracer", "nop\n");
    put("set_event", "");
    put("set_event_pid", "");
    put_stats(0);
    auto fd = open_file(root_, O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(fd.ok());
    fd_ = std::move(*fd);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void put(const std::string& name, const std::string& text) { std::ofstream(root_ + "/" + name) << text; }
  void put_stats(int entries) {
    put("per_cpu/cpu0/stats", "entries: " + std::to_string(entries) +
                                  "\noverrun: 0\ncommit overrun: 0\ndropped events: 0\nread events: 9\n");
  }
  std::string refusal() const {
    const Status free = check_free(fd_.get());
    if (free) return "";
    EXPECT_EQ(free.error().code, ErrorCode::kBusy);
    return free.error().message;
  }

  const std::string root_ = "/tmp/ivtrace-top-level-" + std::to_string(::getpid());
  UniqueFd fd_;
};

TEST_F(TopLevelTest, is_free_when_nobody_uses_it) { EXPECT_EQ(refusal(), ""); }

TEST_F(TopLevelTest, is_refused_while_a_tracer_runs) {
  put("current_tracer", "function\n");
  EXPECT_THAT(refusal(), HasSubstr("the tracer function runs"));
}

TEST_F(TopLevelTest, is_refused_while_an_event_is_enabled) {
  put("set_event", "sched:sched_switch\nsched:sched_waking\n");
  EXPECT_THAT(refusal(), HasSubstr("the event sched:sched_switch is enabled"));
}

TEST_F(TopLevelTest, is_refused_while_it_follows_a_process) {
  put("set_event_pid", "4711\n");
  EXPECT_THAT(refusal(), HasSubstr("4711"));
}

TEST_F(TopLevelTest, is_refused_with_data_that_nobody_has_read) {
  put_stats(3);
  EXPECT_THAT(refusal(), HasSubstr("3 events of cpu0"));
}

TEST(TopLevelSettings, come_back_as_they_were) {
  for (const TopLevelSettings& settings :
       {TopLevelSettings{"local", 1408, "50", true}, TopLevelSettings{"x86-tsc", 7, "", false}}) {
    const auto back = decode_settings(encode_settings(settings));
    ASSERT_TRUE(back.ok()) << back.error().message;
    EXPECT_EQ(back->clock, settings.clock);
    EXPECT_EQ(back->buffer_kb, settings.buffer_kb);
    EXPECT_EQ(back->buffer_percent, settings.buffer_percent);
    EXPECT_EQ(back->tracing_on, settings.tracing_on);
  }
}

TEST(TopLevelSettings, cut_anywhere_are_no_settings) {
  const std::string text = encode_settings({"local", 1408, "50", true});
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(decode_settings(std::string_view(text).substr(0, size)).ok()) << size;
  }
}

TEST(TopLevelSettings, that_make_no_sense_are_refused) {
  EXPECT_FALSE(decode_settings("clock a/b\nbuffer_kb 1\nbuffer_percent \ntracing_on 1\nend\n").ok());
  EXPECT_FALSE(decode_settings("clock a\nbuffer_kb 0\nbuffer_percent \ntracing_on 1\nend\n").ok());
  EXPECT_FALSE(decode_settings("clock a\nbuffer_kb 1\nbuffer_percent x\ntracing_on 1\nend\n").ok());
  EXPECT_FALSE(decode_settings("clock a\nbuffer_kb 1\nbuffer_percent \ntracing_on 2\nend\n").ok());
}

}  // namespace
}  // namespace ivtrace::tracefs
