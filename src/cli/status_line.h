// One line of a terminal that is written anew while something is being done.
#pragma once

#include <string>

#include "cli/output.h"

namespace ivtrace::cli {

/// Writes nothing where no terminal is. Borrows the output. One thread.
class StatusLine {
 public:
  explicit StatusLine(Output& terminal) : terminal_(terminal), is_terminal_(terminal.is_terminal()) {}
  ~StatusLine() { clear(); }
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  void say(const std::string& line);
  /// Takes the line away.
  void clear();

 private:
  Output& terminal_;
  bool is_terminal_;
  std::string shown_;
};

}  // namespace ivtrace::cli
