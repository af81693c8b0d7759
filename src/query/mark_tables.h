// What programs said by marks: mark_slice, mark_instant, mark_counter.
#pragma once

#include <memory>
#include <vector>

#include "query/model_rows.h"
#include "query/table.h"

namespace ivtrace::query {

/// Borrow the rows.
std::vector<std::unique_ptr<Table>> mark_tables(ModelRows& rows);

}  // namespace ivtrace::query
