// The tables over ModelRows: loss, those of slice_tables.h, kernel_tables.h and slow_io_tables.h, io_request,
// io_phase.
#pragma once

#include <memory>
#include <vector>

#include "query/model_rows.h"
#include "query/table.h"

namespace ivtrace::query {

/// They borrow the rows.
std::vector<std::unique_ptr<Table>> model_tables(ModelRows& rows);

/// "254:0", as /proc/partitions and ls have it, of a kernel's dev_t.
std::string device_text(std::uint32_t device);

}  // namespace ivtrace::query
