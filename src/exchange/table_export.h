// The tables of a run as files: one for each, of lines for programs.
#pragma once

#include "exchange/job.h"

namespace ivtrace::exchange {

/// TABLE.jsonl for every table of docs/tables.md: the lines that `ivtrace query --json` prints of the same
/// rows.
Status write_json(const Job& job);
/// TABLE.csv, as `ivtrace query --csv` prints it.
Status write_csv(const Job& job);

}  // namespace ivtrace::exchange
