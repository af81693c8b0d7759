// Compiled SystemTap modules that somebody else brings: compile_stap()'s, from another machine.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace ivtrace::tracers {

/// What a kernel module tells of itself (the section .modinfo: NUL-ended "key=value" texts,
/// linux/moduleparam.h).
struct ModuleInfo {
  std::string name;
  std::string release;  ///< of the kernel that it is for: the first word of "vermagic"
};

/// kInvalid when the bytes are no kernel module. They may be anybody's: nothing of them is trusted, and both
/// texts are clean to print.
Result<ModuleInfo> module_info(std::string_view bytes);

/// The name under which such a module is loaded on a machine of that kernel release. kInvalid when it is none
/// of ours (is_stap_module_name(): clean-up knows no other) or another kernel's; `path` is for the message.
Result<std::string> usable_stap_module(std::string_view bytes, const std::string& path,
                                       const std::string& release);

}  // namespace ivtrace::tracers
