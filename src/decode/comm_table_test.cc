#include "decode/comm_table.h"

#include <gtest/gtest.h>

namespace ivtrace::decode {
namespace {

TEST(CommTable, LabelsAreAlignedAndSafe) {
  CommTable table;
  table.set(42, "bash");
  table.set(7, std::string_view("\x1b[2J\xff\0hidden", 12));
  EXPECT_EQ(table.label(42), "            bash-42     ");
  EXPECT_EQ(table.label(7), "     \\x1b[2J\\xff-7      ");
  EXPECT_EQ(table.comm(7), "\x1b[2J\xff");
  EXPECT_EQ(table.label(0), "          <idle>-0      ");
  EXPECT_EQ(table.label(9), "           <...>-9      ");
}

TEST(CommTable, LongestPossibleLabelFits) {
  CommTable table;
  const std::string worst(40, '\x01');
  table.set(INT32_MIN, worst);
  std::string expected;
  for (int i = 0; i < 16; ++i) expected += "\\x01";
  EXPECT_EQ(table.label(INT32_MIN), expected + "--2147483648");
  EXPECT_EQ(table.comm(INT32_MIN).size(), 16u);
}

TEST(CommTable, LaterNameReplacesEarlier) {
  CommTable table;
  table.set(5, "fork");
  table.set(5, "exec");
  EXPECT_EQ(table.comm(5), "exec");
  table.set(0, "swapper/1");
  EXPECT_EQ(table.comm(0), "<idle>");
}

TEST(CommTable, LoadsSnapshotsAndSkipsNonsense) {
  CommTable table;
  table.load("1 systemd\n\nnonsense\n12\n13 \n99999999999999 x\n-4 y\n77 with blank\n78 cut");
  EXPECT_EQ(table.comm(1), "systemd");
  EXPECT_EQ(table.comm(13), "");
  EXPECT_EQ(table.comm(77), "with blank");
  EXPECT_EQ(table.comm(78), "cut");
  EXPECT_EQ(table.comm(12), "<...>");
}

TEST(CommTable, LyingMachineCannotFillTheMemory) {
  CommTable table;
  for (std::uint32_t pid = 1; pid < 3 * CommTable::kMaxThreads; ++pid) {
    table.set(static_cast<std::int32_t>(pid * 2654435761u), "x");
    ASSERT_LE(table.size(), CommTable::kMaxThreads);
  }
  EXPECT_EQ(table.comm(0), "<idle>");
}

}  // namespace
}  // namespace ivtrace::decode
