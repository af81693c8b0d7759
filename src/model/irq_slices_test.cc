#include "model/irq_slices.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "model/io_test_support.h"

namespace ivtrace::model {
namespace {

using Lines = std::vector<std::string>;

/// The slices as text, in the order of their ends: "vm1/0 irq 24 virtio0: 10-20".
Lines slices_of(MadeIo& made) {
  const run::RunReader run = made.open();
  auto events = *merge::RunEvents::open(run, {});
  Lines lines;
  const IrqSlices* all = nullptr;
  IrqSlices slices(run, events, [&](const IrqSlice& slice) {
    lines.push_back(fmt::format("{}/{} {} {} {}: {}-{}", run.machines()[slice.machine].info.name,
                                slice.cpu.value, slice.soft ? "softirq" : "irq", slice.number,
                                all->names()[slice.name], slice.from.value - kIoStart,
                                slice.until.value - kIoStart));
  });
  all = &slices;
  EXPECT_TRUE(slices.recorded());
  merge::MergedEvent event;
  while (events.next(event)) slices.look(event);
  return lines;
}

void irq(MadeIo& made, const std::string& machine, std::uint64_t at, MadeIoEvent id, std::uint32_t number,
         const std::string& name = "") {
  made.event(machine, at, id, number, 0, 0, "", 7, name);
}

TEST(IrqSlices, HandlersNestOnTheirCpu) {
  MadeIo made;
  irq(made, "host", 10, kSoftEntryId, 3);
  irq(made, "host", 12, kIrqEntryId, 24, "virtio0");
  irq(made, "host", 15, kIrqExitId, 24);
  irq(made, "host", 15, kIrqEntryId, 24, "shares-24");
  irq(made, "host", 16, kIrqExitId, 24);
  irq(made, "host", 20, kSoftExitId, 3);
  irq(made, "host/1", 13, kIrqEntryId, 24, "virtio0");
  irq(made, "host/1", 30, kIrqExitId, 24);
  irq(made, "vm1", 40, kIrqEntryId, 5, "disk");
  irq(made, "vm1", 45, kIrqExitId, 5);
  EXPECT_EQ(slices_of(made), (Lines{"host/0 irq 24 virtio0: 12-15", "host/0 irq 24 shares-24: 15-16",
                                    "host/0 softirq 3 NET_RX: 10-20", "host/1 irq 24 virtio0: 13-30",
                                    "vm1/0 irq 5 disk: 40-45"}));
}

TEST(IrqSlices, WhatWasNotSeenWholeIsLeftOut) {
  MadeIo made;
  irq(made, "host", 10, kIrqExitId, 24);    // began before the run
  irq(made, "host", 20, kSoftEntryId, 99);  // no vector of that number has a name
  irq(made, "host", 22, kIrqEntryId, 25, "unseen");
  irq(made, "host", 30, kSoftExitId, 99);
  irq(made, "host", 40, kIrqEntryId, 24, "open");
  made.lose();
  irq(made, "host", 90, kIrqExitId, 24);
  EXPECT_EQ(slices_of(made), (Lines{"host/0 softirq 99 : 20-30"}));
}

}  // namespace
}  // namespace ivtrace::model
