#include "decode/event_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "decode/field.h"
#include "decode/page_builder.h"

namespace ivtrace::decode {
namespace {

using ::testing::HasSubstr;

constexpr const char* kHead =
    "name: probe\nID: 314\nformat:\n"
    "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
    "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
    "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
    "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n";

std::string with_fields(const std::string& fields) {
  return kHead + fields + "\nprint fmt: \"%d\", REC->x\n";
}

Field field_of(const std::string& line) {
  const auto format = parse_event_format(with_fields(line), "test");
  EXPECT_TRUE(format) << format.error().message;
  EXPECT_EQ(format->fields.size(), 1u);
  return format->fields.at(0);
}

TEST(EventFormat, KeepsNamesCommonFieldsAndThePrintFormat) {
  const auto format =
      parse_event_format(with_fields("\tfield:int x;\toffset:8;\tsize:4;\tsigned:1;\n"), "test");
  ASSERT_TRUE(format);
  EXPECT_EQ(format->id, 314);
  EXPECT_EQ(format->full_name(), "test:probe");
  ASSERT_EQ(format->common.size(), 4u);
  ASSERT_EQ(format->fields.size(), 1u);
  EXPECT_EQ(format->print_fmt, "\"%d\", REC->x");
  EXPECT_EQ(format->find("x"), &format->fields[0]);
  EXPECT_EQ(format->find("common_pid"), &format->common[3]);
  EXPECT_EQ(format->find("y"), nullptr);
}

TEST(EventFormat, ClassifiesFields) {
  struct Case {
    const char* line;
    FieldKind kind;
    const char* type;
    const char* name;
    std::uint32_t element;
    std::uint32_t count;
    bool text;
  };
  const Case cases[] = {
      {"field:int x;\toffset:8;\tsize:4;\tsigned:1;", FieldKind::kInteger, "int", "x", 4, 1, false},
      {"field:char comm[16];\toffset:8;\tsize:16;\tsigned:0;", FieldKind::kCharArray, "char", "comm", 1, 16,
       true},
      {"field:char comm[TASK_COMM_LEN];\toffset:8;\tsize:16;\tsigned:1;", FieldKind::kCharArray, "char",
       "comm", 1, 16, true},
      {"field:unsigned long args[6];\toffset:16;\tsize:48;\tsigned:0;", FieldKind::kArray, "unsigned long",
       "args", 8, 6, false},
      {"field:__u8 mac[6];\toffset:16;\tsize:6;\tsigned:0;", FieldKind::kArray, "__u8", "mac", 1, 6, false},
      {"field:__data_loc char[] name;\toffset:8;\tsize:4;\tsigned:0;", FieldKind::kDataLoc, "char", "name", 1,
       1, true},
      {"field:__data_loc u64[] addrs;\toffset:8;\tsize:4;\tsigned:0;", FieldKind::kDataLoc, "u64", "addrs", 8,
       1, false},
      {"field:__rel_loc char[] name;\toffset:8;\tsize:4;\tsigned:0;", FieldKind::kRelLoc, "char", "name", 1,
       1, true},
      {"field:__data_loc cpumask_t mask;\toffset:8;\tsize:4;\tsigned:0;", FieldKind::kDataLoc, "cpumask_t",
       "mask", 8, 1, false},
      {"field:char buf[];\toffset:16;\tsize:0;\tsigned:0;", FieldKind::kTail, "char", "buf", 1, 1, true},
      {"field:unsigned long args[];\toffset:16;\tsize:0;\tsigned:0;", FieldKind::kTail, "unsigned long",
       "args", 8, 1, false},
      {"field:const char * file;\toffset:16;\tsize:8;\tsigned:0;", FieldKind::kPointer, "const char *",
       "file", 8, 1, false},
      {"field:struct task_struct *p;\toffset:16;\tsize:8;\tsigned:0;", FieldKind::kPointer,
       "struct task_struct *", "p", 8, 1, false},
      {"field:struct foo *const q;\toffset:16;\tsize:8;\tsigned:0;", FieldKind::kPointer, "struct foo *const",
       "q", 8, 1, false},
      {"field:struct foo s;\toffset:16;\tsize:8;\tsigned:0;", FieldKind::kOpaque, "struct foo", "s", 8, 1,
       false},
      {"field:u128 big;\toffset:16;\tsize:16;\tsigned:0;", FieldKind::kOpaque, "u128", "big", 16, 1, false},
      {"field:char names[2][8];\toffset:16;\tsize:16;\tsigned:0;", FieldKind::kCharArray, "char", "names", 1,
       16, true},
  };
  for (const Case& c : cases) {
    const Field field = field_of(std::string("\t") + c.line + "\n");
    EXPECT_EQ(field.kind, c.kind) << c.line;
    EXPECT_EQ(field.type, c.type) << c.line;
    EXPECT_EQ(field.name, c.name) << c.line;
    EXPECT_EQ(field.element_size, c.element) << c.line;
    EXPECT_EQ(field.count, c.count) << c.line;
    EXPECT_EQ(field.is_text, c.text) << c.line;
  }
}

TEST(EventFormat, ThePrintFormatMaySpanLines) {
  const auto format = parse_event_format(std::string(kHead) + "print fmt: \"a\n b\", REC->x\n", "test");
  ASSERT_TRUE(format);
  EXPECT_EQ(format->print_fmt, "\"a\n b\", REC->x");
}

TEST(EventFormat, RefusesWhatMakesNoSense) {
  const std::string bad[] = {
      "",
      "name: x\n",
      "ID: 5\n",
      "name: x\nID: 0\n",
      "name: x\nID: 65536\n",
      "name: x y\nID: 5\n",
      with_fields("\tfield:int x;\toffset:8;\tsize:4;\n"),
      with_fields("\tfield:int x;\toffset:-8;\tsize:4;\tsigned:1;\n"),
      with_fields("\tfield:int x;\toffset:8;\tsize:99999999999999999999;\tsigned:1;\n"),
      with_fields("\tfield:int x;\toffset:4294967295;\tsize:4;\tsigned:1;\n"),
      with_fields("\tfield:int x;\tsize:4;\toffset:8;\tsigned:1;\n"),
      with_fields("\tfield:int x;\toffset:8;\tsize:4;\tsigned:2;\n"),
      with_fields("\tfield:x;\toffset:8;\tsize:4;\tsigned:1;\n"),
      with_fields("\tfield:int ];\toffset:8;\tsize:4;\tsigned:1;\n"),
      with_fields("\tfield:int " + std::string(300, 'x') + ";\toffset:8;\tsize:4;\tsigned:1;\n"),
      with_fields("\tfield:" + std::string(5000, 'x') + " y;\toffset:8;\tsize:4;\tsigned:1;\n"),
  };
  for (const std::string& text : bad) {
    const auto format = parse_event_format(text, "test");
    ASSERT_FALSE(format) << text;
    EXPECT_EQ(format.error().code, ErrorCode::kCorrupt);
  }
  EXPECT_FALSE(parse_event_format(with_fields(""), "../etc"));
}

TEST(EventFormat, BoundsTextAndNumberOfFields) {
  std::string many;
  for (std::size_t i = 0; i <= kMaxFields; ++i) {
    many += "\tfield:int x" + std::to_string(i) + ";\toffset:8;\tsize:4;\tsigned:1;\n";
  }
  const auto format = parse_event_format(with_fields(many), "test");
  ASSERT_FALSE(format);
  EXPECT_THAT(format.error().message, HasSubstr("more than 512 fields"));
  EXPECT_FALSE(parse_event_format(std::string(kMaxFormatText + 1, '\n'), "test"));
}

TEST(EventFormat, ErrorsCannotActOnATerminal) {
  const auto format =
      parse_event_format(with_fields("\tfield:\x1b[31m;\toffset:8;\tsize:4;\tsigned:1;\n"), "test");
  ASSERT_FALSE(format);
  EXPECT_EQ(format.error().message.find('\x1b'), std::string::npos);
}

TEST(EventFormat, TruncatedAtEveryByteIsAFormatOrAnError) {
  const std::string text = with_fields("\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n");
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    const auto format = parse_event_format(std::string_view(text).substr(0, cut), "test");
    if (!format) {
      EXPECT_EQ(format.error().code, ErrorCode::kCorrupt);
    }
  }
}

Bytes record_of_16() {
  Bytes record = make_record(314, -5, 16);
  const std::uint32_t words[2] = {0xfffffffe, 0x80};
  std::memcpy(record.data() + 8, words, 8);
  return record;
}

TEST(FieldAccess, SignsAsTheFieldSays) {
  const Bytes record = record_of_16();
  EXPECT_EQ(event_id(record), 314);
  EXPECT_EQ(event_pid(record), -5);
  EXPECT_EQ(read_signed(record, field_of("\tfield:int x;\toffset:8;\tsize:4;\tsigned:1;\n")), -2);
  EXPECT_EQ(read_signed(record, field_of("\tfield:u32 x;\toffset:8;\tsize:4;\tsigned:0;\n")), 0xfffffffe);
  EXPECT_EQ(read_unsigned(record, field_of("\tfield:int x;\toffset:8;\tsize:4;\tsigned:1;\n")), 0xfffffffeu);
  EXPECT_EQ(read_signed(record, field_of("\tfield:s8 x;\toffset:12;\tsize:1;\tsigned:1;\n")), -128);
}

TEST(FieldAccess, GivesNothingOutsideOfTheRecord) {
  const Bytes record = record_of_16();
  EXPECT_EQ(read_unsigned(record, field_of("\tfield:int x;\toffset:13;\tsize:4;\tsigned:1;\n")),
            std::nullopt);
  EXPECT_EQ(read_unsigned(record, field_of("\tfield:int x;\toffset:16;\tsize:4;\tsigned:1;\n")),
            std::nullopt);
  EXPECT_EQ(read_unsigned(record, field_of("\tfield:int x;\toffset:262144;\tsize:4;\tsigned:1;\n")),
            std::nullopt);
  EXPECT_EQ(read_string(record, field_of("\tfield:char x[16];\toffset:8;\tsize:16;\tsigned:1;\n")),
            std::nullopt);
  EXPECT_EQ(read_array(record, field_of("\tfield:char x[];\toffset:17;\tsize:0;\tsigned:1;\n")),
            std::nullopt);
}

TEST(FieldAccess, TextEndsAtItsNulOrAtTheEnd) {
  Bytes record = make_record(314, 1, 16);
  std::memcpy(record.data() + 8, "ab\0cdefg", 8);
  EXPECT_EQ(read_string(record, field_of("\tfield:char x[8];\toffset:8;\tsize:8;\tsigned:0;\n")), "ab");
  EXPECT_EQ(read_string(record, field_of("\tfield:char x[5];\toffset:11;\tsize:5;\tsigned:0;\n")), "cdefg");
  EXPECT_EQ(read_string(record, field_of("\tfield:char x[];\toffset:11;\tsize:0;\tsigned:0;\n")), "cdefg");
}

TEST(FieldAccess, LocatorsAreClippedToTheRecord) {
  const Field data = field_of("\tfield:__data_loc char[] x;\toffset:8;\tsize:4;\tsigned:0;\n");
  const Field rel = field_of("\tfield:__rel_loc char[] x;\toffset:8;\tsize:4;\tsigned:0;\n");
  Bytes record = make_record(314, 1, 20);
  std::memcpy(record.data() + 12, "abcdefgh", 8);
  const auto locate = [&](std::uint32_t start, std::uint32_t length) {
    const std::uint32_t word = length << 16 | start;
    std::memcpy(record.data() + 8, &word, 4);
  };
  locate(12, 3);
  EXPECT_EQ(read_string(record, data), "abc");
  locate(0, 3);
  EXPECT_EQ(read_string(record, rel), "abc");
  locate(14, 0xffff);
  EXPECT_EQ(read_string(record, data), "cdefgh");
  locate(20, 5);
  EXPECT_EQ(read_string(record, data), "");
  locate(21, 5);
  EXPECT_EQ(read_string(record, data), std::nullopt);
  locate(0xffff, 0xffff);
  EXPECT_EQ(read_string(record, data), std::nullopt);
  EXPECT_EQ(read_string(record, rel), std::nullopt);
}

TEST(FieldAccess, OfRecordsTruncatedAtEveryByteStaysInside) {
  const Field fields[] = {field_of("\tfield:__data_loc char[] x;\toffset:8;\tsize:4;\tsigned:0;\n"),
                          field_of("\tfield:__rel_loc u64[] x;\toffset:8;\tsize:4;\tsigned:0;\n"),
                          field_of("\tfield:char x[8];\toffset:8;\tsize:8;\tsigned:0;\n"),
                          field_of("\tfield:char x[];\toffset:8;\tsize:0;\tsigned:0;\n"),
                          field_of("\tfield:long x;\toffset:8;\tsize:8;\tsigned:1;\n")};
  Bytes record = make_record(314, 1, 24);
  const std::uint32_t word = 8u << 16 | 12;
  std::memcpy(record.data() + 8, &word, 4);
  for (std::size_t cut = 0; cut <= record.size(); ++cut) {
    const Bytes part(record.begin(), record.begin() + static_cast<std::ptrdiff_t>(cut));
    for (const Field& field : fields) {
      (void)read_unsigned(part, field);
      (void)read_string(part, field);
      if (const auto array = read_array(part, field)) {
        ASSERT_LE(array->size(), part.size());
      }
    }
  }
}

}  // namespace
}  // namespace ivtrace::decode
