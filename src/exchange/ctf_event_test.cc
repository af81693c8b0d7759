#include "exchange/ctf_event.h"

#include <gtest/gtest.h>

#include <cstring>

namespace ivtrace::exchange {
namespace {

constexpr const char* kCommon =
    "format:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
    "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n";

decode::EventFormat format_of(const std::string& fields, const std::string& system = "made",
                              const std::string& name = "event") {
  auto format = decode::parse_event_format(
      "name: " + name + "\nID: 9\n" + kCommon + fields + "\nprint fmt: \"\"\n", system);
  EXPECT_TRUE(format) << format.error().message;
  return format ? *format : decode::EventFormat();
}

std::string declarations_of(const std::string& fields, const std::string& system = "made") {
  const decode::EventFormat format = format_of(fields, system);
  std::string out;
  CtfEvent(format).append_declarations(out);
  return out;
}

decode::RecordBytes bytes_of(const std::string& record) { return std::as_bytes(std::span(record)); }

TEST(CtfEvent, IntegersKeepSizeAndSign) {
  EXPECT_EQ(declarations_of("\tfield:int a;\toffset:8;\tsize:4;\tsigned:1;\n"
                            "\tfield:u8 b;\toffset:12;\tsize:1;\tsigned:0;\n"
                            "\tfield:void * c;\toffset:16;\tsize:8;\tsigned:0;\n"
                            "\tfield:long d;\toffset:24;\tsize:8;\tsigned:1;\n"),
            "\t\tint32_t _a;\n\t\tuint8_t _b;\n\t\taddress64_t _c;\n\t\tint64_t _d;\n");
}

TEST(CtfEvent, TextAndArraysAreTyped) {
  EXPECT_EQ(declarations_of("\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
                            "\tfield:__data_loc char[] name;\toffset:24;\tsize:4;\tsigned:0;\n"
                            "\tfield:unsigned int words[3];\toffset:28;\tsize:12;\tsigned:0;\n"
                            "\tfield:__data_loc u16[] list;\toffset:40;\tsize:4;\tsigned:0;\n"
                            "\tfield:struct thing t;\toffset:44;\tsize:12;\tsigned:0;\n"),
            "\t\tstring _comm;\n\t\tstring _name;\n\t\tuint32_t _words[3];\n"
            "\t\tuint32_t __list_length;\n\t\tuint16_t _list[__list_length];\n\t\tbyte_t _t[12];\n");
}

TEST(CtfEvent, NamesAreIdentifiersAndNoTwoAlike) {
  decode::EventFormat format;
  for (const char* name : {"struct", "a_b", "a-b\n;", "a_b", "9x", ""}) {
    decode::Field& field = format.fields.emplace_back();
    field.name = name;
    field.size = field.element_size = 4;
  }
  std::string out;
  CtfEvent(format).append_declarations(out);
  EXPECT_EQ(out,
            "\t\tuint32_t _struct;\n\t\tuint32_t _a_b;\n\t\tuint32_t _a_b__;\n\t\tuint32_t _a_b_2;\n"
            "\t\tuint32_t _9x;\n\t\tuint32_t _unnamed;\n");
}

TEST(CtfEvent, TheSchedulersPidsAreTids) {
  const std::string fields =
      "\tfield:pid_t prev_pid;\toffset:8;\tsize:4;\tsigned:1;\n\tfield:pid_t "
      "pid;\toffset:12;\tsize:4;\tsigned:1;\n";
  EXPECT_EQ(declarations_of(fields, "sched"), "\t\tint32_t _prev_tid;\n\t\tint32_t _tid;\n");
  EXPECT_EQ(declarations_of(fields, "made"), "\t\tint32_t _prev_pid;\n\t\tint32_t _pid;\n");
}

TEST(CtfEvent, SystemCallsAreNamedAsLttngDoes) {
  EXPECT_EQ(ctf_event_name(format_of("", "syscalls", "sys_enter_read")), "syscall_entry_read");
  EXPECT_EQ(ctf_event_name(format_of("", "syscalls", "sys_exit_read")), "syscall_exit_read");
  EXPECT_EQ(ctf_event_name(format_of("", "raw_syscalls", "sys_enter")), "sys_enter");
}

TEST(CtfEvent, FieldsOfARecordFollowEachOther) {
  const decode::EventFormat format = format_of(
      "\tfield:char comm[4];\toffset:8;\tsize:4;\tsigned:0;\n"
      "\tfield:__data_loc u16[] list;\toffset:12;\tsize:4;\tsigned:0;\n"
      "\tfield:int a;\toffset:16;\tsize:4;\tsigned:1;\n");
  std::string record(24, '\0');
  std::memcpy(&record[8], "ab\xff", 3);
  const std::uint32_t locator = 4 << 16 | 20;
  std::memcpy(&record[12], &locator, 4);
  std::memcpy(&record[16], "\x01\x02\x03\x04", 4);
  std::memcpy(&record[20], "\x05\x06\x07\x08", 4);
  std::string out = "before";
  ASSERT_TRUE(CtfEvent(format).append_payload(out, bytes_of(record)));
  using namespace std::string_literals;
  EXPECT_EQ(out, "beforeab\xef\xbf\xbd\0\2\0\0\0\5\6\7\x08\1\2\3\4"s);
}

TEST(CtfEvent, ARecordCutAnywhereIsRefusedWhole) {
  const decode::EventFormat format = format_of(
      "\tfield:char comm[4];\toffset:8;\tsize:4;\tsigned:0;\n"
      "\tfield:__data_loc u16[] list;\toffset:12;\tsize:4;\tsigned:0;\n"
      "\tfield:int a;\toffset:16;\tsize:4;\tsigned:1;\n");
  const CtfEvent event(format);
  for (std::size_t size = 0; size < 20; ++size) {
    std::string out = "before";
    EXPECT_FALSE(event.append_payload(out, bytes_of(std::string(size, '\0')))) << size;
    EXPECT_EQ(out, "before");
  }
}

TEST(CtfEvent, ALocatorOutsideOfTheRecordIsRefused) {
  const decode::EventFormat format =
      format_of("\tfield:__data_loc char[] name;\toffset:8;\tsize:4;\tsigned:0;\n");
  std::string record(12, '\0');
  const std::uint32_t locator = 4 << 16 | 999;
  std::memcpy(&record[8], &locator, 4);
  std::string out;
  EXPECT_FALSE(CtfEvent(format).append_payload(out, bytes_of(record)));
}

TEST(TsdlString, NothingEndsTheLiteral) {
  std::string out;
  append_tsdl_string(out, "a\"b\n};\x1b");
  EXPECT_EQ(out, "\"a\\\"b\\\\x0a};\\\\x1b\"");
}

}  // namespace
}  // namespace ivtrace::exchange
