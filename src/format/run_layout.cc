#include "format/run_layout.h"

#include <algorithm>

namespace ivtrace::format {
namespace {

bool name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '-';
}

}  // namespace

std::string pages_file_name(const std::string& buffer, std::uint32_t cpu) {
  const std::string base = "cpu" + std::to_string(cpu) + ".pages";
  return buffer.empty() ? base : buffer + "." + base;
}

bool valid_machine_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), name_char);
}

std::string to_machine_name(const std::string& wanted) {
  std::string name = wanted.substr(0, 60);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !name_char(c); }, '_');
  if (name.empty()) name = "guest";
  if (name[0] == '.') name[0] = '_';
  if (name == kHostMachine) name = "host_guest";
  return name;
}

}  // namespace ivtrace::format
