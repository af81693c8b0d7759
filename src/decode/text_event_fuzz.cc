// Any formats and any print records: a text stays text, or becomes a record whose fields all lie within it.
//
// The input is a formats text, a NUL, and print records, each a byte of length with what follows.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/check.h"
#include "decode/text_event.h"
#include "format/text_event.h"

namespace ivtrace::decode {
namespace {

constexpr std::string_view kPrint =
    "name: print\nID: 5\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
    "\n\tfield:char buf[];\toffset:16;\tsize:0;\tsigned:0;\n\nprint fmt: \"\"\n";

void check(const FormatTable& formats, RecordBytes record) {
  if (record.empty()) return;
  IVT_CHECK(record.size() <= kMaxTextRecord && event_id(record) >= format::kTextEventIds);
  const EventFormat* const format = formats.find(event_id(record));
  IVT_CHECK(format != nullptr);
  for (const Field& field : format->fields) {
    IVT_CHECK(!field_bytes(record, field).empty());
    if (field.is_text) IVT_CHECK(read_string(record, field).has_value());
  }
}

}  // namespace
}  // namespace ivtrace::decode

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ivtrace;
  using namespace ivtrace::decode;
  const auto* const end = std::find(data, data + size, 0);
  std::string text(data, end);
  append_format_file(text, "ftrace/print/format", kPrint);
  append_mark_formats(text);
  const auto declared = format::text_event_format(format::kDeclaredEventIds, "e", "u64 a; string b; s8 c");
  append_format_file(text, "s/e/format", *declared);
  const FormatTable formats = FormatTable::parse(text);
  TextEvents events(formats);
  std::span<const std::uint8_t> rest(end, data + size);
  while (events.print_id() != 0 && rest.size() > 1) {
    const std::size_t length = std::min<std::size_t>(rest[0], rest.size() - 1);
    check(formats, events.translate(std::as_bytes(rest.subspan(1, length))));
    rest = rest.subspan(1 + length);
  }
  return 0;
}
