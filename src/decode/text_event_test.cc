#include "decode/text_event.h"

#include <gtest/gtest.h>

#include <string>

#include "decode/page_builder.h"
#include "decode/print_event.h"
#include "format/text_event.h"

namespace ivtrace::decode {
namespace {

constexpr std::uint16_t kPrintId = 5;
constexpr const char* kPrintFormat =
    "name: print\nID: 5\nformat:\n"
    "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
    "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
    "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
    "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
    "\tfield:unsigned long ip;\toffset:8;\tsize:8;\tsigned:0;\n"
    "\tfield:char buf[];\toffset:16;\tsize:0;\tsigned:0;\n\n"
    "print fmt: \"%ps: %s\", (void *)REC->ip, REC->buf\n";

Bytes print_record(std::string_view text) {
  Bytes out = make_record(kPrintId, 4711, 16);
  out[2] = std::byte{0x21};
  out[3] = std::byte{0x42};
  append_bytes(out, text.data(), text.size());
  out.push_back(std::byte{0});
  out.resize((out.size() + 3) & ~std::size_t{3});
  return out;
}

class TextEventsTest : public ::testing::Test {
 protected:
  TextEventsTest() {
    append_format_file(text_, "ftrace/print/format", kPrintFormat);
    append_mark_formats(text_);
    declare("disk_issue", "u64 sector; string disk; u8 way; s16 part");
    declare("line", "string text");
    declare("tick", "");
    formats_ = FormatTable::parse(text_);
    EXPECT_TRUE(formats_.problems().empty()) << formats_.problems()[0];
    events_.emplace(formats_);
  }

  void declare(std::string_view name, std::string_view fields) {
    const auto text = format::text_event_format(next_id_++, name, fields);
    ASSERT_TRUE(text) << text.error().message;
    append_format_file(text_, "stap/" + std::string(name) + "/format", *text);
  }

  /// "stap:disk_issue: sector=8 …" as a report shows it, or "text" when it means no event.
  std::string shown(std::string_view text) {
    const Bytes print = print_record(text);
    const RecordBytes record = events_->translate(print);
    if (record.empty()) return "text";
    const EventFormat* const format = formats_.find(event_id(record));
    EXPECT_NE(format, nullptr);
    EXPECT_EQ(event_pid(record), 4711);
    EXPECT_EQ(record[2], print[2]);
    EXPECT_EQ(record[3], print[3]);
    std::string out = format->full_name() + ": ";
    printer_.render(*format, record, TextMode::kRaw, out);
    EXPECT_EQ(printer_.method(*format), PrintMethod::kCompiled);
    return out;
  }

  std::string text_;
  std::uint16_t next_id_ = format::kDeclaredEventIds;
  FormatTable formats_;
  std::optional<TextEvents> events_;
  EventPrinter printer_{Symbols()};
};

TEST_F(TextEventsTest, ADeclaredEventHasItsFields) {
  EXPECT_EQ(events_->print_id(), kPrintId);
  EXPECT_EQ(shown("stap:disk_issue sector=8 disk=\"vda\" way=1 part=-2\n"),
            "stap:disk_issue: sector=8 disk=vda way=1 part=-2");
  EXPECT_EQ(shown("stap:disk_issue part=2  disk=\"\" sector=0xff"),
            "stap:disk_issue: sector=255 disk= way=0 part=2");
  EXPECT_EQ(shown("stap:disk_issue"), "stap:disk_issue: sector=0 disk= way=0 part=0");
  EXPECT_EQ(shown("stap:tick\n"), "stap:tick: ");
}

TEST_F(TextEventsTest, TextsAreQuotedAndMayHoldAnything) {
  EXPECT_EQ(shown(R"(stap:disk_issue disk="a b=\"c\" \\ \x" sector=1)"),
            R"(stap:disk_issue: sector=1 disk=a b="c" \ \x way=0 part=0)");
  EXPECT_EQ(shown("stap:disk_issue disk=\"cut of"), "text");
  EXPECT_EQ(shown("stap:disk_issue disk=\"cut off\\\""), "text");
  EXPECT_EQ(shown("stap:disk_issue disk=vda"), "text");
  EXPECT_EQ(shown("stap:disk_issue sector=\"8\""), "text");
}

TEST_F(TextEventsTest, WhatTheEventDoesNotHaveIsPassedOver) {
  EXPECT_EQ(shown("stap:disk_issue new=\"x y\" more=12 sector=3 common_pid=1"),
            "stap:disk_issue: sector=3 disk= way=0 part=0");
}

TEST_F(TextEventsTest, ANumberMustFitItsField) {
  EXPECT_EQ(shown("stap:disk_issue sector=-1 way=255"),
            "stap:disk_issue: sector=18446744073709551615 disk= way=255 part=0");
  EXPECT_EQ(shown("stap:disk_issue part=0xffff"), "stap:disk_issue: sector=0 disk= way=0 part=-1");
  EXPECT_EQ(shown("stap:disk_issue part=-32768"), "stap:disk_issue: sector=0 disk= way=0 part=-32768");
  for (const char* bad : {"way=256", "part=-32769", "sector=18446744073709551616", "sector=", "sector=0x",
                          "way=1x", "way=--1", "way", "=1 way", "part=+1"}) {
    EXPECT_EQ(shown(std::string("stap:disk_issue ") + bad), "text") << bad;
  }
}

TEST_F(TextEventsTest, TheFieldTextTakesTheRestOfTheLine) {
  EXPECT_EQ(shown("stap:line a=1 \"b\" | c \n"), "stap:line: a=1 \"b\" | c ");
  EXPECT_EQ(shown("stap:line"), "stap:line: ");
}

TEST_F(TextEventsTest, MarksOfPrograms) {
  EXPECT_EQ(shown("B|7|read file\n"), "mark:begin: tgid=7 tid=4711 name=read file");
  EXPECT_EQ(shown("E|7\n"), "mark:end: tgid=7 tid=4711");
  EXPECT_EQ(shown("E|7|\n"), "mark:end: tgid=7 tid=4711");
  EXPECT_EQ(shown("E"), "mark:end: tgid=0 tid=4711");
  EXPECT_EQ(shown("I|7|here|and there"), "mark:instant: tgid=7 tid=4711 name=here|and there");
  EXPECT_EQ(shown("C|7|queue|depth|-42"), "mark:counter: tgid=7 tid=4711 name=queue|depth value=-42");
  EXPECT_EQ(shown("B|7|"), "mark:begin: tgid=7 tid=4711 name=");
  EXPECT_EQ(shown("mark:begin tgid=7 tid=9 name=\"of thread 9\""),
            "mark:begin: tgid=7 tid=9 name=of thread 9");
  for (const char* bad : {"B", "B|7", "B||x", "B|x|y", "I|7", "C|7|q", "C|7|q|", "C|7|q|1.5", "C|7|9",
                          "X|7|q", "|", "E|", "E|x", "S|7|name|1", "B|99999999999|x"}) {
    EXPECT_EQ(shown(bad), "text") << bad;
  }
}

TEST_F(TextEventsTest, AnythingElseStaysText) {
  for (const char* text : {"", "\n", "hello", "stap:unknown a=1", "stap:", ":", "stap:disk_issue: sector=8",
                           " stap:tick", "ftrace:print buf=\"x\""}) {
    EXPECT_EQ(shown(text), "text") << text;
  }
}

TEST_F(TextEventsTest, EveryTruncationOfARecordIsHarmless) {
  const Bytes whole = print_record("stap:disk_issue sector=8 disk=\"vda\"");
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    const RecordBytes record = events_->translate(cut);
    EXPECT_TRUE(record.empty() || event_id(record) >= format::kTextEventIds);
  }
}

TEST_F(TextEventsTest, ALongTextIsNoEventWhenNoLocatorCanTellOfIt) {
  EXPECT_EQ(shown("stap:line " + std::string(70000, 'x')), "text");
  const std::string fits(60000, 'x');
  EXPECT_EQ(shown("stap:line " + fits), "stap:line: " + fits);
  EXPECT_EQ(shown("stap:disk_issue disk=\"" + fits + "\" disk=\"" + fits + '"'), "text");
}

TEST(TextEvents, NeedAPrintEventAndFormatsOfTheirOwn) {
  std::string text;
  append_mark_formats(text);
  const FormatTable no_print = FormatTable::parse(text);
  EXPECT_EQ(TextEvents(no_print).print_id(), 0);
  text.clear();
  append_format_file(text, "ftrace/print/format", kPrintFormat);
  const FormatTable no_events = FormatTable::parse(text);
  EXPECT_EQ(TextEvents(no_events).print_id(), 0);
}

TEST(TextEvents, AFormatThatCannotBeWrittenIsNotUsed) {
  const auto declared = [](const std::string& field) {
    std::string text;
    append_format_file(text, "ftrace/print/format", kPrintFormat);
    append_format_file(text, "stap/e/format",
                       "name: e\nID: 57360\nformat:\n" + field + "\nprint fmt: \"\"\n");
    const FormatTable formats = FormatTable::parse(text);
    return TextEvents(formats).print_id() != 0;
  };
  EXPECT_TRUE(declared("\tfield:u64 a;\toffset:8;\tsize:8;\tsigned:0;\n"));
  EXPECT_FALSE(declared("\tfield:u64 a;\toffset:4;\tsize:8;\tsigned:0;\n"));
  EXPECT_FALSE(declared("\tfield:u64 a;\toffset:100000;\tsize:8;\tsigned:0;\n"));
  EXPECT_FALSE(declared("\tfield:__data_loc char[] a;\toffset:8;\tsize:64;\tsigned:0;\n"));
  EXPECT_FALSE(declared("\tfield:char a[8];\toffset:8;\tsize:8;\tsigned:0;\n"));
  EXPECT_FALSE(declared("\tfield:struct x a;\toffset:8;\tsize:24;\tsigned:0;\n"));
}

}  // namespace
}  // namespace ivtrace::decode
