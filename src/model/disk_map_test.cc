#include "model/disk_map.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "model/io_test_support.h"

namespace ivtrace::model {
namespace {

/// What of which guest's disks lies in sectors of the host's device: "vm1 0+8", by machine and place.
std::vector<std::string> parts_in(MadeIo& made, std::uint64_t first, std::uint32_t count) {
  const run::RunReader run = made.open();
  std::vector<DiskPart> parts;
  DiskMap(run).find({kHostDevice, first, count}, parts);
  std::vector<std::string> texts;
  for (const DiskPart& part : parts) {
    texts.push_back(fmt::format("{} {}+{}", run.machines()[part.disk.machine].info.name, part.range.first,
                                part.range.count));
  }
  return texts;
}

TEST(DiskMap, AnExtentThatGrewWhileRecordingIsOne) {
  MadeIo made;
  made.clear_disks();
  made.disk("vm1", "d0", "none", "0 4096 254:0 8192\n16384 4096 254:0 40960\n");
  made.mapped_again("vm1", "d0", "0 8192 254:0 8192\n12288 8192 254:0 36864\n");
  EXPECT_EQ(parts_in(made, 0, 200), (std::vector<std::string>{"vm1 0+16", "vm1 24+16"}));
}

TEST(DiskMap, ExtentsThatMeetAreOne) {
  MadeIo made;
  made.clear_disks();
  made.disk("vm1", "d0", "none", "0 4096 254:0 8192\n");
  made.mapped_again("vm1", "d0", "4096 4096 254:0 12288\n");
  EXPECT_EQ(parts_in(made, 0, 200), (std::vector<std::string>{"vm1 0+16"}));
}

TEST(DiskMap, APlaceThatWasGivenToOtherBytesBelongsToBoth) {
  MadeIo made;
  made.clear_disks();
  made.disk("vm1", "d0", "none", "0 8192 254:0 8192\n");
  made.disk("vm2", "d0", "none", "0 4096 254:0 8192\n");
  made.mapped_again("vm1", "d0", "65536 4096 254:0 12288\n");
  EXPECT_EQ(parts_in(made, 0, 200), (std::vector<std::string>{"vm1 0+16", "vm2 0+8", "vm1 128+8"}));
}

TEST(DiskMap, WhatTheRunSaysWronglyIsToldAndLeftOut) {
  MadeIo made;
  made.clear_disks();
  made.disk("vm1", "d0", "none",
            "0 4096 254:0 8192\nnonsense\n1 2 3\n0 99999999999999999999 254:0 0\n4096 4096 254:0 4096\n");
  const run::RunReader run = made.open();
  const DiskMap map(run);
  ASSERT_EQ(map.problems().size(), 1u);
  std::vector<DiskPart> parts;
  map.find({kHostDevice, 8, 16}, parts);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].range.first, 8u);
  EXPECT_EQ(parts[0].range.count, 8u);
  EXPECT_EQ(parts[1].range.first, 0u);
  parts.clear();
  map.find({kHostDevice, 20, 2}, parts);
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].range.first, 4u);
  EXPECT_EQ(parts[0].range.count, 2u);
  parts.clear();
  map.find({kHostDevice, 24, 100}, parts);
  map.find({kHostDevice + 1, 8, 16}, parts);
  EXPECT_TRUE(parts.empty());
}

TEST(DiskMap, TellsWhatTheRecorderCouldNotMapInTheEnd) {
  MadeIo made;
  made.clear_disks();
  made.disk("vm1", "d0", "none", "");
  made.gap("vm1", "d0", "its storage does not answer");
  const run::RunReader run = made.open();
  EXPECT_EQ(DiskMap(run).problems(), (std::vector<std::string>{"vm1 disk d0: its storage does not answer"}));
}

}  // namespace
}  // namespace ivtrace::model
