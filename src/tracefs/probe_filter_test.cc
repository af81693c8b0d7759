#include "tracefs/probe_filter.h"

#include <gtest/gtest.h>

namespace ivtrace::tracefs {
namespace {

TEST(ProbeFilter, leaves_the_recorder_out_but_not_the_interrupts_that_hit_it) {
  EXPECT_EQ(probe_filter("", "ivtrace-agent"), "COMM != \"ivtrace-agent\" || common_flags & 88");
  EXPECT_EQ(probe_filter("a == 1 || b == 2", "ivtrace"),
            "(a == 1 || b == 2) && (COMM != \"ivtrace\" || common_flags & 88)");
}

TEST(ProbeFilter, one_that_speaks_of_COMM_is_taken_as_it_is) {
  EXPECT_EQ(probe_filter("COMM == \"ivtrace\"", "ivtrace"), "COMM == \"ivtrace\"");
}

TEST(ProbeFilter, a_name_that_would_be_a_pattern_or_end_the_quotes_is_left_alone) {
  for (const char* comm : {"", "a*", "a\"b", "a\\"}) {
    EXPECT_EQ(probe_filter("", comm), "") << comm;
    EXPECT_EQ(probe_filter("x", comm), "x") << comm;
  }
}

TEST(ProbeFilter, a_threads_name_is_at_most_15_bytes) {
  EXPECT_FALSE(own_comm().empty());
  EXPECT_LE(own_comm().size(), 15u);
}

}  // namespace
}  // namespace ivtrace::tracefs
