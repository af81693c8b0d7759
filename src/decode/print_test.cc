#include "decode/print.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <random>

#include "decode/print_number.h"

namespace ivtrace::decode {
namespace {

using ::testing::IsEmpty;

/// A record with one field of each kind, and its format.
class PrintTest : public ::testing::Test {
 protected:
  static EventFormat format(const std::string& print_fmt) {
    const std::string text =
        "name: probe\nID: 42\nformat:\n"
        "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
        "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
        "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
        "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
        "\tfield:int i;\toffset:8;\tsize:4;\tsigned:1;\n"
        "\tfield:unsigned int u;\toffset:12;\tsize:4;\tsigned:0;\n"
        "\tfield:u64 q;\toffset:16;\tsize:8;\tsigned:0;\n"
        "\tfield:char name[8];\toffset:24;\tsize:8;\tsigned:0;\n"
        "\tfield:u8 raw[16];\toffset:32;\tsize:16;\tsigned:0;\n"
        "\tfield:u16 words[4];\toffset:48;\tsize:8;\tsigned:0;\n"
        "\tfield:__data_loc char[] text;\toffset:56;\tsize:4;\tsigned:0;\n"
        "\tfield:__rel_loc u32[] list;\toffset:60;\tsize:4;\tsigned:0;\n"
        "\tfield:signed char small;\toffset:64;\tsize:1;\tsigned:1;\n"
        "\tfield:u8 mac[6];\toffset:66;\tsize:6;\tsigned:0;\n"
        "\tfield:u8 ip[4];\toffset:72;\tsize:4;\tsigned:0;\n"
        "\tfield:void * pointer;\toffset:80;\tsize:8;\tsigned:0;\n"
        "\nprint fmt: " +
        print_fmt + "\n";
    auto parsed = parse_event_format(text, "test");
    EXPECT_TRUE(parsed) << parsed.error().to_string();
    return *std::move(parsed);
  }

  PrintTest() : record_(108) {
    put<std::uint16_t>(0, 42);
    put<std::int32_t>(8, -3);
    put<std::uint32_t>(12, 7);
    put<std::uint64_t>(16, 0x1234'5678'9abcu);
    std::memcpy(record_.data() + 24, "abc", 4);
    for (int i = 0; i < 16; ++i) put<std::uint8_t>(32 + i, static_cast<std::uint8_t>(i * 17));
    for (int i = 0; i < 4; ++i) put<std::uint16_t>(48 + 2 * i, static_cast<std::uint16_t>(1000 * i));
    put<std::uint32_t>(56, 6u << 16 | 88);
    std::memcpy(record_.data() + 88, "hello", 6);
    put<std::uint32_t>(60, 12u << 16 | (96 - 64));
    put<std::uint32_t>(96, 5);
    put<std::uint32_t>(100, 6);
    put<std::uint32_t>(104, 0xffffffff);
    put<std::int8_t>(64, -1);
    for (int i = 0; i < 6; ++i) put<std::uint8_t>(66 + i, static_cast<std::uint8_t>(0xa0 + i));
    for (int i = 0; i < 4; ++i) put<std::uint8_t>(72 + i, static_cast<std::uint8_t>(10 + i));
    put<std::uint64_t>(80, 0xffff'ffff'8100'0010u);
  }

  template <class T>
  void put(std::size_t offset, T value) {
    std::memcpy(record_.data() + offset, &value, sizeof value);
  }

  /// The text of print_fmt, or the error.
  std::string text(const std::string& print_fmt, TextMode mode = TextMode::kRaw) {
    const auto program = compile_print(format(print_fmt));
    if (!program) return program.error().message;
    std::string out;
    return program->render(record_, symbols_, mode, out) ? out : "short";
  }
  ErrorCode error(const std::string& print_fmt) {
    const auto program = compile_print(format(print_fmt));
    return program ? ErrorCode::kBusy : program.error().code;
  }

  std::vector<std::byte> record_;
  Symbols symbols_;
};

TEST_F(PrintTest, NumbersFollowCsTypes) {
  EXPECT_EQ(text(R"("%d %u %llx %d", REC->i, REC->u, REC->q, REC->small)"), "-3 7 123456789abc -1");
  EXPECT_EQ(text(R"("%u %lu", REC->i, (unsigned long)REC->i)"), "4294967293 18446744073709551613");
  EXPECT_EQ(text(R"("%d", REC->i < 0)"), "1");
  EXPECT_EQ(text(R"("%d", REC->i < REC->u)"), "0") << "the signed side becomes unsigned";
  EXPECT_EQ(text(R"("%d", REC->i < (long)REC->u)"), "1");
  EXPECT_EQ(text(R"("%ld", (long)(u32)REC->i)"), "4294967293");
  EXPECT_EQ(text(R"("%d %d", (u8)REC->i, (s8)0xfd)"), "253 -3");
  EXPECT_EQ(text(R"("%d", REC->i >> 1)"), "-2");
  EXPECT_EQ(text(R"("%lx", 1 << 31 >> 31)"), "ffffffffffffffff");
  EXPECT_EQ(text(R"("%lx", 1U << 31 >> 31)"), "1");
  EXPECT_EQ(text(R"("%lx", ~0)"), "ffffffffffffffff");
  EXPECT_EQ(text(R"("%lx", ~0U)"), "ffffffff");
  EXPECT_EQ(text(R"("%lx", REC->u - 8)"), "ffffffff");
  EXPECT_EQ(text(R"("%d %d", (bool)REC->u, !REC->u)"), "1 0");
  EXPECT_EQ(text(R"("%d", (int)sizeof(u16) + (int)sizeof(void *))"), "10");
  EXPECT_EQ(text(R"("%x", __builtin_bswap32(0x11223344))"), "44332211");
}

TEST_F(PrintTest, PrecedenceAndAssociationAreCs) {
  EXPECT_EQ(text(R"("%d", 10 - 4 - 3)"), "3");
  EXPECT_EQ(text(R"("%d", 2 + 3 * 4 % 5 << 1)"), "8");
  EXPECT_EQ(text(R"("%d", 1 | 6 & 3 ^ 1)"), "3");
  EXPECT_EQ(text(R"("%s", !REC->u ? "a" : REC->i == -3 ? "b" : "c")"), "b");
  EXPECT_EQ(text(R"("%d", REC->u && 0 || 1)"), "1");
  EXPECT_EQ(text(R"("%d", ({ int a = REC->i; int b = 2; a < b ? a : b; }))"), "-3");
}

TEST_F(PrintTest, DivisionByZeroIsZero) {
  EXPECT_EQ(text(R"("%d %d", REC->u / (REC->u - 7), REC->u % (REC->u - 7))"), "0 0");
  EXPECT_EQ(text(R"("%d", 1 / 0)"), "0");
  EXPECT_EQ(text(R"("%lx", (-9223372036854775807L - 1) / -1)"), "8000000000000000");
  EXPECT_EQ(text(R"("%llu.%09u", __print_ns_to_secs(REC->q), __print_ns_without_secs(REC->q))"),
            "20015.998343868");
}

TEST_F(PrintTest, TextsAndArraysAreClippedToTheRecord) {
  EXPECT_EQ(text(R"("%s|%s|%8s|%-8s|%.2s", REC->name, __get_str(text), REC->name, REC->name, REC->name)"),
            "abc|hello|     abc|abc     |ab");
  EXPECT_EQ(text(R"("%s", __print_hex(__get_rel_dynamic_array(list), 1000))"),
            "05 00 00 00 06 00 00 00 ff ff ff ff");
  EXPECT_EQ(text(R"("%s", __print_array(__get_rel_dynamic_array(list), 2, 4))"), "{0x5,0x6}");
  EXPECT_EQ(text(R"("%s", __print_hex_str(REC->raw, 3))"), "001122");
  EXPECT_EQ(text(R"("%u %u", REC->words[3], REC->words[REC->u])"), "3000 0")
      << "an index beyond the array is 0";
  EXPECT_EQ(text(R"("%d", ((int *)__get_rel_dynamic_array(list))[2])"), "-1");
  EXPECT_EQ(text(R"("%d", __get_rel_dynamic_array_len(list))"), "12");
  put<std::uint32_t>(56, 0xffffu << 16 | 105);
  EXPECT_EQ(text(R"("%d", __get_dynamic_array_len(text))"), "3");
  put<std::uint32_t>(56, 0xffffu << 16 | 0xffff);
  EXPECT_EQ(text(R"("<%s>", __get_str(text))"), "<>");
  std::memset(record_.data() + 24, 'x', 8);
  EXPECT_EQ(text(R"("%s", REC->name)"), "xxxxxxxx") << "a text without its NUL ends with its field";
}

TEST_F(PrintTest, NamesOfValuesAndFlags) {
  const std::string list = R"({ 1, "one" }, { 2, "two" }, { 4, "four" })";
  EXPECT_EQ(text(R"("%s", __print_flags(REC->u, "|", )" + list + ")"), "one|two|four");
  EXPECT_EQ(text(R"("%s", __print_flags(8 | 2, "|", )" + list + ")"), "two|0x8");
  EXPECT_THAT(text(R"("%s", __print_flags(0, "|", )" + list + ")"), IsEmpty());
  EXPECT_EQ(text(R"("%s %s", __print_symbolic(2, )" + list + "), __print_symbolic(REC->i, " + list + ")"),
            "two 0xfffffffffffffffd");
  EXPECT_EQ(text(R"("%s", __print_symbolic(REC->i, { -3, "minus" }))"), "minus");
  EXPECT_EQ(text(R"("%s", __print_symbolic(1, { A_NAME, "unknown" }, { 1 << 0, "one" }))"), "one");
  EXPECT_EQ(text(R"("%s", __print_symbolic(9, { 1, "one" }, { 2, ((void *)0) }, { 9, "behind" }))"), "0x9");
}

TEST_F(PrintTest, PointersAndAddresses) {
  EXPECT_EQ(text(R"("%p %px %p", REC->pointer, REC->pointer, 0)"),
            "0xffffffff81000010 ffffffff81000010 (nil)");
  EXPECT_EQ(text(R"("%pS", REC->pointer)"), "0xffffffff81000010");
  ASSERT_TRUE(symbols_.add_kallsyms("ffffffff81000000 T first\nffffffff81000100 T next\n"));
  EXPECT_EQ(text(R"("%pS %ps", REC->pointer, (void *)REC->pointer)"), "first+0x10 first");
  EXPECT_EQ(text(R"("%pM %pm %pMF", REC->mac, REC->mac, REC->mac)"),
            "a0:a1:a2:a3:a4:a5 a0a1a2a3a4a5 a0-a1-a2-a3-a4-a5");
  EXPECT_EQ(text(R"("%pI4 %pi4", REC->ip, REC->ip)"), "10.11.12.13 010.011.012.013");
  EXPECT_EQ(text(R"("%pU", REC->raw)"), "00112233-4455-6677-8899-aabbccddeeff");
  EXPECT_EQ(text(R"("%pI6", REC->raw)"), "0011:2233:4455:6677:8899:aabb:ccdd:eeff");
  std::memset(record_.data() + 34, 0, 12);
  EXPECT_EQ(text(R"("%pI6c", REC->raw)"), "11::eeff");
  EXPECT_EQ(text(R"("%pI6c %pI4", REC->mac, REC->mac)"), "INVALIDIPv6 INVALIDIPv4");
}

TEST_F(PrintTest, APointerToAKnownTextIsThatText) {
  EXPECT_EQ(text(R"("%s", REC->pointer)"), "ffffffff81000010");
  ASSERT_TRUE(symbols_.add_printk_formats("0xffffffff81000010 : \"a \\\"text\\\"\"\n"));
  EXPECT_EQ(text(R"("%s", REC->pointer)"), "a \"text\"");
}

TEST_F(PrintTest, MasksAndCpuLists) {
  put<std::uint32_t>(60, 4u << 16 | (96 - 64));
  put<std::uint32_t>(96, 0x8000'000f);
  EXPECT_EQ(text(R"("%s %s", __get_rel_bitmask(list), __get_rel_cpumask(list))"), "8000000f 0-3,31");
}

TEST_F(PrintTest, WidthsFromTheRecordAreCapped) {
  EXPECT_EQ(text(R"("%*d|%-*d|%.*s", 4, 1, 4, 2, 2, "abc")"), "   1|2   |ab");
  EXPECT_EQ(text(R"("%*d", REC->i, 1)"), "1  ");
  EXPECT_EQ(text(R"("%*d", 2000000000, 1)").size(), kMaxPrintWidth);
  EXPECT_EQ(error(R"("%2000000000d", 1)"), ErrorCode::kCorrupt);
}

TEST_F(PrintTest, OutputForATerminalIsSafeAndOneLine) {
  std::memcpy(record_.data() + 24, "\x1b[2J\\\n", 7);
  EXPECT_EQ(text(R"("%s", REC->name)"), "\x1b[2J\\\n");
  EXPECT_EQ(text(R"("%s\n", REC->name)", TextMode::kTerminal), "\\x1b[2J\\\\");
  EXPECT_EQ(text(R"("a format may be hostile: \x1b\t.")", TextMode::kTerminal),
            "a format may be hostile: \\x1b\\x09.");
}

TEST_F(PrintTest, EveryShorterRecordIsRefusedOrSafe) {
  const auto program = compile_print(format(
      R"("%d %s %s %u %pI4", REC->i, REC->name, __get_str(text), ((u32 *)__get_rel_dynamic_array(list))[2], REC->ip)"));
  ASSERT_TRUE(program);
  for (std::size_t size = 0; size <= record_.size(); ++size) {
    const std::vector<std::byte> cut(record_.begin(), record_.begin() + static_cast<std::ptrdiff_t>(size));
    std::string out;
    EXPECT_EQ(program->render(cut, symbols_, TextMode::kRaw, out), size >= program->min_record()) << size;
    EXPECT_EQ(out.empty(), size < program->min_record());
  }
}

TEST_F(PrintTest, WhatIsValidButUnknownIsUnsupported) {
  EXPECT_EQ(error(R"("%d", some_function(REC->i))"), ErrorCode::kUnsupported);
  EXPECT_EQ(error(R"("%d", REC->nothing)"), ErrorCode::kUnsupported);
  EXPECT_EQ(error(R"("%d", A_CONSTANT)"), ErrorCode::kUnsupported);
  EXPECT_EQ(error(R"("%d")"), ErrorCode::kUnsupported);
  EXPECT_EQ(error(R"("%d", (foo_t)REC->i)"), ErrorCode::kUnsupported);
  EXPECT_EQ(error(R"("%pD", REC->pointer)"), ErrorCode::kUnsupported);
}

TEST_F(PrintTest, WhatIsNoPrintFmtIsCorrupt) {
  for (const char* bad : {"", "x", "\"", "\"%d\" 1", "\"%d\",", "\"%d\", (1", "\"%d\", REC->", "\"%d\", 1 +",
                          "\"%", "\"%n\", 1", "\"%f\", 1", "\"%s\", {1, 2}", "\"%d\", 99999999999999999999",
                          "\"%d\", 1 @ 2", "\"%d\", 'ab'", "\"%d\", ({ int x = 1; x })"}) {
    EXPECT_EQ(error(bad), ErrorCode::kCorrupt) << bad;
  }
}

TEST_F(PrintTest, HostileSizesAreBounded) {
  const auto nested = [](int n) { return "\"%d\", " + std::string(n, '(') + "1" + std::string(n, ')'); };
  EXPECT_EQ(text(nested(50)), "1");
  EXPECT_EQ(error(nested(100)), ErrorCode::kCorrupt);
  EXPECT_EQ(error(nested(30000)), ErrorCode::kCorrupt);
  EXPECT_EQ(error("\"%d\", " + std::string(30000, '!') + "1"), ErrorCode::kCorrupt);
  std::string sum = "\"%d\", REC->u";
  for (int i = 0; i < 5000; ++i) sum += "+REC->u";
  EXPECT_EQ(error(sum), ErrorCode::kCorrupt);
  std::string doubling = "\"%d\", ({ int a0 = 1;";
  for (int i = 1; i < 60; ++i) {
    doubling +=
        " int a" + std::to_string(i) + " = a" + std::to_string(i - 1) + " + a" + std::to_string(i - 1) + ";";
  }
  EXPECT_EQ(error(doubling + " a59; })"), ErrorCode::kUnsupported);
  std::string list = "\"%s\", __print_symbolic(1";
  for (int i = 0; i < 5000; ++i) list += ",{1,\"\"}";
  EXPECT_EQ(error(list + ")"), ErrorCode::kCorrupt);
  EXPECT_EQ(error("\"" + std::string(70000, 'x') + "\""), ErrorCode::kCorrupt);
  std::string wide = "\"";
  std::string arguments;
  for (int i = 0; i < 500; ++i) {
    wide += "%1000d";
    arguments += ",1";
  }
  EXPECT_EQ(text(wide + "\"" + arguments).size(), kMaxEventText);
}

TEST(PrintNumber, EveryFormatIsPrintfs) {
  std::mt19937_64 random(3);
  const auto values = [&](int i) {
    return i < 3 ? static_cast<std::uint64_t>(i - 1) : random() >> random() % 64;
  };
  for (int flags = 0; flags < 32; ++flags) {
    for (const char conversion : {'d', 'u', 'x', 'X', 'o'}) {
      for (const int width : {0, 1, 7, 30}) {
        for (const int precision : {-1, 0, 1, 9, 25}) {
          NumberFormat format{conversion,
                              (flags & 1) != 0,
                              (flags & 2) != 0,
                              (flags & 4) != 0,
                              (flags & 8) != 0,
                              (flags & 16) != 0,
                              static_cast<std::uint16_t>(width),
                              static_cast<std::int16_t>(precision)};
          std::string spelled = "%";
          if (format.left) spelled += '-';
          if (format.zero) spelled += '0';
          if (format.plus) spelled += '+';
          if (format.blank) spelled += ' ';
          if (format.alternate) spelled += '#';
          if (width > 0) spelled += std::to_string(width);
          if (precision >= 0) spelled += "." + std::to_string(precision);
          spelled += std::string("ll") + conversion;
          for (int i = 0; i < 6; ++i) {
            const std::uint64_t value = values(i);
            std::array<char, 128> expected;
            std::snprintf(expected.data(), expected.size(), spelled.c_str(), value);
            std::string own;
            append_number(own, format, value);
            EXPECT_EQ(own, expected.data()) << spelled << " of " << value;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace ivtrace::decode
