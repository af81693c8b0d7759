// SQLite's side of a table: a read-only virtual table that needs no CREATE.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <string>

#include "query/table.h"

namespace ivtrace::query {

/// What a table gives SQLite, and what goes wrong meanwhile. One for each table; outlives the database.
struct ModuleContext {
  Table* table = nullptr;
  std::uint64_t* rows = nullptr;  ///< counts the rows that SQLite gets to look at
  Status* failure = nullptr;      ///< the last error of a table: SQLite keeps only its text
};

/// Makes the table known by its name. SQLITE_OK, or SQLite's error.
int register_module(sqlite3* database, ModuleContext& context);

}  // namespace ivtrace::query
