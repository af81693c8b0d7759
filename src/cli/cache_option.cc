#include "cli/cache_option.h"

#include <CLI/App.hpp>

namespace ivtrace::cli {

void add_cache_option(CLI::App& command, query::CacheUse& use) {
  command.add_flag_callback(
      "--no-cache", [&use] { use = query::CacheUse::kNone; },
      "Neither use nor write what a query keeps in the run");
}

}  // namespace ivtrace::cli
