// Used while building only: prints the declared command line for tools/manual.
#include <cstdio>

#include "agent/options.h"

int main() {
  std::fputs(ivtrace::agent::declaration().c_str(), stdout);
  return std::fflush(stdout) == 0 ? 0 : 1;
}
