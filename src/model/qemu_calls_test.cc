#include "model/qemu_calls.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "model/io_test_support.h"

namespace ivtrace::model {
namespace {

using Lines = std::vector<std::string>;
constexpr std::uint32_t kRead = 0, kPread64 = 17, kFutex = 202;  // x86-64's numbers

/// The calls as text, in the order of their ends: "vm1 500 pread64 10-20 = 4096".
Lines calls_of(MadeIo& made) {
  const run::RunReader run = made.open();
  auto events = *merge::RunEvents::open(run, {});
  ThreadOwners owners(run, events.formats(0));
  Lines lines;
  QemuCalls calls(run, events, owners, [&](const QemuCall& call) {
    lines.push_back(fmt::format("{} {} {} {}-{} = {}", run.machines()[call.machine].info.name,
                                call.thread.value, call_name(call.call), call.from.value - kIoStart,
                                call.until.value - kIoStart, call.result));
  });
  EXPECT_TRUE(calls.recorded());
  merge::MergedEvent event;
  while (events.next(event)) calls.look(event);
  return lines;
}

void call(MadeIo& made, std::uint64_t at, MadeIoEvent id, std::int32_t thread, std::uint32_t number,
          std::int64_t result = 0) {
  made.event("host", at, id, number, static_cast<std::uint64_t>(result), 0, "", thread);
}

TEST(QemuCalls, AreToldByTheEventsNameOrByTheCallsNumber) {
  MadeIo made;
  call(made, 10, kEnterId, kQemu1, kPread64);
  call(made, 12, kRawEnterId, kQemu2, kRead);
  call(made, 15, kEnterId, 7, kPread64);  // not QEMU's
  call(made, 20, kExitCallId, kQemu1, kPread64, 4096);
  call(made, 22, kExitCallId, 7, kPread64, 1);
  call(made, 30, kRawExitId, kQemu2, kRead, -11);
  call(made, 40, kRawEnterId, kQemu2, kFutex);  // no I/O
  call(made, 50, kRawExitId, kQemu2, kFutex);
  EXPECT_EQ(calls_of(made), (Lines{"vm1 500 pread64 10-20 = 4096", "vm2 600 read 12-30 = -11"}));
}

TEST(QemuCalls, WhatWasNotSeenWholeIsLeftOut) {
  MadeIo made;
  call(made, 5, kExitCallId, kQemu1, kPread64, 1);  // began before the run
  call(made, 10, kEnterId, kQemu1, kPread64);
  call(made, 20, kRawExitId, kQemu1, kRead, 1);  // another call's end
  call(made, 25, kExitCallId, kQemu1, kPread64, 1);
  call(made, 30, kEnterId, kQemu1, kPread64);
  made.lose();
  call(made, 90, kExitCallId, kQemu1, kPread64, 1);
  EXPECT_EQ(calls_of(made), Lines{});
}

}  // namespace
}  // namespace ivtrace::model
