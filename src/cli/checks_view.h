// The renderings of `ivtrace doctor`'s checks.
#pragma once

#include <string>
#include <vector>

#include "format/mailbox_message.h"

namespace ivtrace::cli {

/// The checks of one machine: "host", or a guest's name.
struct CheckedMachine {
  std::string name;
  std::vector<format::Check> checks;
};

/// True when nothing is missing; warnings are fine.
bool nothing_missing(const std::vector<CheckedMachine>& machines);
std::string checks_text(const std::vector<CheckedMachine>& machines);
std::string checks_json(const std::vector<CheckedMachine>& machines);

}  // namespace ivtrace::cli
