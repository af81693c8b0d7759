// Any bytes as a program's USDT notes: a refusal, or probes whose arguments are words of the kernel or
// refused.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "probes/usdt.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ivtrace::probes;
  const auto no_variable = [](std::string_view name) -> std::optional<std::uint64_t> {
    return name.empty() ? std::nullopt : std::optional<std::uint64_t>(name.size());
  };
  const auto sites = parse_usdt_notes(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!sites) return 0;
  for (const UsdtSite& site : *sites) {
    for (unsigned number = 0; number < 4; ++number) {
      const auto fetch = fetch_usdt_argument(site, number, "", no_variable);
      if (fetch)
        IVT_CHECK(fetch->find_first_of(" \n\t") == std::string::npos &&
                  fetch->find(':') != std::string::npos);
    }
  }
  return 0;
}
