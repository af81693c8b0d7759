#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace ivtrace {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "ivtrace: broken invariant: %s at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace ivtrace
