// The command line of a QEMU process is another user's text.
#include <cstdint>
#include <string>
#include <vector>

#include "base/text.h"
#include "hypervisor/command_line.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> arguments;
  for (const std::string_view argument : ivtrace::split(text, '\0')) arguments.emplace_back(argument);
  ivtrace::hypervisor::parse_command_line(arguments);
  return 0;
}
