// The command line of ivtrace-mark.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace ivtrace::mark {

/// What is to be done.
enum class Action : std::uint8_t { kHelp, kVersion, kInstant, kLines, kBegin, kEnd, kCounter, kRun };

struct Options {
  Action action = Action::kInstant;
  std::string name;                  ///< of the mark
  std::int64_t value = 0;            ///< of a counter
  std::optional<std::int32_t> pid;   ///< whose mark it is; empty: the caller's, or the command's own
  bool quiet = false;                ///< that nothing records is no failure
  std::vector<std::string> command;  ///< of kRun
};

/// kInvalid with a hint when it cannot be understood.
Result<Options> parse_options(const std::vector<std::string>& arguments);
std::string help_text();
/// The options as JSON, for tools/manual, in the form of `ivtrace`'s own (cli/declaration.h).
std::string declaration();

}  // namespace ivtrace::mark
