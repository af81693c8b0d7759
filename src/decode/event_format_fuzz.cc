// A format text and a record, split at the first NUL: parsing and every access stay within bounds.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "decode/event_format.h"
#include "decode/field.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ivtrace::decode;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(input.find('\0'), input.size());
  const auto format = parse_event_format(input.substr(0, end), "fuzz");
  if (!format) return 0;
  const RecordBytes record = std::as_bytes(std::span(data + end, size - end));
  std::uint64_t sum = event_id(record) + static_cast<std::uint64_t>(event_pid(record));
  for (const auto* list : {&format->common, &format->fields}) {
    for (const Field& field : *list) {
      sum += read_unsigned(record, field).value_or(0);
      sum += static_cast<std::uint64_t>(read_signed(record, field).value_or(0));
      const auto array = read_array(record, field);
      if (!array) continue;
      IVT_CHECK(array->size() <= record.size());
      for (const std::byte byte : *array) sum += static_cast<std::uint8_t>(byte);
      sum += element_count(*array, field) + read_string(record, field)->size();
    }
  }
  volatile std::uint64_t sink = sum;
  (void)sink;
  return 0;
}
