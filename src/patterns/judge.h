// Tries patterns on a run.
#pragma once

#include <span>

#include "base/result.h"
#include "patterns/finding.h"
#include "query/database.h"

namespace ivtrace::patterns {

/// Rows of one query for evidence that are kept.
inline constexpr std::size_t kEvidenceRows = 10;
/// Of a machine's events: when more were lost, no pattern that needs them is tried.
inline constexpr double kMostLost = 0.2;

/// Tries all `patterns`. One that makes no sense to SQLite is a problem, with its line, and the others are
/// tried; one that needs what was not recorded is unknown, also for single guests, of which it then finds
/// nothing. kTimeout when the database's stop flag was set.
/// All that the tables need is read in one walk. One thread.
Result<Diagnosis> diagnose(query::Database& database, std::span<const Pattern> patterns);

}  // namespace ivtrace::patterns
