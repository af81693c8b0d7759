#include "decode/format_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/fd.h"

namespace ivtrace::decode {
namespace {

using ::testing::HasSubstr;

std::string event_text(const std::string& name, int id) {
  return "name: " + name + "\nID: " + std::to_string(id) +
         "\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n"
         "\tfield:int x;\toffset:8;\tsize:4;\tsigned:1;\n\nprint fmt: \"%d\", REC->x\n";
}

std::string two_events() {
  std::string text;
  append_format_file(text, "sched/sched_switch/format", event_text("sched_switch", 300));
  append_format_file(text, "irq/irq_entry/format", event_text("irq_entry", 12));
  return text;
}

TEST(FormatTable, FindsByIdAndByName) {
  const FormatTable table = FormatTable::parse(two_events());
  EXPECT_EQ(table.problem_count(), 0u);
  EXPECT_EQ(table.size(), 2u);
  ASSERT_NE(table.find(300), nullptr);
  EXPECT_EQ(table.find(300)->full_name(), "sched:sched_switch");
  EXPECT_EQ(table.find("irq", "irq_entry"), table.find(12));
  EXPECT_EQ(table.find("irq", "sched_switch"), nullptr);
  EXPECT_EQ(table.find(301), nullptr);
  EXPECT_EQ(table.find(65535), nullptr);
  ASSERT_EQ(table.all().size(), 2u);
  EXPECT_EQ(table.all()[0]->id, 12);
}

TEST(FormatTable, ABadFormatDoesNotSpoilTheOthers) {
  std::string text;
  append_format_file(text, "sched/bad/format", "name: bad\nID: nonsense\n");
  text += two_events();
  append_format_file(text, "no/such/thing/here", "x");
  const FormatTable table = FormatTable::parse(text);
  EXPECT_EQ(table.size(), 2u);
  ASSERT_EQ(table.problem_count(), 2u);
  EXPECT_THAT(table.problems()[0], HasSubstr("bad event ID"));
}

TEST(FormatTable, TheSameEventTwiceIsFineAndTwoOfOneIdAreNot) {
  EXPECT_EQ(FormatTable::parse(two_events() + two_events()).problem_count(), 0u);
  std::string text = two_events();
  append_format_file(text, "sched/other/format", event_text("other", 300));
  const FormatTable table = FormatTable::parse(text);
  EXPECT_EQ(table.find(300)->name, "sched_switch");
  ASSERT_EQ(table.problem_count(), 1u);
  EXPECT_THAT(table.problems()[0], HasSubstr("sched:other has the ID of sched:sched_switch"));
}

TEST(FormatTable, TruncatedAtEveryByteKeepsWhatIsWhole) {
  const std::string text = two_events();
  const std::size_t first = text.find("file irq");
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    const FormatTable table = FormatTable::parse(std::string_view(text).substr(0, cut));
    const std::size_t whole = cut + 1 >= text.size() ? 2 : cut + 1 >= first ? 1 : 0;
    ASSERT_EQ(table.size(), whole) << cut;
    // A cut that falls between two files cannot be seen; every other one is told.
    if (cut != 0 && cut + 1 != first && cut != first && cut + 1 != text.size()) {
      ASSERT_EQ(table.problem_count(), 1u) << cut;
    }
  }
}

TEST(FormatTable, KeepsABoundedNumberOfProblemsAndCountsThemAll) {
  std::string text;
  for (int i = 0; i < 1000; ++i) append_format_file(text, "a/b/format", "garbage\x1b[31m");
  const FormatTable table = FormatTable::parse(text);
  EXPECT_EQ(table.problem_count(), 1000u);
  EXPECT_EQ(table.problems().size(), kMaxFormatProblems);
}

TEST(FormatTable, LengthsThatLieAreTold) {
  for (const char* text :
       {"file a/b/format 99999999999999999999999\nx", "file a/b/format 18446744073709551615\nx",
        "file a/b/format -1\nx", "file a/b/format\n", "file  5\n", "nonsense", "\n\n\n"}) {
    EXPECT_EQ(FormatTable::parse(text).problem_count(), 1u) << text;
  }
}

TEST(HeaderPage, OfThisKernelIsKnown) {
  const auto formats = read_file("src/decode/testdata/pages/formats");
  ASSERT_TRUE(formats);
  EXPECT_EQ(FormatTable::parse(*formats).problem_count(), 0u);
}

TEST(HeaderPage, OfA32BitKernelIsUnsupported) {
  const char* text =
      "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
      "\tfield: local_t commit;\toffset:8;\tsize:4;\tsigned:1;\n"
      "\tfield: char data;\toffset:12;\tsize:4084;\tsigned:1;\n";
  const Status status = check_header_page(text);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnsupported);
  EXPECT_FALSE(check_header_page(""));
}

}  // namespace
}  // namespace ivtrace::decode
