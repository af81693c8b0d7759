// --no-cache, as every command has it whose queries may be answered from a run's cache.
#pragma once

#include "query/database.h"

namespace CLI {
class App;
}

namespace ivtrace::cli {

/// `use` outlives the parse.
void add_cache_option(CLI::App& command, query::CacheUse& use);

}  // namespace ivtrace::cli
