#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "view/query_string.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using ivtrace::view::QueryString;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto query = QueryString::parse(text, {"tracks", "from", "q"});
  if (!query) return 0;
  constexpr std::uint32_t kEnd = 100;
  constexpr std::size_t kMost = 16;
  if (const auto list = query->list("tracks", kEnd, kMost)) {
    IVT_CHECK(!list->empty() && list->size() <= kMost);
    for (const std::uint32_t number : *list) IVT_CHECK(number < kEnd);
  }
  if (const auto number = query->number("from", -5, 5)) IVT_CHECK(*number >= -5 && *number <= 5);
  IVT_CHECK(query->text("q").size() <= size);
  return 0;
}
