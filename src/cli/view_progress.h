// How far the reading of a run has come, as one line of a terminal that is written anew.
#pragma once

#include <string>

#include "cli/output.h"
#include "view/session.h"

namespace ivtrace::cli {

/// "reading the run: 40 %", "trying the patterns", "2 findings".
std::string view_progress_line(const timeline::Progress& progress, const patterns::Diagnosis* diagnosis);

/// Writes nothing where no terminal is. Borrows both. One thread.
class ViewProgress {
 public:
  ViewProgress(const view::Session& session, Output& terminal);
  ~ViewProgress();  ///< clear()
  ViewProgress(const ViewProgress&) = delete;
  ViewProgress& operator=(const ViewProgress&) = delete;

  /// All is read, and the patterns have been tried.
  bool is_ready() const;
  void show();
  void say(const std::string& line);
  /// Takes the line away.
  void clear();
  /// Until the next look.
  static void wait();

 private:
  const view::Session& session_;
  Output& terminal_;
  bool is_terminal_;
  std::string shown_;
};

}  // namespace ivtrace::cli
