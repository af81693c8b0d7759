// Format text and record, both hostile, to every way of making text of them.
//
// Input: u16 length of the print fmt, the print fmt, then the record. The fields are fixed: one of each kind,
// so that the fuzzer can spend its time on the print fmt.
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "decode/event_format.h"
#include "decode/print_bprint.h"
#include "decode/print_event.h"
#include "decode/print_raw.h"

namespace {

using namespace ivtrace::decode;

const std::string kHead =
    "name: probe\nID: 42\nformat:\n"
    "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
    "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
    "\tfield:int i;\toffset:8;\tsize:4;\tsigned:1;\n"
    "\tfield:u64 q;\toffset:16;\tsize:8;\tsigned:0;\n"
    "\tfield:char name[8];\toffset:24;\tsize:8;\tsigned:0;\n"
    "\tfield:u16 words[4];\toffset:32;\tsize:8;\tsigned:0;\n"
    "\tfield:__data_loc char[] text;\toffset:40;\tsize:4;\tsigned:0;\n"
    "\tfield:__rel_loc u32[] list;\toffset:44;\tsize:4;\tsigned:0;\n"
    "\tfield:u8 tail[];\toffset:48;\tsize:0;\tsigned:0;\n"
    "\nprint fmt: ";

}  // namespace

/// libtraceevent 1.7.1 forgets a few bytes of each print fmt that it cannot parse; EventPrinter bounds how
/// many it sees.
extern "C" const char* __lsan_default_suppressions() { return "leak:libtraceevent\n"; }

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::uint16_t length = 0;
  if (size < sizeof length) return 0;
  std::memcpy(&length, data, sizeof length);
  std::string_view rest(reinterpret_cast<const char*>(data) + sizeof length, size - sizeof length);
  const std::string print_fmt(rest.substr(0, length));
  rest.remove_prefix(print_fmt.size());
  const auto format = parse_event_format(kHead + print_fmt + "\n", "fuzz");
  if (!format) return 0;
  // A copy of its own: the sanitizer then sees a read of one byte too much.
  const std::vector<std::byte> record(reinterpret_cast<const std::byte*>(rest.data()),
                                      reinterpret_cast<const std::byte*>(rest.data()) + rest.size());
  EventPrinter printer{Symbols{}};
  std::string out;
  printer.render(*format, record, TextMode::kRaw, out);
  printer.render(*format, record, TextMode::kTerminal, out);
  append_json_fields(out, *format, record);
  append_bprint(out, print_fmt, record, printer.symbols());
  return 0;
}
