// Any bytes as a journal line: decoding ends, and what was decoded encodes to something that decodes to the
// same.
#include <cstddef>
#include <cstdint>

#include "run/journal.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ivtrace;
  auto record = run::decode_record({reinterpret_cast<const char*>(data), size});
  if (!record) return 0;
  const std::string line = run::encode_record(*record);
  auto again = run::decode_record(line);
  IVT_CHECK(again.ok());
  IVT_CHECK(run::encode_record(*again) == line);
  return 0;
}
