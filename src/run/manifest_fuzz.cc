// Any bytes as manifest.json.
#include <cstddef>
#include <cstdint>

#include "run/journal.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ivtrace;
  auto manifest = run::decode_manifest({reinterpret_cast<const char*>(data), size});
  if (!manifest) return 0;
  auto again = run::decode_manifest(run::encode_manifest(*manifest));
  IVT_CHECK(again.ok());
  IVT_CHECK(run::encode_manifest(*again) == run::encode_manifest(*manifest));
  return 0;
}
