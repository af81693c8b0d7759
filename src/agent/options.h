// The agent's command line.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace ivtrace::agent {

/// What the user asked for.
struct Options {
  bool help = false;
  bool version = false;
  bool foreground = false;
  bool cleanup = false;   ///< only removes what dead agents left
  std::string ring_file;  ///< a plain file instead of an ivshmem device
  std::string device;     ///< PCI address of the ivshmem device; empty: the first that is ours to take
};

/// kInvalid with a hint when it cannot be understood.
Result<Options> parse_options(const std::vector<std::string>& arguments);
std::string help_text();
/// The options as JSON, for tools/manual, in the form of `ivtrace`'s own (cli/declaration.h).
std::string declaration();

}  // namespace ivtrace::agent
