// The table `finding`: what the failure patterns find, for queries.
#pragma once

#include <memory>
#include <vector>

#include "clock/clock_map.h"
#include "patterns/pattern.h"
#include "query/database.h"
#include "query/table.h"
#include "run/run_reader.h"

namespace ivtrace::patterns {

/// For Database::open(). The patterns are tried when a query first needs a row, on a database of their own.
/// Borrows run, clock and the flag. One thread.
std::unique_ptr<query::Table> finding_table(const run::RunReader& run, const clock::HostClock& clock,
                                            query::StopFlag stop, query::CacheUse cache,
                                            std::vector<Pattern> patterns);

}  // namespace ivtrace::patterns
