// Any text as a machine's formats: an end, bounded problems, and a table that agrees with itself.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "decode/format_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ivtrace::decode;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const FormatTable table = FormatTable::parse(text);
  IVT_CHECK(table.problems().size() <= kMaxFormatProblems &&
            table.problems().size() <= table.problem_count());
  IVT_CHECK(table.all().size() == table.size());
  for (const EventFormat* format : table.all()) IVT_CHECK(table.find(format->id) == format);
  (void)check_header_page(text);
  return 0;
}
