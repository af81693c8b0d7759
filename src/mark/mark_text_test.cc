// What ivtrace-mark writes is read back as it was meant.
#include "mark/mark_text.h"

#include <gtest/gtest.h>

#include <string>

#include "decode/page_builder.h"
#include "decode/print_event.h"
#include "decode/text_event.h"

namespace ivtrace::mark {
namespace {

using decode::Bytes;

/// "mark:begin: tgid=7 tid=7 name=…", or "text".
std::string read_back(const std::string& text) {
  std::string formats;
  decode::append_mark_formats(formats);
  decode::append_format_file(formats, "ftrace/print/format",
                             "name: print\nID: 5\nformat:\n"
                             "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n"
                             "\tfield:char buf[];\toffset:16;\tsize:0;\tsigned:0;\n\nprint fmt: \"\"\n");
  const decode::FormatTable table = decode::FormatTable::parse(formats);
  decode::TextEvents events(table);
  Bytes print = decode::make_record(5, 99, 16);
  decode::append_bytes(print, text.c_str(), text.size() + 1);
  const decode::RecordBytes record = events.translate(print);
  if (record.empty()) return "text";
  const decode::EventFormat& format = *table.find(decode::event_id(record));
  std::string out = format.full_name() + ": ";
  decode::EventPrinter(decode::Symbols()).render(format, record, decode::TextMode::kRaw, out);
  return out;
}

TEST(MarkText, ComesBackAsItWas) {
  EXPECT_EQ(mark_text("begin", 7, "copy"), "mark:begin tgid=7 tid=7 name=\"copy\"\n");
  EXPECT_EQ(read_back(mark_text("begin", 7, "a \"b\" \\ | c=d")),
            "mark:begin: tgid=7 tid=7 name=a \"b\" \\ | c=d");
  EXPECT_EQ(read_back(mark_text("end", 7, {})), "mark:end: tgid=7 tid=7");
  EXPECT_EQ(read_back(mark_text("instant", 7, "")), "mark:instant: tgid=7 tid=7 name=");
  EXPECT_EQ(read_back(mark_text("counter", 7, "queue", INT64_MIN)),
            "mark:counter: tgid=7 tid=7 name=queue value=-9223372036854775808");
}

TEST(MarkText, ControlCharactersCannotBreakTheLine) {
  EXPECT_EQ(read_back(mark_text("instant", 7, "two\nlines\x1b[31m\x7f")),
            "mark:instant: tgid=7 tid=7 name=two_lines_[31m_");
}

TEST(MarkText, ALongNameIsCutBetweenCharacters) {
  const std::string ascii(kMaxName + 10, 'x');
  EXPECT_EQ(mark_text("instant", 7, ascii), mark_text("instant", 7, ascii.substr(0, kMaxName)));
  const std::string umlauts = std::string(kMaxName - 1, 'x') + "\xc3\xa4\xc3\xa4";
  EXPECT_EQ(mark_text("instant", 7, umlauts), mark_text("instant", 7, std::string(kMaxName - 1, 'x')));
  EXPECT_EQ(read_back(mark_text("begin", 7, std::string(5000, '"'))),
            "mark:begin: tgid=7 tid=7 name=" + std::string(kMaxName, '"'));
}

}  // namespace
}  // namespace ivtrace::mark
