// The tables of what kernels did for whom: irq_slice, block_request, qemu_call.
#pragma once

#include <memory>
#include <vector>

#include "query/model_rows.h"
#include "query/table.h"

namespace ivtrace::query {

/// They borrow the rows.
std::vector<std::unique_ptr<Table>> kernel_tables(ModelRows& rows);

}  // namespace ivtrace::query
