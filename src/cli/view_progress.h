// How far the reading of a run has come, as one line of a terminal that is written anew.
#pragma once

#include <string>

#include "cli/status_line.h"
#include "view/session.h"

namespace ivtrace::cli {

/// "reading the run: 40 %", "trying the patterns", "2 findings".
std::string view_progress_line(const timeline::Progress& progress, const patterns::Diagnosis* diagnosis);

/// Borrows both. One thread.
class ViewProgress {
 public:
  ViewProgress(const view::Session& session, Output& terminal) : session_(session), line_(terminal) {}

  /// All is read, and the patterns have been tried.
  bool is_ready() const;
  void show();
  void say(const std::string& line) { line_.say(line); }
  /// Takes the line away.
  void clear() { line_.clear(); }
  /// Until the next look.
  static void wait();

 private:
  const view::Session& session_;
  StatusLine line_;
};

}  // namespace ivtrace::cli
