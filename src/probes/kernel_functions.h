// The running kernel's functions, to find one and to say what was perhaps meant.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace ivtrace::probes {

/// Names of functions, sorted, each once. Const functions may be called by several threads.
class KernelFunctions {
 public:
  /// Of /proc/kallsyms: the kernel's and its modules'.
  static Result<KernelFunctions> read();
  static KernelFunctions parse(std::string_view kallsyms);

  /// kNotFound: "no function …; nearest: …".
  Status require(const std::string& name) const;

 private:
  std::vector<std::string> names_;
};

}  // namespace ivtrace::probes
