// The tables of what made disks slow: io_slow, io_slow_load.
#pragma once

#include <memory>
#include <vector>

#include "query/model_rows.h"
#include "query/table.h"

namespace ivtrace::query {

/// They borrow the rows.
std::vector<std::unique_ptr<Table>> slow_io_tables(ModelRows& rows);

}  // namespace ivtrace::query
