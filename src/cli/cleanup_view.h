// The renderings of what `ivtrace cleanup` did.
#pragma once

#include <string>

#include "record/cleanup.h"

namespace ivtrace::cli {

std::string cleanup_text(const record::CleanupReport& report);
std::string cleanup_json(const record::CleanupReport& report);

}  // namespace ivtrace::cli
