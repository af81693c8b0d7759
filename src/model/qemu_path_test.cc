// Guests' requests with QEMU's own boundaries, as its probe pack tells them.
#include <gtest/gtest.h>

#include "model/io_path_test_support.h"
#include "model/qemu_probes_test_support.h"

namespace ivtrace::model {
namespace {

constexpr std::uint64_t kA = 0xa000, kB = 0xb000, kC = 0xc000;  // addresses of requests
const std::string kPlaced = "0 1048576 254:0 10485760\n";

TEST(QemuPath, ARequestIsCutWhereQemuHadIt) {
  MadeProbedIo made;
  made.guest(10, kQueueId, 100);
  made.guest(13, kIssueId, 100);
  made.enter(17, kA, 100);
  made.event("host", 20, kEnterId, 0, 0, 0, "", kQemu1);
  made.host(22, kQueueId, 100);
  made.host(25, kIssueId, 100);
  made.host(75, kCompleteId, 100);
  made.push(80, kA);
  made.notify(84);
  made.event("vm1", 90, kIrqEntryId, 0, 0, 0);
  made.guest(93, kCompleteId, 100);
  const auto followed = follow(made);
  EXPECT_EQ(text_of(followed.requests.at(0)),
            "address guest_queue 10-13 virtqueue 13-17 qemu_block 17-20 qemu_to_host 20-22 host_queue 22-25 "
            "device 25-75 qemu_completion 75-80 qemu_notify 80-84 interrupt 84-90 guest_completion 90-93");
  const IoRequest& request = followed.requests[0];
  ASSERT_TRUE(request.qemu && request.qemu->pushed && request.qemu->notified);
  EXPECT_EQ(request.qemu->entered.value - kIoStart, 17u);
  EXPECT_EQ(request.qemu->pushed->value - kIoStart, 80u);
  EXPECT_EQ(request.qemu->notified->value - kIoStart, 84u);
}

TEST(QemuPath, EachBoundaryMayBeMissing) {
  MadeProbedIo made;
  made.guest(10, kIssueId, 100);
  made.enter(17, kA, 100);
  made.host(25, kIssueId, 100);
  made.host(75, kCompleteId, 100);
  made.guest(93, kCompleteId, 100);  // not pushed
  made.guest(110, kIssueId, 200);
  made.host(125, kIssueId, 200);  // not entered
  made.host(175, kCompleteId, 200);
  made.push(180, kB);
  made.notify(184);
  made.guest(193, kCompleteId, 200);
  made.guest(210, kIssueId, 300);
  made.enter(217, kC, 300);
  made.host(225, kIssueId, 300);
  made.host(275, kCompleteId, 300);
  made.push(280, kC);
  made.event("vm1", 290, kIrqEntryId, 0, 0, 0);  // not notified
  made.guest(293, kCompleteId, 300);
  const auto followed = follow(made);
  ASSERT_EQ(followed.requests.size(), 3u);
  EXPECT_EQ(text_of(followed.requests[0]), "address virtqueue 10-17 to_host 17-25 device 25-75 return 75-93");
  EXPECT_EQ(text_of(followed.requests[1]), "address to_host 110-125 device 125-175 return 175-193");
  EXPECT_EQ(text_of(followed.requests[2]),
            "address virtqueue 210-217 to_host 217-225 device 225-275 qemu_completion 275-280 to_guest "
            "280-290 guest_completion 290-293");
}

TEST(QemuPath, AGuestThatLooksByItselfDoesNotWaitForTheNotification) {
  MadeProbedIo made;
  made.guest(10, kIssueId, 100);
  made.enter(17, kA, 100);
  made.host(25, kIssueId, 100);
  made.event("vm1", 30, kIrqEntryId, 0, 0, 0);  // for something else
  made.host(75, kCompleteId, 100);
  made.push(80, kA);
  made.notify(84);
  made.guest(93, kCompleteId, 100);
  made.event("vm1", 95, kIrqExitId, 0, 0, 0);
  made.guest(110, kIssueId, 100);
  made.enter(117, kA, 100);
  made.host(125, kIssueId, 100);
  made.host(175, kCompleteId, 100);
  made.push(180, kA);
  made.guest(181, kCompleteId, 100);
  made.notify(184);
  const auto followed = follow(made);
  ASSERT_EQ(followed.requests.size(), 2u);
  EXPECT_EQ(text_of(followed.requests[0]),
            "address virtqueue 10-17 to_host 17-25 device 25-75 qemu_completion 75-80 return 80-93");
  EXPECT_EQ(
      text_of(followed.requests[1]),
      "address virtqueue 110-117 to_host 117-125 device 125-175 qemu_completion 175-180 return 180-181");
}

TEST(QemuPath, WhatTheProbesTellTiesARequestWithoutAPlace) {
  MadeProbedIo made;
  made.clear_disks();
  made.disk("vm1", "d0", "none", "");
  made.guest(10, kIssueId, 100);
  made.guest(11, kIssueId, 0, 0, "FF");
  made.enter(17, kA, 100);
  made.enter_flush(18, kB);
  made.host(20, kIssueId, 900);
  made.push(80, kA);
  made.push(81, kB, 0);
  made.notify(84);
  made.guest(93, kCompleteId, 100);
  made.guest(94, kCompleteId, 0, 0, "FF");
  const auto followed = follow(made);
  ASSERT_EQ(followed.requests.size(), 2u);
  EXPECT_EQ(text_of(followed.requests[0]),
            "qemu virtqueue 10-17 qemu_request 17-80 qemu_notify 80-84 return 84-93");
  EXPECT_EQ(text_of(followed.requests[1]),
            "qemu virtqueue 11-18 qemu_request 18-81 qemu_notify 81-84 return 84-94");
}

// Without the probes both requests fit the call.
TEST(QemuPath, ACallIsForARequestThatQemuHas) {
  for (const bool probed : {false, true}) {
    MadeProbedIo made;
    made.clear_disks();
    made.disk("vm1", "d0", "none", "", "qcow2");
    made.guest(10, kIssueId, 100);
    made.guest(11, kIssueId, 200);
    if (probed) made.enter(17, kA, 100);
    made.call(20, kEnterId, 123);
    made.event("host", 22, kQueueId, kHostDevice, 77, 8, "R", kQemu1);
    made.event("host", 25, kIssueId, kHostDevice, 77, 8, "R", kQemu1);
    made.event("host", 45, kCompleteId, kHostDevice, 77, 8, "R", kQemu1);
    made.call(50, kExitCallId, 4096);
    if (probed) made.push(60, kA);
    made.guest(63, kCompleteId, 100);
    if (probed) made.enter(65, kB, 200);
    if (probed) made.push(90, kB);
    made.guest(93, kCompleteId, 200);
    const auto followed = follow(made);
    ASSERT_EQ(followed.requests.size(), 2u);
    EXPECT_EQ(text_of(followed.requests[0]),
              probed ? "qemu virtqueue 10-17 qemu_block 17-20 qemu_to_host 20-22 host_queue 22-25 device "
                       "25-45 qemu_completion 45-60 return 60-63"
                     : "untied unattributed 10-63");
    EXPECT_EQ(text_of(followed.requests[1]),
              probed ? "qemu virtqueue 11-65 qemu_request 65-90 return 90-93" : "untied unattributed 11-93");
  }
}

TEST(QemuPath, JoinedRequestsFitACallAsOne) {
  for (const bool probed : {false, true}) {
    MadeProbedIo made;
    made.clear_disks();
    made.disk("vm1", "d0", "none", "", "qcow2");
    made.guest(10, kIssueId, 100);
    made.guest(11, kIssueId, 108);
    made.guest(12, kIssueId, 300, 16);  // as long as both
    if (probed) made.enter(17, kA, 100, 16);
    made.call(20, kEnterId, 123);
    made.event("host", 22, kQueueId, kHostDevice, 77, 16, "R", kQemu1);
    made.event("host", 25, kIssueId, kHostDevice, 77, 16, "R", kQemu1);
    made.event("host", 45, kCompleteId, kHostDevice, 77, 16, "R", kQemu1);
    made.call(50, kExitCallId, 8192);
    if (probed) made.push(60, kA);
    if (probed) made.push(61, kB);
    made.guest(63, kCompleteId, 100);
    made.guest(64, kCompleteId, 108);
    made.guest(65, kCompleteId, 300, 16);
    const auto followed = follow(made);
    ASSERT_EQ(followed.requests.size(), 3u);
    EXPECT_EQ(text_of(followed.requests[1]),
              probed ? "qemu virtqueue 11-17 qemu_block 17-20 qemu_to_host 20-22 host_queue 22-25 device "
                       "25-45 qemu_completion 45-61 return 61-64"
                     : "untied unattributed 11-64");
    EXPECT_EQ(followed.requests[1].host_bytes, probed ? 8u * 512 : 0u);
    // Without the probes it is the only one that fits: they show that it is not.
    EXPECT_EQ(followed.requests[2].tie, probed ? IoTie::kUntied : IoTie::kOrder);
  }
}

TEST(QemuPath, WhatTheHostDidBeforeQemuHadTheRequestIsForSomebodyElse) {
  for (const bool cached : {false, true}) {
    MadeProbedIo made;
    made.clear_disks();
    made.disk("vm1", "d0", cached ? "writeback" : "none", kPlaced);
    made.guest(10, kIssueId, 100);
    made.host(12, kIssueId, 100, 8, "R", 999);
    made.enter(17, kA, 100);
    if (!cached) made.host(25, kIssueId, 100);
    made.host(30, kCompleteId, 100);
    if (!cached) made.host(75, kCompleteId, 100);
    made.push(80, kA);
    made.guest(93, kCompleteId, 100);
    // A page of the host's cache that was being filled may have served it.
    EXPECT_EQ(text_of(follow(made).requests.at(0)),
              cached
                  ? "address virtqueue 10-17 device 17-30 qemu_completion 30-80 return 80-93"
                  : "address virtqueue 10-17 to_host 17-25 device 25-75 qemu_completion 75-80 return 80-93");
  }
}

TEST(QemuPath, JoinedRequestsEnterAsOneAndArePushedInTheOrderOfTheirPlaces) {
  MadeProbedIo made;
  made.guest(10, kIssueId, 108);
  made.guest(11, kIssueId, 100);
  made.guest(12, kIssueId, 116, 16);
  made.enter(17, kA, 100, 32);
  made.host(25, kIssueId, 100, 32);
  made.host(75, kCompleteId, 100, 32);
  made.push(80, kA);
  made.notify(81);
  made.push(82, kC);
  made.push(83, 0x77, 8, kQemu1 + 1, 0x99);  // another device's, by another thread
  made.push(84, kB, 16);
  made.notify(85);
  made.guest(91, kCompleteId, 100);
  made.guest(92, kCompleteId, 108);
  made.guest(93, kCompleteId, 116, 16);
  const auto followed = follow(made);
  ASSERT_EQ(followed.requests.size(), 3u);
  EXPECT_EQ(text_of(followed.requests[0]),
            "address virtqueue 11-17 to_host 17-25 device 25-75 qemu_completion 75-80 qemu_notify 80-81 "
            "return 81-91");
  EXPECT_EQ(text_of(followed.requests[1]),
            "address virtqueue 10-17 to_host 17-25 device 25-75 qemu_completion 75-82 qemu_notify 82-85 "
            "return 85-92");
  EXPECT_EQ(text_of(followed.requests[2]),
            "address virtqueue 12-17 to_host 17-25 device 25-75 qemu_completion 75-84 qemu_notify 84-85 "
            "return 85-93");
}

TEST(QemuPath, WhenWhatIsPushedDoesNotFollowItIsNotTold) {
  MadeProbedIo made;
  made.guest(10, kIssueId, 100);
  made.guest(11, kIssueId, 108);
  made.enter(17, kA, 100, 16);
  made.push(80, kA);
  made.push(81, kB, 16);  // as long as no member
  made.push(82, kC);
  made.guest(91, kCompleteId, 100);
  made.guest(92, kCompleteId, 108);
  const auto followed = follow(made);
  EXPECT_EQ(text_of(followed.requests.at(0)), "qemu virtqueue 10-17 qemu_request 17-80 return 80-91");
  EXPECT_EQ(text_of(followed.requests.at(1)), "untied virtqueue 11-17 unattributed 17-92");
}

TEST(QemuPath, RequestsForTheSameBytesAreNotToldApartByThem) {
  MadeProbedIo made;
  made.guest(10, kIssueId, 100);
  made.guest(11, kIssueId, 100);
  made.enter(17, kA, 100);
  made.push(80, kA);
  made.guest(91, kCompleteId, 100);
  made.guest(92, kCompleteId, 100);
  for (const IoRequest& request : follow(made).requests) EXPECT_FALSE(request.qemu);
}

TEST(QemuPath, WhichDiskOfQemusIsWhichDeviceIsLearned) {
  constexpr std::uint32_t kSecond = kGuestDevice | 16;
  MadeProbedIo made;
  made.guest(10, kIssueId, 100);
  made.enter(12, kA, 100);
  made.push(13, kA);
  made.guest(14, kCompleteId, 100);
  // Both have the same bytes open: the disk that is known already tells.
  made.guest(20, kIssueId, 200, 8, "R", kSecond);
  made.guest(21, kIssueId, 200);
  made.enter(22, kA, 200);
  made.push(23, kA);
  made.guest(24, kCompleteId, 200);
  made.guest(25, kCompleteId, 200, 8, "R", kSecond);
  // What was another device's so far is not this one's by a chance.
  made.guest(30, kIssueId, 300, 8, "R", kSecond);
  made.enter(31, kA, 300);
  made.push(32, kA);
  made.guest(33, kCompleteId, 300, 8, "R", kSecond);
  const auto followed = follow(made);
  ASSERT_EQ(followed.requests.size(), 4u);
  EXPECT_TRUE(followed.requests[1].qemu);
  EXPECT_FALSE(followed.requests[2].qemu);
  EXPECT_FALSE(followed.requests[3].qemu);
}

TEST(QemuPath, AnAddressIsUsedAgain) {
  MadeProbedIo made;
  made.guest(10, kIssueId, 100);
  made.enter(12, kA, 100);  // its push is not seen
  made.guest(20, kCompleteId, 100);
  made.guest(21, kIssueId, 200, 16);
  made.enter(22, kA, 200, 16);
  made.push(30, kA, 16);
  made.guest(31, kCompleteId, 200, 16);
  const auto followed = follow(made);
  EXPECT_FALSE(followed.requests.at(0).qemu->pushed);
  EXPECT_EQ(followed.requests.at(1).qemu->pushed->value - kIoStart, 30u);
}

TEST(QemuPath, ARequestThatQemuTriesAgainEnteredOnce) {
  MadeProbedIo made;
  made.guest(10, kIssueId, 100);
  made.enter(12, kA, 100);
  made.enter(40, kA, 100);
  made.push(50, kA);
  made.guest(51, kCompleteId, 100);
  EXPECT_EQ(text_of(follow(made).requests.at(0)), "qemu virtqueue 10-12 qemu_request 12-50 return 50-51");
}

TEST(QemuPath, WhereHostEventsWereLostNothingIsTold) {
  MadeProbedIo made;
  made.guest(10, kIssueId, 100);
  made.enter(12, kA, 100);
  made.lose();
  made.push(50, kA);  // perhaps the next one's
  made.guest(51, kCompleteId, 100);
  made.guest(60, kIssueId, 200);
  made.enter(61, kB, 200);
  made.push(70, kB);
  made.guest(71, kCompleteId, 200);
  const auto followed = follow(made);
  EXPECT_EQ(text_of(followed.requests.at(0)), "lost unattributed 10-51");
  EXPECT_EQ(text_of(followed.requests.at(1)), "qemu virtqueue 60-61 qemu_request 61-70 return 70-71");
}

TEST(QemuPath, ASecondProgramsProbesCountAndOthersOfTheSameFunctionsDoNot) {
  for (const auto& [more, counts] : {std::pair("_2", true), std::pair("_x", false)}) {
    MadeProbedIo made(more);
    made.guest(10, kIssueId, 100);
    made.enter(12, kA, 100);
    made.guest(51, kCompleteId, 100);
    made.host(60, kIssueId, 900);
    EXPECT_EQ(follow(made).requests.at(0).qemu.has_value(), counts) << more;
  }
}

}  // namespace
}  // namespace ivtrace::model
