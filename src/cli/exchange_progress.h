// How far an export or import has come, as one line of a terminal.
#pragma once

#include <chrono>

#include "cli/status_line.h"
#include "exchange/job.h"

namespace ivtrace::cli {

/// Borrows the output. One thread.
class ExchangeProgress : public exchange::Progress {
 public:
  ExchangeProgress(Output& terminal, query::StopFlag stop) : Progress(stop), line_(terminal) {}

  void at(const char* what, double done) override;
  /// Takes the line away.
  void clear() { line_.clear(); }

 private:
  StatusLine line_;
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace ivtrace::cli
