#include "format/text_event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace ivtrace::format {
namespace {

using ::testing::HasSubstr;

TEST(TextEventFormat, ReadsLikeTheKernels) {
  const auto text = text_event_format(kDeclaredEventIds, "disk_issue", "u64 sector; string disk; u8 way");
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(*text,
            "name: disk_issue\nID: 57360\nformat:\n"
            "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
            "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
            "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
            "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n"
            "\n"
            "\tfield:u64 sector;\toffset:8;\tsize:8;\tsigned:0;\n"
            "\tfield:__data_loc char[] disk;\toffset:16;\tsize:4;\tsigned:0;\n"
            "\tfield:u8 way;\toffset:20;\tsize:1;\tsigned:0;\n"
            "\nprint fmt: \"sector=%llu disk=%s way=%u\", REC->sector, __get_str(disk), REC->way\n");
}

TEST(TextEventFormat, FieldsAreAligned) {
  const auto text = text_event_format(kDeclaredEventIds, "e", "s8 a; s64 b; s16 c; s32 d");
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, HasSubstr("field:s8 a;\toffset:8;\tsize:1;\tsigned:1;"));
  EXPECT_THAT(*text, HasSubstr("field:s64 b;\toffset:16;"));
  EXPECT_THAT(*text, HasSubstr("field:s16 c;\toffset:24;"));
  EXPECT_THAT(*text, HasSubstr("field:s32 d;\toffset:28;"));
}

TEST(TextEventFormat, WhatIsHexadecimalIsAnIntegerThatIsShownSo) {
  const auto text = text_event_format(kDeclaredEventIds, "e", "x64 address; x8 flags");
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, HasSubstr("field:u64 address;\toffset:8;\tsize:8;\tsigned:0;"));
  EXPECT_THAT(*text, HasSubstr("field:u8 flags;\toffset:16;\tsize:1;\tsigned:0;"));
  EXPECT_THAT(*text, HasSubstr("print fmt: \"address=0x%llx flags=0x%x\", REC->address, REC->flags\n"));
}

TEST(TextEventFormat, ALineIsShownAlone) {
  const auto text = text_event_format(kDeclaredEventIds, "line", "string text");
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, HasSubstr("print fmt: \"%s\", __get_str(text)\n"));
  const auto none = text_event_format(kDeclaredEventIds, "tick", "");
  ASSERT_TRUE(none);
  EXPECT_THAT(*none, HasSubstr("print fmt: \"\"\n"));
}

TEST(TextEventFormat, RefusesWhatIsNoDeclaration) {
  const auto refused = [](std::string_view name, std::string_view fields) {
    const auto text = text_event_format(kDeclaredEventIds, name, fields);
    return !text && text.error().code == ErrorCode::kInvalid;
  };
  EXPECT_TRUE(refused("", "u64 a"));
  EXPECT_TRUE(refused("9lives", "u64 a"));
  EXPECT_TRUE(refused("with blank", "u64 a"));
  EXPECT_TRUE(refused(std::string(kMaxTextEventName + 1, 'a'), "u64 a"));
  EXPECT_TRUE(refused("e", "u64"));
  EXPECT_TRUE(refused("e", "u64 "));
  EXPECT_TRUE(refused("e", "long a"));
  EXPECT_TRUE(refused("e", "u64 a b"));
  EXPECT_TRUE(refused("e", "u64 common_pid"));
  EXPECT_TRUE(refused("e", "u64 a; s8 a"));
  EXPECT_TRUE(refused("e", "string a\n\"; u64 b"));
  EXPECT_TRUE(refused("e", std::string(kMaxTextEventDeclaration + 1, ' ')));
  EXPECT_FALSE(text_event_format(kTextEventIds - 1, "e", "").ok());
  std::string many;
  for (std::size_t i = 0; i < kMaxTextEventFields; ++i) many += "u8 a" + std::to_string(i) + ";";
  EXPECT_TRUE(text_event_format(kDeclaredEventIds, "e", many).ok());
  EXPECT_TRUE(refused("e", many + "u8 more"));
}

TEST(TextEventFormat, WhatIsRefusedIsShownWithoutItsControlCharacters) {
  const auto text = text_event_format(kDeclaredEventIds, "e", "u64 \x1b[31m");
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().message.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace ivtrace::format
