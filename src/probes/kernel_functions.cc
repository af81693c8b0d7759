#include "probes/kernel_functions.h"

#include <algorithm>
#include <string_view>

#include "base/text.h"
#include "tracefs/texts.h"

namespace ivtrace::probes {

Result<KernelFunctions> KernelFunctions::read() {
  IVT_ASSIGN_OR_RETURN(const std::string text, tracefs::kallsyms_text());
  return parse(text);
}

KernelFunctions KernelFunctions::parse(std::string_view kallsyms) {
  KernelFunctions functions;
  for (std::string_view line : split(kallsyms, '\n')) {
    // "ffffffff81000000 T name\t[module]"
    const std::size_t blank = line.find(' ');
    if (blank == line.npos || line.size() < blank + 4 || line[blank + 2] != ' ') continue;
    if (std::string_view("tTwW").find(line[blank + 1]) == std::string_view::npos) continue;
    const std::string_view name = line.substr(blank + 3);
    functions.names_.emplace_back(name.substr(0, name.find('\t')));
  }
  std::sort(functions.names_.begin(), functions.names_.end());
  functions.names_.erase(std::unique(functions.names_.begin(), functions.names_.end()),
                         functions.names_.end());
  return functions;
}

Status KernelFunctions::require(const std::string& name) const {
  if (std::binary_search(names_.begin(), names_.end(), name)) return {};
  std::string near;
  for (const std::string& one : nearest_names(name, names_))
    near += (near.empty() ? "; nearest: " : ", ") + one;
  return Error(ErrorCode::kNotFound, "no function " + name + " in this kernel" + near);
}

}  // namespace ivtrace::probes
