#include <cstdint>
#include <string_view>

#include "decode/kallsyms.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  ivtrace::decode::Symbols symbols;
  if (!symbols.add_kallsyms(text) || !symbols.add_printk_formats(text)) return 0;
  std::uint64_t offset = 0;
  for (const std::uint64_t address : {std::uint64_t{0}, std::uint64_t{0x1000}, ~std::uint64_t{0}}) {
    static_cast<void>(symbols.lookup(address, &offset));
    static_cast<void>(symbols.text_at(address));
  }
  return 0;
}
