#include "model/order_ties.h"

#include <gtest/gtest.h>

#include "model/io_path_test_support.h"

namespace ivtrace::model {
namespace {

/// Two guests whose images have no known place.
struct Unmapped : MadeIo {
  explicit Unmapped(const std::string& format = "raw") {
    clear_disks();
    disk("vm1", "d0", "none", "", format);
    disk("vm2", "d0", "none", "", format);
  }
};

/// One pread of 4 KiB that takes 30 ticks, with its host request at some place.
void read_call(MadeIo& made, std::uint64_t at, std::uint64_t offset, std::uint64_t place) {
  made.call(at, kEnterId, offset);
  made.host(at + 2, kQueueId, place);
  made.host(at + 5, kIssueId, place);
  made.host(at + 25, kCompleteId, place);
  made.call(at + 30, kExitCallId, 4096);
}

TEST(OrderTies, ARequestIsTiedToTheOneCallThatCanHaveServedIt) {
  for (const std::string format : {"raw", "qcow2"}) {
    Unmapped made(format);
    made.guest(10, kQueueId, 100);
    made.guest(13, kIssueId, 100);
    read_call(made, 20, 51200, 7000);
    made.event("vm1", 60, kIrqEntryId, 0, 0, 0);
    made.guest(63, kCompleteId, 100);
    const auto followed = follow(made);
    ASSERT_EQ(followed.requests.size(), 1u);
    const IoRequest& request = followed.requests.front();
    EXPECT_EQ(text_of(request),
              "order guest_queue 10-13 to_qemu 13-20 qemu_to_host 20-22 host_queue 22-25 device 25-45 "
              "to_guest 45-60 guest_completion 60-63");
    EXPECT_EQ(request.host_requests, 1u);
    EXPECT_EQ(request.host_device, kHostDevice);
    EXPECT_EQ(request.host_bytes, 4096u);
    EXPECT_DOUBLE_EQ(request.load.owners.at({1, "", IoDirection::kRead}).request_ticks, 20);
  }
}

TEST(OrderTies, ACallWithoutHostRequestsIsAPhaseOfItsOwn) {
  Unmapped made;
  made.guest(13, kIssueId, 100);
  made.call(20, kEnterId, 51200);
  made.call(50, kExitCallId, 4096);
  made.guest(63, kCompleteId, 100);
  made.host(900, kIssueId, 0);
  const IoRequest request = follow(made).requests.at(0);
  EXPECT_EQ(text_of(request), "order to_qemu 13-20 qemu_call 20-50 return 50-63");
  EXPECT_EQ(request.host_requests, 0u);
}

TEST(OrderTies, OnARawImageTheOffsetTellsRequestsApart) {
  Unmapped made;
  made.guest(10, kIssueId, 100);
  made.guest(11, kIssueId, 200);
  read_call(made, 20, 102400, 7000);  // the second one's
  made.guest(60, kCompleteId, 200);
  read_call(made, 70, 51200, 7100);
  made.guest(110, kCompleteId, 100);
  const auto followed = follow(made);
  EXPECT_EQ(text_of(followed.requests.at(0)),
            "order to_qemu 11-20 qemu_to_host 20-22 host_queue 22-25 device 25-45 return 45-60");
  EXPECT_EQ(followed.requests.at(1).host_queued.value - kIoStart, 72u);
}

TEST(OrderTies, RequestsThatQemuJoinedAreAllServedByTheCall) {
  Unmapped made;
  made.guest(10, kIssueId, 100);
  made.guest(11, kIssueId, 108);
  made.call(20, kEnterId, 51200);
  made.host(22, kQueueId, 7000, 16);
  made.host(25, kIssueId, 7000, 16);
  made.host(45, kCompleteId, 7000, 16);
  made.call(50, kExitCallId, 8192);
  made.guest(60, kCompleteId, 100);
  made.guest(61, kCompleteId, 108);
  const auto followed = follow(made);
  ASSERT_EQ(followed.requests.size(), 2u);
  for (const IoRequest& request : followed.requests) {
    EXPECT_EQ(request.tie, IoTie::kOrder);
    EXPECT_EQ(request.host_requests, 1u);
    EXPECT_EQ(request.host_bytes, 4096u);
  }
}

TEST(OrderTies, WhateverLeavesAChoiceIsNotTied) {
  const auto ties = [](MadeIo& made) {
    std::string text;
    for (const IoRequest& request : follow(made).requests) text += std::string(to_string(request.tie)) + " ";
    return text;
  };
  Unmapped two("qcow2");  // two requests fit the call
  two.guest(10, kIssueId, 100);
  two.guest(11, kIssueId, 200);
  read_call(two, 20, 0, 7000);
  two.guest(60, kCompleteId, 100);
  two.guest(61, kCompleteId, 200);
  EXPECT_EQ(ties(two), "untied untied ");
  Unmapped calls("qcow2");  // two calls fit the request
  calls.guest(10, kIssueId, 100);
  read_call(calls, 20, 0, 7000);
  read_call(calls, 60, 65536, 7100);
  calls.guest(100, kCompleteId, 100);
  EXPECT_EQ(ties(calls), "untied ");
  Unmapped elsewhere;  // another place of the image
  elsewhere.guest(10, kIssueId, 100);
  read_call(elsewhere, 20, 4096, 7000);
  elsewhere.guest(100, kCompleteId, 100);
  EXPECT_EQ(ties(elsewhere), "untied ");
  Unmapped devices;  // the same sectors of two of its devices
  devices.guest(10, kIssueId, 100);
  devices.guest(11, kIssueId, 100, 8, "R", kGuestDevice | 16);
  read_call(devices, 20, 51200, 7000);
  devices.guest(60, kCompleteId, 100);
  devices.guest(61, kCompleteId, 100, 8, "R", kGuestDevice | 16);
  EXPECT_EQ(ties(devices), "untied untied ");
  Unmapped before;  // the call began before the request
  before.call(5, kEnterId, 51200);
  before.guest(10, kIssueId, 100);
  before.call(50, kExitCallId, 4096);
  before.guest(60, kCompleteId, 100);
  before.host(900, kIssueId, 0);
  EXPECT_EQ(ties(before), "untied ");
  Unmapped after;  // or ended behind it, or failed, or moved less, or is another guest's
  after.guest(10, kIssueId, 100);
  after.call(20, kEnterId, 51200);
  after.guest(60, kCompleteId, 100);
  after.call(70, kExitCallId, 4096);
  after.guest(110, kIssueId, 100);
  after.call(120, kEnterId, 51200);
  after.call(130, kExitCallId, static_cast<std::uint64_t>(-11));
  after.guest(160, kCompleteId, 100);
  after.guest(210, kIssueId, 100);
  after.call(220, kEnterId, 51200);
  after.call(230, kExitCallId, 512);
  after.guest(260, kCompleteId, 100);
  after.guest(310, kIssueId, 100);
  after.call(320, kEnterId, 51200, kQemu2);
  after.call(330, kExitCallId, 4096, kQemu2);
  after.guest(360, kCompleteId, 100);
  after.host(900, kIssueId, 0);
  EXPECT_EQ(ties(after), "untied untied untied untied ");
  Unmapped write;
  write.guest(10, kIssueId, 100, 8, "W");
  read_call(write, 20, 51200, 7000);
  write.guest(60, kCompleteId, 100, 8, "W");
  EXPECT_EQ(ties(write), "untied ");
}

TEST(OrderTies, OneHandedOverReadIsKnownByItsHostRequests) {
  for (const std::uint64_t handed : {1u, 2u}) {
    Unmapped made;
    made.guest(10, kIssueId, 100);
    made.call(20, kSubmitId, handed);
    made.host(22, kQueueId, 7000);
    made.call(24, kExitSubmitId, handed);
    made.host(25, kIssueId, 7000);  // after the call has returned
    made.host(45, kCompleteId, 7000);
    made.guest(60, kCompleteId, 100);
    EXPECT_EQ(follow(made).requests.at(0).tie, handed == 1 ? IoTie::kOrder : IoTie::kUntied);
  }
  Unmapped size;
  size.guest(10, kIssueId, 100, 16);
  size.call(20, kSubmitId, 1);
  size.host(22, kQueueId, 7000);
  size.host(23, kIssueId, 7000);
  size.call(24, kExitSubmitId, 1);
  size.host(45, kCompleteId, 7000);
  size.guest(60, kCompleteId, 100, 16);
  EXPECT_EQ(follow(size).requests.at(0).tie, IoTie::kUntied);
}

TEST(OrderTies, WhatLiesInAnImageIsTiedByAddressOrNotAtAll) {
  MadeIo made;  // vm1's image is known
  made.guest(10, kIssueId, 100);
  read_call(made, 20, 51200, 300);  // another place of it, by the same thread
  made.guest(60, kCompleteId, 100);
  made.guest(70, kIssueId, 100);
  read_call(made, 80, 51200, 100);
  made.guest(120, kCompleteId, 100);
  const auto followed = follow(made);
  EXPECT_EQ(followed.requests.at(0).tie, IoTie::kUntied);
  EXPECT_EQ(followed.requests.at(1).tie, IoTie::kAddress);
}

TEST(OrderTies, ManyCallsAndManyRequestsAreBounded) {
  Unmapped many("qcow2");
  for (std::uint64_t i = 0; i < OrderTies::kMaxCandidates + 1; ++i) many.guest(10 + i, kIssueId, 100 + 8 * i);
  read_call(many, 1000, 0, 7000);
  many.guest(2000, kCompleteId, 100);
  EXPECT_EQ(follow(many).requests.at(0).tie, IoTie::kUntied);
  Unmapped calls("qcow2");
  calls.guest(10, kIssueId, 100);
  read_call(calls, 20, 0, 7000);
  for (std::uint64_t i = 0; i < OrderTies::kMaxCalls; ++i) {
    calls.call(100 + 2 * i, kEnterId, 0);
    calls.call(101 + 2 * i, kExitCallId, 512);
  }
  calls.guest(2000, kCompleteId, 100);
  EXPECT_EQ(follow(calls).requests.at(0).tie, IoTie::kUntied);  // the one that fits is not kept any more
}

TEST(OrderTies, WhatWasOpenWhileHostEventsWereLostIsNotTied) {
  Unmapped made;
  made.guest(10, kIssueId, 100);
  made.call(20, kEnterId, 51200);
  made.lose();
  made.call(50, kExitCallId, 4096);
  made.guest(63, kCompleteId, 100);
  made.guest(110, kIssueId, 100);
  read_call(made, 120, 51200, 7000);
  made.guest(160, kCompleteId, 100);
  const auto followed = follow(made);
  EXPECT_EQ(followed.requests.at(0).tie, IoTie::kLost);
  EXPECT_EQ(followed.requests.at(1).tie, IoTie::kOrder);
}

}  // namespace
}  // namespace ivtrace::model
