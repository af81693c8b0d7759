// The table `finding`: what the failure patterns find, for queries.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "clock/clock_map.h"
#include "patterns/finding.h"
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

/// The same of findings that somebody else makes: asked for when a query needs a row, until they are there.
std::unique_ptr<query::Table> finding_table(std::function<Result<std::vector<Finding>>()> findings);

}  // namespace ivtrace::patterns
