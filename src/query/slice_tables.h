// The tables of what threads and CPUs did: vcpu_slice, qemu_slice, sched_slice.
#pragma once

#include <memory>
#include <vector>

#include "query/model_rows.h"
#include "query/table.h"

namespace ivtrace::query {

/// They borrow the rows.
std::vector<std::unique_ptr<Table>> slice_tables(ModelRows& rows);

}  // namespace ivtrace::query
