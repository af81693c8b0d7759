// Any bytes as a kernel's BTF: a refusal, or bounded answers.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "probes/btf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ivtrace::probes;
  const auto btf = Btf::parse(std::string(reinterpret_cast<const char*>(data), size));
  if (!btf) return 0;
  for (const char* name : {"", "vfs_read", "a"}) {
    const auto function = btf->find_function(name);
    if (function) IVT_CHECK(function->parameters.size() <= 64);
  }
  return 0;
}
