// Used while building only: prints the declared command line for tools/manual.
#include <cstdio>

#include "cli/cli.h"

int main() {
  std::fputs(ivtrace::cli::declaration().c_str(), stdout);
  return std::fflush(stdout) == 0 ? 0 : 1;
}
