#include "record/line_file.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "decode/event_format.h"
#include "decode/page.h"
#include "run/run_reader.h"

namespace ivtrace::record {
namespace {

using Lines = std::vector<std::pair<std::uint64_t, std::string>>;

class LineFileTest : public ::testing::Test {
 protected:
  LineFileTest() {
    std::string pattern = ::testing::TempDir() + "ivtrace_lines_XXXXXX";
    IVT_CHECK(::mkdtemp(pattern.data()) != nullptr);
    scratch_ = pattern;
    writer_ = *run::RunWriter::create(scratch_ + "/run.ivt", run::Manifest{});
  }
  ~LineFileTest() override { std::filesystem::remove_all(scratch_); }

  void limit(std::uint64_t max_bytes) {
    space_.emplace(*SpaceBudget::create(scratch_, max_bytes, 0));
    log_.emplace(*writer_, *space_);
  }

  /// Time and text of all print events in the machine's file of lines.
  Lines written() {
    Lines lines;
    const auto run = run::RunReader::open(scratch_ + "/run.ivt");
    if (!run.ok() || run->find("vm1") == nullptr) return lines;
    for (const run::PagesFile& file : run->find("vm1")->files) {
      EXPECT_EQ(file.buffer, kLineBuffer);
      const auto mapping = run->map_pages(file);
      decode::PageWalker walker(mapping->bytes(), format::PageLayout::kPacked, 0);
      decode::PageImage image;
      while (walker.next(image)) {
        EXPECT_TRUE(image.readable);
        decode::EventCursor cursor(image.timestamp, image.events);
        decode::RawEvent event;
        while (cursor.next(event)) {
          EXPECT_EQ(decode::event_id(event.record), 5);
          lines.emplace_back(event.timestamp, reinterpret_cast<const char*>(event.record.data()) + 16);
        }
      }
    }
    return lines;
  }

  std::string scratch_;
  std::unique_ptr<run::RunWriter> writer_;
  std::optional<SpaceBudget> space_;
  std::optional<RunLog> log_;
};

TEST_F(LineFileTest, LinesStandInTheOrderOfTheirTimes) {
  limit(1 << 20);
  LineFile file("vm1", 3, *log_);
  file.add(300, "c");
  file.add(100, "a");
  file.add(200, "b");
  file.add(900, "later");
  file.write_before(500);
  EXPECT_EQ(written(), (Lines{{100, "a"}, {200, "b"}, {300, "c"}}));
  file.add(250, "too late");  // stands behind what is there
  file.finish();
  EXPECT_EQ(written(), (Lines{{100, "a"}, {200, "b"}, {300, "c"}, {300, "too late"}, {900, "later"}}));
  EXPECT_EQ(file.lost(), 0u);
  EXPECT_EQ(run::RunReader::open(scratch_ + "/run.ivt")->find("vm1")->files.at(0).segments.at(0).generation,
            3u);
}

TEST_F(LineFileTest, ManyLongLinesFillManyPages) {
  limit(64 << 20);
  LineFile file("vm1", 1, *log_);
  Lines all;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    all.emplace_back(i * (1ull << 30), std::string(1 + i % 4000, 'x'));
    file.add(all.back().first, all.back().second);
  }
  file.finish();
  EXPECT_EQ(written(), all);
}

TEST_F(LineFileTest, WhatHasNoRoomIsCounted) {
  limit(20'000);  // a guest gets half of it
  LineFile file("vm1", 1, *log_);
  for (std::uint64_t i = 0; i < 100; ++i) {
    file.add(i, std::string(1000, 'x'));
    file.write_before(i + 1);
  }
  file.finish();
  const std::size_t kept = written().size();
  EXPECT_GT(kept, 5u);
  EXPECT_EQ(kept + file.lost(), 100u);
}

TEST_F(LineFileTest, ATimeThatNoMachineHasIsNoLine) {
  limit(1 << 20);
  LineFile file("vm1", 1, *log_);
  file.add(~0ull, "never");
  file.add(7, "now");
  file.finish();
  EXPECT_EQ(written(), (Lines{{7, "now"}}));
  EXPECT_EQ(file.lost(), 1u);
}

TEST(LineFormat, IsAKernelsFormat) {
  const auto format = decode::parse_event_format(line_format("latency", 0xe010), "bpftrace");
  ASSERT_TRUE(format.ok()) << format.error().message;
  EXPECT_EQ(format->full_name(), "bpftrace:latency");
  EXPECT_EQ(format->id, 0xe010);
  ASSERT_NE(format->find("text"), nullptr);
  EXPECT_EQ(format->find("text")->kind, decode::FieldKind::kDataLoc);
  ASSERT_NE(format->find("arrival"), nullptr);
}

TEST(LineText, QuotesWhatWouldEndIt) {
  EXPECT_EQ(line_text("stap:x", "a \"b\" \\c", true), R"(stap:x arrival=1 text="a \"b\" \\c")");
  EXPECT_EQ(line_text("stap:x", "", false), R"(stap:x arrival=0 text="")");
}

}  // namespace
}  // namespace ivtrace::record
