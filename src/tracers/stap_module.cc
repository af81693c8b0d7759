#include "tracers/stap_module.h"

#include <elf.h>

#include <algorithm>

#include "base/text.h"
#include "tracers/stap_compile.h"

namespace ivtrace::tracers {
namespace {

constexpr std::size_t kMaxValue = 64;

/// The value of a key, up to its first blank; empty when there is none. The texts are searched for in the
/// whole file, since a module of SystemTap's holds no other "\0name=ivtrace_…" than that of its .modinfo.
std::string value_of(std::string_view bytes, std::string_view key) {
  const std::string begin = '\0' + std::string(key) + '=';
  const std::size_t at = bytes.find(begin);
  if (at == bytes.npos) return "";
  const std::string_view value = bytes.substr(at + begin.size(), kMaxValue);
  std::string clean;
  append_terminal_safe(clean, value.substr(0, value.find_first_of(std::string_view("\0 ", 2))));
  return clean;
}

}  // namespace

Result<ModuleInfo> module_info(std::string_view bytes) {
  ModuleInfo info{value_of(bytes, "name"), value_of(bytes, "vermagic")};
  if (!bytes.starts_with(ELFMAG) || info.name.empty() || info.release.empty())
    return Error(ErrorCode::kInvalid, "it is no kernel module");
  return info;
}

Result<std::string> usable_stap_module(std::string_view bytes, const std::string& path,
                                       const std::string& release) {
  constexpr const char* kHint = "make it with: ivtrace compile";
  const auto info = module_info(bytes);
  if (!info) return Error(ErrorCode::kInvalid, path + ": " + info.error().message, kHint);
  if (!is_stap_module_name(info->name))
    return Error(ErrorCode::kInvalid, path + " is the module " + info->name + ", none of ivtrace's", kHint);
  if (info->release != release) {
    return Error(ErrorCode::kInvalid, path + " is for the kernel " + info->release + ", not for " + release,
                 "make it with: ivtrace compile --kernel " + release);
  }
  return info->name;
}

}  // namespace ivtrace::tracers
