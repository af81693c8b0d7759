// Tables of a stretch of time that sum up rows: who had CPUs, what vCPUs did, guests' requests, interrupts.
#pragma once

#include <vector>

#include "query/model_rows.h"
#include "view/answer.h"
#include "view/row_walk.h"

namespace ivtrace::view {

/// As GET range has it; the largest rows, `most` at most.
struct SumTable {
  const char* title = "";
  Json columns = Json::array();
  Json rows = Json::array();
  bool more = false;
};
/// Those that have a row. All rows have been made. kTimeout: `stop` was set.
Result<std::vector<SumTable>> slice_totals(const query::ModelRows& rows, const Stretch& stretch,
                                           std::size_t most, query::StopFlag stop);

}  // namespace ivtrace::view
