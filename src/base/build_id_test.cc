#include "base/build_id.h"

#include <gtest/gtest.h>

namespace ivtrace {
namespace {

TEST(BuildId, EveryProgramOfOursHasOne) {
  // SHA-1, as all our programs are linked.
  EXPECT_EQ(build_id().size(), 40u);
  EXPECT_EQ(build_id().find_first_not_of("0123456789abcdef"), std::string::npos);
}

}  // namespace
}  // namespace ivtrace
