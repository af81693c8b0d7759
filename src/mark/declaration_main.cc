// Used while building only: prints the declared command line for tools/manual.
#include <cstdio>

#include "mark/options.h"

int main() {
  std::fputs(ivtrace::mark::declaration().c_str(), stdout);
  return std::fflush(stdout) == 0 ? 0 : 1;
}
