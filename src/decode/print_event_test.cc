#include "decode/print_event.h"

#include <gtest/gtest.h>

#include <cstring>

#include "decode/libtraceevent_text.h"
#include "decode/print_bprint.h"
#include "decode/print_raw.h"

namespace ivtrace::decode {
namespace {

EventFormat parse(const std::string& name, const std::string& fields, const std::string& print_fmt,
                  int id = 7, const char* system = "test") {
  auto parsed = parse_event_format("name: " + name + "\nID: " + std::to_string(id) +
                                       "\nformat:\n"
                                       "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
                                       "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n" +
                                       fields + "\nprint fmt: " + print_fmt + "\n",
                                   system);
  EXPECT_TRUE(parsed) << parsed.error().to_string();
  return *std::move(parsed);
}

const std::string kFields =
    "\tfield:int a;\toffset:8;\tsize:4;\tsigned:1;\n"
    "\tfield:char b[4];\toffset:12;\tsize:4;\tsigned:0;\n"
    "\tfield:u16 c[2];\toffset:16;\tsize:4;\tsigned:0;\n"
    "\tfield:__data_loc char[] d;\toffset:20;\tsize:4;\tsigned:0;\n"
    "\tfield:void * p;\toffset:24;\tsize:8;\tsigned:0;\n"
    "\tfield:struct foo s;\toffset:32;\tsize:3;\tsigned:0;\n";

std::vector<std::byte> record() {
  std::vector<std::byte> bytes(40);
  const std::int32_t a = -5;
  const std::uint16_t c[2] = {1, 2};
  const std::uint32_t d = 4u << 16 | 35;
  const std::uint64_t p = 0xabc;
  bytes[0] = std::byte{7};
  std::memcpy(&bytes[8], &a, 4);
  std::memcpy(&bytes[12], "x\x1b\"", 4);
  std::memcpy(&bytes[16], c, 4);
  std::memcpy(&bytes[20], &d, 4);
  std::memcpy(&bytes[24], &p, 8);
  std::memcpy(&bytes[32], "\1\2\3dyn", 7);
  return bytes;
}

std::string render(const EventFormat& format, RecordBytes bytes, PrintMethod method) {
  EventPrinter printer{Symbols{}};
  EXPECT_EQ(printer.method(format), method);
  std::string out;
  printer.render(format, bytes, TextMode::kTerminal, out);
  return out;
}

TEST(EventPrinter, PrefersTheCompiledProgram) {
  EXPECT_EQ(
      render(parse("e", kFields, R"("a=%d d=%s", REC->a, __get_str(d))"), record(), PrintMethod::kCompiled),
      "a=-5 d=dyn");
}

TEST(EventPrinter, GivesAnUnknownConstantToLibtraceevent) {
  EXPECT_EQ(render(parse("e", kFields, R"("a=%d d=%s", REC->a + SOME_CONSTANT, __get_str(d))"), record(),
                   PrintMethod::kLibtraceevent),
            "a=-5 d=dyn");
}

TEST(EventPrinter, ShowsFieldsWhereNobodyKnowsBetter) {
  const char* raw = "a=-5 b=x\\x1b\" c=[1,2] d=dyn p=0xabc s=010203";
  EXPECT_EQ(render(parse("e", kFields, R"("%d", unknown_function(REC->a))"), record(), PrintMethod::kRaw),
            raw);
  EXPECT_EQ(render(parse("e", kFields, R"("%d", 1 +)"), record(), PrintMethod::kRaw), raw);
}

TEST(EventPrinter, WhatCouldBreakLibtraceeventIsNotShownToIt) {
  for (const char* hostile :
       {R"("%d", UNKNOWN / REC->a)", R"("%d", UNKNOWN % 0)", R"("%d", REC->c[UNKNOWN])",
        R"("%*d", UNKNOWN, 1)", R"("%s", __print_hex(UNKNOWN, REC->a))", R"("%*ph", 5, REC->c)",
        R"("%d %pD", UNKNOWN, REC->p)", R"("%s", __print_symbolic(REC->nothing, { 1, "one" }))",
        R"("%d", REC->c[1][UNKNOWN])", R"("%s", __get_str(a))", R"("%d %d", UNKNOWN)"}) {
    const EventFormat format = parse("e", kFields, hostile);
    EXPECT_EQ(compile_print(format).error().code, ErrorCode::kUnsupported) << hostile;
    EXPECT_FALSE(text_for_libtraceevent(format)) << hostile;
  }
  EXPECT_TRUE(text_for_libtraceevent(parse("e", kFields, R"("%d", REC->a / 3 + UNKNOWN + REC->c[1])")));
}

TEST(EventPrinter, LibtraceeventIsGivenOurOwnWords) {
  const auto text = text_for_libtraceevent(parse(
      "e", kFields, R"("%s" " %d\n", REC->a>-1U?"x" "y":__get_str( d ), (unsigned  int)X+REC->c[1]*2)"));
  ASSERT_TRUE(text);
  EXPECT_EQ(text->substr(text->find("\tfield:s32 a")),
            "\tfield:s32 a;\toffset:8;\tsize:4;\tsigned:1;\n"
            "\tfield:char b[4];\toffset:12;\tsize:4;\tsigned:0;\n"
            "\tfield:u16 c[2];\toffset:16;\tsize:4;\tsigned:0;\n"
            "\tfield:__data_loc char[] d;\toffset:20;\tsize:4;\tsigned:0;\n"
            "\tfield:void * p;\toffset:24;\tsize:8;\tsigned:0;\n"
            "\tfield:u8 s[3];\toffset:32;\tsize:3;\tsigned:0;\n\n"
            "print fmt: \"%s %d\\n\", ((REC->a > 0xffffffffffffffff) ? \"xy\" : __get_str(d)), "
            "(((unsigned int)(X)) + ((REC->c[1]) * 0x2))\n");
}

TEST(EventPrinter, AShortRecordIsShownRaw) {
  const auto whole = record();
  for (const char* print_fmt : {R"("%d %s", REC->a, __get_str(d))", R"("%d", REC->a + UNKNOWN)"}) {
    const EventFormat format = parse("e", kFields, print_fmt);
    EventPrinter printer{Symbols{}};
    std::string out;
    printer.render(format, RecordBytes(whole).first(12), TextMode::kTerminal, out);
    EXPECT_EQ(out, "a=-5 b=? c=? d=? p=? s=?");
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      printer.render(format, cut, TextMode::kTerminal, out);
    }
  }
}

TEST(EventPrinter, LibtraceeventSeesNoLeftoversOfALongerRecord) {
  const EventFormat format = parse("e", kFields, R"("%s%s", __get_str(d), UNKNOWN ? "" : ".")");
  EventPrinter printer{Symbols{}};
  std::vector<std::byte> longer = record();
  longer.resize(64, static_cast<std::byte>('z'));
  const std::uint32_t locator = 29u << 16 | 35;
  std::memcpy(&longer[20], &locator, 4);
  std::memset(&longer[35], 'z', 29);
  std::string out;
  printer.render(format, longer, TextMode::kRaw, out);
  EXPECT_EQ(out, std::string(29, 'z') + ".");
  longer.resize(40);
  out.clear();
  printer.render(format, longer, TextMode::kRaw, out);
  EXPECT_EQ(out.find("zzzzzzzz"), std::string::npos) << out;
}

TEST(EventPrinter, BinaryPrintkUsesTheKernelsOwnFormat) {
  const EventFormat format = parse("bprint",
                                   "\tfield:unsigned long ip;\toffset:8;\tsize:8;\tsigned:0;\n"
                                   "\tfield:const char * fmt;\toffset:16;\tsize:8;\tsigned:0;\n"
                                   "\tfield:u32 buf[];\toffset:24;\tsize:0;\tsigned:0;\n",
                                   R"("%ps: %s", (void *)REC->ip, REC->fmt)", 6, "ftrace");
  Symbols symbols;
  ASSERT_TRUE(symbols.add_kallsyms("1000 T caller\n"));
  ASSERT_TRUE(symbols.add_printk_formats("0x2000 : \"n=%d s=%s\\n\"\n"));
  std::vector<std::byte> bytes(32);
  const std::uint64_t words[2] = {0x1010, 0x2000};
  const std::int32_t n = -2;
  std::memcpy(&bytes[8], words, 16);
  std::memcpy(&bytes[24], &n, 4);
  std::memcpy(&bytes[28], "hi", 3);
  EventPrinter printer(std::move(symbols));
  std::string out;
  printer.render(format, bytes, TextMode::kTerminal, out);
  EXPECT_EQ(out, "caller: n=-2 s=hi");
}

TEST(Bprint, ArgumentsAreUnpackedAsTheKernelPacksThem) {
  std::vector<std::byte> bytes(40);
  bytes[0] = std::byte{0xff};                // %hhd
  const std::uint16_t half = 0xfffe;         // %hd at 2
  const std::uint32_t word = 7;              // %u at 4
  const std::uint64_t wide = 0x1'0000'0001;  // %llx at 8, 8 bytes aligned to 4
  const std::uint64_t pointer = 0x1004;      // %ps after the text, at 20
  std::memcpy(&bytes[2], &half, 2);
  std::memcpy(&bytes[4], &word, 4);
  std::memcpy(&bytes[8], &wide, 8);
  std::memcpy(&bytes[16], "abc", 4);
  std::memcpy(&bytes[20], &pointer, 8);
  Symbols symbols;
  ASSERT_TRUE(symbols.add_kallsyms("1000 T caller\n"));
  std::string out;
  append_bprint(out, "%hhd %hd %3u %llx %s %pS 100%%", bytes, symbols);
  EXPECT_EQ(out, "-1 -2   7 100000001 abc caller+0x4 100%");
  for (std::size_t size = 0; size < 28; ++size) {
    const std::vector<std::byte> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    out.clear();
    append_bprint(out, "%hhd %hd %3u %llx %s %pS", cut, symbols);
    EXPECT_TRUE(size >= 17 || out.ends_with("…")) << size << out;
  }
}

TEST(PrintRaw, JsonFieldsAreTyped) {
  std::string out;
  append_json_fields(out, parse("e", kFields, "\"\""), record());
  EXPECT_EQ(out, R"("a":-5,"b":"x\u001b\"","c":[1,2],"d":"dyn","p":"0xabc","s":"010203")");
  out.clear();
  append_json_fields(out, parse("e", kFields, "\"\""), RecordBytes(record()).first(8));
  EXPECT_EQ(out, R"("a":null,"b":null,"c":null,"d":null,"p":null,"s":null)");
}

}  // namespace
}  // namespace ivtrace::decode
