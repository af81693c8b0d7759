#include "model/io_path.h"

#include <gtest/gtest.h>

#include "model/io_path_test_support.h"
#include "model/io_times.h"

namespace ivtrace::model {
namespace {

/// The host's completed requests as text, in the order in which they are told: "120+8 vm1 for 100".
std::vector<std::string> host_requests_of(MadeIo& made) {
  const run::RunReader run = made.open();
  auto events = *merge::RunEvents::open(run, {});
  const LostRanges lost;
  std::vector<std::string> lines;
  IoPath path(
      run, events, lost, [](const IoRequest&) {},
      [&](const HostRequest& host, const IoRequest* serves) {
        lines.push_back(fmt::format("{}+{} {}{}", host.request.range.first, host.request.range.count,
                                    run.machines()[static_cast<std::size_t>(host.owner.machine)].info.name,
                                    host.owner.task));
        if (serves != nullptr) lines.back() += fmt::format(" for {}", serves->guest.range.first);
      });
  EXPECT_TRUE(path.recorded_anywhere());
  merge::MergedEvent event;
  while (events.next(event)) path.look(event);
  path.finish();
  return lines;
}

TEST(IoPath, ARequestIsCutAtEveryBoundaryThatWasRecorded) {
  MadeIo made;
  made.guest(10, kQueueId, 100);
  made.guest(13, kIssueId, 100);
  made.event("host", 20, kEnterId, 0, 0, 0, "", kQemu1);
  made.host(22, kQueueId, 100);
  made.host(25, kIssueId, 100);
  made.host(75, kCompleteId, 100);
  made.event("vm1", 90, kIrqEntryId, 0, 0, 0);
  made.guest(93, kCompleteId, 100);
  made.event("vm1", 95, kIrqExitId, 0, 0, 0);
  const auto followed = follow(made);
  ASSERT_EQ(followed.requests.size(), 1u);
  const IoRequest& request = followed.requests.front();
  EXPECT_EQ(text_of(request),
            "address guest_queue 10-13 to_qemu 13-20 qemu_to_host 20-22 host_queue 22-25 device 25-75 "
            "to_guest 75-90 guest_completion 90-93");
  EXPECT_EQ(request.disk, std::optional<std::size_t>(0));
  EXPECT_EQ(request.host_requests, 1u);
  EXPECT_EQ(request.host_bytes, 8u * 512);
  EXPECT_EQ(request.host_thread, kQemu1);
  EXPECT_EQ(request.guest.task.name(), "reader");
  EXPECT_EQ(followed.unfinished, 0u);
}

TEST(IoPath, WhereABoundaryIsMissingNeighboursAreOneUnderAnotherName) {
  MadeIo made;
  made.guest(13, kIssueId, 100);
  made.host(25, kIssueId, 100);
  made.host(75, kCompleteId, 100);
  made.guest(93, kCompleteId, 100);
  EXPECT_EQ(text_of(follow(made).requests.at(0)), "address to_host 13-25 device 25-75 return 75-93");
}

TEST(IoPath, ASplitRequestIsServedByAllItsParts) {
  MadeIo made;
  made.guest(10, kIssueId, 100, 16);
  made.host(20, kIssueId, 100, 8);
  made.host(21, kIssueId, 108, 8);
  made.host(60, kCompleteId, 108, 8);
  made.host(70, kCompleteId, 100, 8);
  made.guest(80, kCompleteId, 100, 16);
  const auto followed = follow(made);
  EXPECT_EQ(text_of(followed.requests.at(0)), "address to_host 10-20 device 20-70 return 70-80");
  EXPECT_EQ(followed.requests[0].host_requests, 2u);
  EXPECT_EQ(followed.requests[0].host_bytes, 16u * 512);
}

TEST(IoPath, AMergedRequestServesAllThatItCovers) {
  MadeIo made;
  made.guest(10, kIssueId, 100);
  made.guest(11, kIssueId, 108);
  made.host(20, kIssueId, 100, 16);
  made.host(70, kCompleteId, 100, 16);
  made.guest(80, kCompleteId, 100);
  made.guest(81, kCompleteId, 108);
  const auto followed = follow(made);
  ASSERT_EQ(followed.requests.size(), 2u);
  for (const IoRequest& request : followed.requests) {
    EXPECT_EQ(request.tie, IoTie::kAddress);
    EXPECT_EQ(request.host_bytes, 8u * 512);
  }
}

TEST(IoPath, PlaceDirectionAndNestingMustAllFit) {
  MadeIo made;
  made.host(5, kIssueId, 300);  // before the guest wanted it
  made.guest(10, kIssueId, 100);
  made.guest(11, kIssueId, 200);
  made.guest(12, kIssueId, 300);
  made.guest(13, kIssueId, 400);
  made.host(20, kIssueId, 150);                                // another place
  made.host(21, kIssueId, 200, 8, "W");                        // the other direction
  made.host(22, kIssueId, 400);                                // not done when the guest's is
  made.event("host", 23, kIssueId, 8u << 20, 20480 + 100, 8);  // the same sectors of another device
  made.host(60, kCompleteId, 300);
  made.host(61, kCompleteId, 150);
  made.host(62, kCompleteId, 200, 8, "W");
  for (const std::uint64_t sector : {100, 200, 300, 400}) made.guest(80 + sector, kCompleteId, sector);
  const auto followed = follow(made);
  ASSERT_EQ(followed.requests.size(), 4u);
  for (const IoRequest& request : followed.requests)
    EXPECT_EQ(request.tie, IoTie::kUntied) << request.guest.range.first;
  EXPECT_EQ(text_of(followed.requests[0]), "untied unattributed 10-180");
}

TEST(IoPath, AReadThatTheHostsPageCacheServesNeedsNoHostRequest) {
  MadeIo made;
  made.clear_disks();
  made.disk("vm1", "d0", "writeback", "0 1048576 254:0 10485760\n");
  made.guest(10, kIssueId, 100);
  made.host(15, kIssueId, 900);
  made.guest(20, kCompleteId, 100);
  EXPECT_EQ(text_of(follow(made).requests.at(0)), "no-host-io unattributed 10-20");
}

TEST(IoPath, WhatIsOpenWhileHostEventsAreLostIsLeftInDoubt) {
  MadeIo made;
  made.guest(10, kIssueId, 100);
  made.host(20, kIssueId, 100);
  made.lose();
  made.host(70, kCompleteId, 100);
  made.guest(80, kCompleteId, 100);
  made.guest(90, kIssueId, 100);
  made.host(91, kIssueId, 100);
  made.host(92, kCompleteId, 100);
  made.guest(93, kCompleteId, 100);
  const auto followed = follow(made);
  ASSERT_EQ(followed.requests.size(), 2u);
  EXPECT_EQ(followed.requests[0].tie, IoTie::kLost);
  EXPECT_EQ(followed.requests[1].tie, IoTie::kAddress);
}

TEST(IoTimes, ARequestWithinAHoleOfAnotherCpuIsInDoubtToo) {
  MadeIo made;
  made.host(5, kIssueId, 900);
  made.guest(10, kIssueId, 100);
  made.other_cpu(20, kIssueId, 100);
  made.other_cpu(70, kCompleteId, 100);
  made.guest(80, kCompleteId, 100);
  made.lose();
  made.host(200, kCompleteId, 900);
  made.guest(210, kIssueId, 100);
  made.other_cpu(220, kIssueId, 100);
  made.other_cpu(270, kCompleteId, 100);
  made.guest(280, kCompleteId, 100);
  const run::RunReader run = made.open();
  const auto times = measure_io(run, {{}, {}, 2});
  ASSERT_TRUE(times.ok());
  EXPECT_TRUE(times->walk.incomplete);
  EXPECT_EQ(times->groups.at(0).ties, (std::array<std::uint64_t, kIoTies>{1, 0, 0, 0, 1, 0}));
}

TEST(IoPath, AFlushOrAnImageWithoutPlacesIsNotCalledServedByThePageCache) {
  MadeIo made;
  made.clear_disks();
  made.disk("vm1", "d0", "writeback", "0 1048576 254:0 10485760\n");
  made.guest(10, kIssueId, 0, 0, "FF");
  made.guest(20, kCompleteId, 0, 0, "FF");
  made.host(30, kIssueId, 900);
  EXPECT_EQ(text_of(follow(made).requests.at(0)), "untied unattributed 10-20");
  MadeIo without;
  without.clear_disks();
  without.disk("vm1", "d0", "writeback", "");
  without.guest(10, kIssueId, 100);
  without.host(15, kIssueId, 900);
  without.guest(20, kCompleteId, 100);
  EXPECT_EQ(text_of(follow(without).requests.at(0)), "untied unattributed 10-20");
}

TEST(IoPath, ABackingFileThatGuestsShareIsChargedToTheOneThatReads) {
  MadeIo made;
  made.clear_disks();
  made.disk("vm1", "d0", "none", "0 1048576 254:0 10485760\n");
  made.disk("vm2", "d0", "none", "0 1048576 254:0 10485760\n");
  made.host(5, kIssueId, 500, 8, "R", kQemu2);  // no guest's request: the thread tells
  made.event("vm2", 10, kIssueId, kGuestDevice, 100, 8);
  made.host(20, kIssueId, 100, 8, "R", 12345);  // an unknown thread, but vm2 waits for it
  made.host(70, kCompleteId, 100);
  made.event("vm2", 80, kCompleteId, kGuestDevice, 100, 8);
  const auto followed = follow(made);
  ASSERT_EQ(followed.requests.size(), 1u);
  EXPECT_EQ(followed.requests[0].machine, 2u);
  EXPECT_EQ(followed.requests[0].tie, IoTie::kAddress);
  ASSERT_EQ(followed.requests[0].load.owners.size(), 1u);
  EXPECT_DOUBLE_EQ(followed.requests[0].load.owners.at({2, "", IoDirection::kRead}).request_ticks, 100);
}

TEST(IoPath, WhatAGuestMakesUpIsBounded) {
  MadeIo made;
  for (std::uint32_t i = 0; i < 6000; ++i) made.guest(10 + i, kIssueId, 8 * i);
  made.host(7000, kIssueId, 100);
  const auto followed = follow(made);
  EXPECT_EQ(followed.unfinished, 6000u);
  MadeIo devices;
  for (std::uint32_t i = 0; i < 2 * IoTimesOptions::kMaxGroups; ++i) {
    devices.guest(10 + 2 * i, kIssueId, 100, 8, "R", i + 1);
    devices.guest(11 + 2 * i, kCompleteId, 100, 8, "R", i + 1);
  }
  devices.host(7000, kIssueId, 100);
  const run::RunReader run = devices.open();
  const auto times = measure_io(run, {{}, {}, 0});
  ASSERT_TRUE(times.ok());
  EXPECT_EQ(times->groups.size(), IoTimesOptions::kMaxGroups);
  ASSERT_EQ(times->walk.notices.size(), 1u);
  EXPECT_NE(times->walk.notices[0].find("256 requests are left out"), std::string::npos);
}

TEST(IoPath, WhichDeviceIsWhichDiskIsLearned) {
  constexpr std::uint32_t kSecond = kGuestDevice | 16;
  MadeIo made;
  made.disk("vm1", "d1", "none", "0 1048576 254:0 31457280\n");
  for (std::uint64_t i = 0; i < 4; ++i) {
    // Both devices are read at the same sector; the second one's host request comes first.
    const std::uint64_t at = 100 * i;
    made.guest(at + 10, kIssueId, 100 + i, 8, "R", kGuestDevice);
    if (i > 0) made.guest(at + 11, kIssueId, 100 + i, 8, "R", kSecond);
    if (i > 0) made.event("host", at + 20, kIssueId, kHostDevice, 61440 + 100 + i, 8, "R", kQemu1);
    made.host(at + 21, kIssueId, 100 + i);
    if (i > 0) made.event("host", at + 40, kCompleteId, kHostDevice, 61440 + 100 + i, 8, "R", kQemu1);
    made.host(at + 60, kCompleteId, 100 + i);
    made.guest(at + 70, kCompleteId, 100 + i, 8, "R", kGuestDevice);
    if (i > 0) made.guest(at + 71, kCompleteId, 100 + i, 8, "R", kSecond);
  }
  const auto followed = follow(made);
  ASSERT_EQ(followed.requests.size(), 7u);
  const IoRequest& first = followed.requests[5];
  const IoRequest& second = followed.requests[6];
  EXPECT_EQ(first.disk, std::optional<std::size_t>(0));
  EXPECT_EQ(first.host_requests, 1u);
  EXPECT_EQ(first.host_completed.value - kIoStart, 360u);
  EXPECT_EQ(second.disk, std::optional<std::size_t>(1));
  EXPECT_EQ(second.host_completed.value - kIoStart, 340u);
}

TEST(IoPath, TheDevicesOtherLoadIsTheOwnersByPlaceThreadAndName) {
  MadeIo made;
  made.event("host", 1, kIssueId, kHostDevice, 40960, 80, "W", 9,
             "kworker/0:1");                                                      // vm2's image, written back
  made.event("host", 2, kIssueId, kHostDevice, 900000, 40, "W", kQemu2, "qemu");  // vm2's QEMU elsewhere
  made.event("host", 3, kIssueId, kHostDevice, 950000, 40, "W", 10, "backup");    // a task of the host's own
  made.guest(10, kIssueId, 100);
  made.host(20, kIssueId, 100);
  made.event("host", 60, kCompleteId, kHostDevice, 950000, 40, "W", 0, "");
  made.host(100, kCompleteId, 100);
  made.guest(110, kCompleteId, 100);
  const auto followed = follow(made);
  const auto& load = followed.requests.at(0).load.owners;
  ASSERT_EQ(load.size(), 3u);
  EXPECT_DOUBLE_EQ(load.at({0, "backup", IoDirection::kWrite}).byte_ticks, 40.0 * 40 * 512);
  EXPECT_DOUBLE_EQ(load.at({1, "", IoDirection::kRead}).byte_ticks, 80.0 * 8 * 512);
  EXPECT_DOUBLE_EQ(load.at({2, "", IoDirection::kWrite}).byte_ticks, 80.0 * 120 * 512);
  EXPECT_DOUBLE_EQ(load.at({2, "", IoDirection::kWrite}).request_ticks, 160);
}

TEST(IoPath, ARequeuedRequestCountsFromItsLastIssue) {
  MadeIo made;
  made.guest(10, kIssueId, 100);
  made.host(20, kQueueId, 100);
  made.host(22, kIssueId, 100);
  made.host(30, kRequeueId, 100);
  made.host(50, kIssueId, 100);
  made.host(70, kCompleteId, 100);
  made.guest(80, kCompleteId, 100);
  EXPECT_EQ(text_of(follow(made).requests.at(0)),
            "address to_host 10-20 host_queue 20-50 device 50-70 return 70-80");
}

TEST(IoPath, ARequeuedRequestTakesBackWhatItGave) {
  MadeIo made;
  made.guest(10, kIssueId, 100, 16);
  made.host(20, kIssueId, 100);
  made.host(22, kIssueId, 108);
  made.host(30, kRequeueId, 100);
  made.host(40, kCompleteId, 108);
  made.host(50, kIssueId, 100);
  made.host(70, kCompleteId, 100);
  made.guest(80, kCompleteId, 100, 16);
  const auto followed = follow(made);
  const IoRequest& request = followed.requests.at(0);
  EXPECT_EQ(text_of(request), "address to_host 10-20 host_queue 20-22 device 22-70 return 70-80");
  EXPECT_EQ(request.host_requests, 2u);
  EXPECT_EQ(request.host_bytes, 16u * 512);
}

TEST(IoPath, ARequeuedRequestIsNotWaitedForUnderItsOldNumber) {
  MadeIo made;
  made.clear_disks();
  made.disk("vm1", "d0", "none", "0 53248 254:0 10485760\n");  // the last 12 sectors have no place
  made.guest(10, kIssueId, 100, 16);
  made.host(20, kIssueId, 100, 4);
  made.host(30, kRequeueId, 100, 4);
  made.host(50, kIssueId, 100, 4);
  made.host(70, kCompleteId, 100, 4);
  made.guest(80, kCompleteId, 100, 16);
  const auto followed = follow(made);
  EXPECT_EQ(text_of(followed.requests.at(0)),
            "address to_host 10-20 host_queue 20-50 device 50-70 return 70-80");
  EXPECT_EQ(followed.requests[0].host_bytes, 4u * 512);
}

TEST(IoPath, ARequestWhoseHostRequestWentBackAndDidNotComeAgainIsUntied) {
  MadeIo made;
  made.guest(10, kIssueId, 100, 16);
  made.host(20, kIssueId, 100);
  made.host(30, kRequeueId, 100);
  made.guest(80, kCompleteId, 100, 16);
  EXPECT_EQ(text_of(follow(made).requests.at(0)), "untied unattributed 10-80");
}

// QEMU fills a cluster for the first write into it: its neighbours wait, and are written then.
TEST(IoPath, AWriteThatANeighboursClusterFillingCoveredIsServedAnew) {
  MadeIo made;
  made.guest(10, kIssueId, 128, 8, "W");
  made.guest(11, kIssueId, 136, 8, "W");
  made.host(20, kIssueId, 128, 128, "W");
  made.host(50, kCompleteId, 128, 128, "W");
  made.host(55, kIssueId, 136, 8, "W");
  made.guest(60, kCompleteId, 128, 8, "W");
  made.host(75, kCompleteId, 136, 8, "W");
  made.guest(80, kCompleteId, 136, 8, "W");
  const auto followed = follow(made);
  ASSERT_EQ(followed.requests.size(), 2u);
  EXPECT_EQ(text_of(followed.requests[0]), "address to_host 10-20 device 20-50 return 50-60");
  EXPECT_EQ(text_of(followed.requests[1]), "address to_host 11-55 device 55-75 return 75-80");
  EXPECT_EQ(followed.requests[1].host_requests, 1u);
  EXPECT_EQ(followed.requests[1].host_bytes, 8u * 512);
}

TEST(IoPath, AClusterFillingIsNotToldAsForAWriteThatIsServedAnew) {
  MadeIo made;
  made.guest(10, kIssueId, 136, 8, "W");
  made.guest(11, kIssueId, 128, 8, "W");
  made.host(20, kIssueId, 128, 128, "W");
  made.host(50, kCompleteId, 128, 128, "W");
  made.host(55, kIssueId, 128, 8, "W");
  made.guest(60, kCompleteId, 136, 8, "W");
  made.host(75, kCompleteId, 128, 8, "W");
  made.guest(80, kCompleteId, 128, 8, "W");
  EXPECT_EQ(host_requests_of(made), (std::vector<std::string>{"20608+128 vm1", "20608+8 vm1 for 128"}));
}

TEST(IoPath, AWriteOfWhichANeighboursClusterFillingCoveredAPartIsServedAnew) {
  MadeIo made;
  made.guest(10, kIssueId, 128, 8, "W");
  made.guest(11, kIssueId, 248, 16, "W");
  made.host(20, kIssueId, 128, 128, "W");
  made.host(50, kCompleteId, 128, 128, "W");
  made.guest(52, kCompleteId, 128, 8, "W");
  made.host(54, kIssueId, 256, 128, "W");
  made.host(55, kIssueId, 248, 8, "W");
  made.host(75, kCompleteId, 248, 8, "W");
  made.host(77, kCompleteId, 256, 128, "W");
  made.guest(80, kCompleteId, 248, 16, "W");
  const auto followed = follow(made);
  ASSERT_EQ(followed.requests.size(), 2u);
  EXPECT_EQ(text_of(followed.requests[1]), "address to_host 11-54 device 54-77 return 77-80");
  EXPECT_EQ(followed.requests[1].host_requests, 2u);
  EXPECT_EQ(followed.requests[1].host_bytes, 16u * 512);
}

TEST(IoPath, CopiesThatWereQueuedTogetherAllServe) {
  MadeIo made;
  made.clear_disks();
  made.disk("vm1", "d0", "none", "0 1048576 254:0 10485760\n0 1048576 254:0 31457280\n");
  made.guest(10, kIssueId, 100, 8, "W");
  made.host(20, kQueueId, 100, 8, "W");
  made.event("host", 21, kQueueId, kHostDevice, 61440 + 100, 8, "W", kQemu1);
  made.host(25, kIssueId, 100, 8, "W");
  made.host(40, kCompleteId, 100, 8, "W");
  made.event("host", 45, kIssueId, kHostDevice, 61440 + 100, 8, "W", kQemu1);
  made.event("host", 60, kCompleteId, kHostDevice, 61440 + 100, 8, "W", kQemu1);
  made.guest(80, kCompleteId, 100, 8, "W");
  const auto followed = follow(made);
  EXPECT_EQ(text_of(followed.requests.at(0)),
            "address to_host 10-20 host_queue 20-25 device 25-60 return 60-80");
  EXPECT_EQ(followed.requests[0].host_requests, 2u);
}

TEST(IoPath, WhatIsServedIsNotUndoneByAnothersRequestForTheSameBytes) {
  MadeIo made;
  made.guest(10, kIssueId, 100);
  made.guest(11, kIssueId, 100, 16);
  made.host(20, kIssueId, 100);
  made.host(50, kCompleteId, 100);
  made.host(52, kIssueId, 100, 16);
  made.guest(60, kCompleteId, 100);
  made.host(70, kCompleteId, 100, 16);
  made.guest(80, kCompleteId, 100, 16);
  const auto followed = follow(made);
  ASSERT_EQ(followed.requests.size(), 2u);
  EXPECT_EQ(text_of(followed.requests[0]), "address to_host 10-20 device 20-50 return 50-60");
  EXPECT_EQ(text_of(followed.requests[1]), "address to_host 11-52 device 52-70 return 70-80");
}

TEST(IoPath, RequestsOfTwoSizesAtOneSectorAreNotTakenForEachOther) {
  MadeIo made;
  made.event("host", 1, kIssueId, kHostDevice, 900000, 2032, "WS", 9, "big");
  made.event("host", 2, kIssueId, kHostDevice, 900000, 16, "WS", 10, "small");
  made.event("host", 2, kIssueId, kHostDevice, 1000000, 999999, "DS", 12, "discard");
  made.event("host", 3, kIssueId, kHostDevice, 0, 0, "FF", 11, "flush");
  made.event("host", 4, kRequeueId, kHostDevice, 900000, 16, "WS");
  made.event("host", 5, kCompleteId, kHostDevice, ~0ull, 0, "FF");
  made.event("host", 6, kCompleteId, kHostDevice, 0, 0, "WS");  // the end of a flush's sequence: no request
  made.guest(10, kIssueId, 100);
  made.host(20, kIssueId, 100);
  made.event("host", 60, kCompleteId, kHostDevice, 900000, 2032, "WS");
  made.host(100, kCompleteId, 100);
  made.guest(110, kCompleteId, 100);
  const auto followed = follow(made);
  const auto& load = followed.requests.at(0).load.owners;
  EXPECT_EQ(load.size(), 3u);
  EXPECT_DOUBLE_EQ(load.at({0, "discard", IoDirection::kDiscard}).request_ticks, 80);
  EXPECT_DOUBLE_EQ(load.at({0, "discard", IoDirection::kDiscard}).byte_ticks, 0);
  EXPECT_DOUBLE_EQ(load.at({0, "big", IoDirection::kWrite}).request_ticks, 40);
  EXPECT_DOUBLE_EQ(load.at({1, "", IoDirection::kRead}).request_ticks, 80);
}

TEST(IoTimes, SumUpPerDiskAndDirectionAndKeepTheSlowest) {
  MadeIo made;
  for (std::uint64_t i = 0; i < 3; ++i) {
    const std::uint64_t at = 1000 * i;
    made.guest(at + 10, kIssueId, 100);
    made.host(at + 20, kIssueId, 100);
    made.host(at + 50 + 100 * i, kCompleteId, 100);
    made.guest(at + 60 + 100 * i, kCompleteId, 100);
  }
  made.guest(5000, kIssueId, 200, 8, "W");
  made.guest(5001, kCompleteId, 200, 8, "W");
  made.guest(5002, kIssueId, 300);
  const run::RunReader run = made.open();
  const auto times = measure_io(run, {{}, {}, 2});
  ASSERT_TRUE(times.ok());
  ASSERT_EQ(times->groups.size(), 2u);
  const IoGroup& reads = times->groups[0];
  EXPECT_EQ(reads.direction, IoDirection::kRead);
  EXPECT_EQ(reads.times.count(), 3u);
  EXPECT_EQ(reads.total, 50u + 150 + 250);
  EXPECT_EQ(reads.longest_at, HostTsc(kIoStart + 2010));
  EXPECT_EQ(reads.phases[static_cast<std::size_t>(IoPhaseKind::kDevice)].total, 30u + 130 + 230);
  EXPECT_EQ(times->groups[1].ties[static_cast<std::size_t>(IoTie::kUntied)], 1u);
  ASSERT_EQ(times->slowest.size(), 2u);
  EXPECT_EQ(times->slowest[0].end().value - times->slowest[0].begin().value, 250u);
  EXPECT_EQ(times->slowest[1].end().value - times->slowest[1].begin().value, 150u);
  EXPECT_EQ(times->unfinished, 1u);
  const auto part = measure_io(run, {{"vm2"}, {}, 2});
  EXPECT_TRUE(part.ok() && part->groups.empty() && part->unfinished == 0);
  const auto late = measure_io(run, {{}, {HostTsc(kIoStart + 1000), HostTsc(kIoStart + 2000)}, 2});
  ASSERT_TRUE(late.ok());
  EXPECT_EQ(late->groups.at(0).times.count(), 1u);
}

TEST(Direction, FollowsTheKernelsLetters) {
  EXPECT_EQ(direction_of("R"), IoDirection::kRead);
  EXPECT_EQ(direction_of("RA"), IoDirection::kRead);
  EXPECT_EQ(direction_of("WS"), IoDirection::kWrite);
  EXPECT_EQ(direction_of("FWFS"), IoDirection::kWrite);
  EXPECT_EQ(direction_of("FF"), IoDirection::kFlush);
  EXPECT_EQ(direction_of("FN"), IoDirection::kFlush);
  EXPECT_EQ(direction_of("DS"), IoDirection::kDiscard);
  EXPECT_EQ(direction_of("N"), IoDirection::kOther);
  EXPECT_EQ(direction_of(""), IoDirection::kOther);
}

TEST(IoPath, HostRequestsAreToldWithTheirOwnerAndTheGuestsRequestThatTheyServe) {
  MadeIo made;
  made.guest(10, kIssueId, 100, 16);
  made.host(20, kIssueId, 100, 8);
  made.host(21, kIssueId, 108, 8);
  made.event("host", 30, kIssueId, kHostDevice, 5, 8, "W", 9, "journal");
  made.event("host", 40, kCompleteId, kHostDevice, 5, 8, "W");
  made.host(60, kCompleteId, 108, 8);
  made.host(70, kCompleteId, 100, 8);
  made.guest(80, kCompleteId, 100, 16);
  // The image's bytes, but nothing that the guest waits for.
  made.host(85, kIssueId, 200, 8);
  made.host(86, kCompleteId, 200, 8);
  // The guest's request does not complete.
  made.guest(90, kIssueId, 300);
  made.host(91, kIssueId, 300);
  made.host(92, kCompleteId, 300);
  EXPECT_EQ(host_requests_of(made),
            (std::vector<std::string>{"5+8 hostjournal", "20588+8 vm1 for 100", "20580+8 vm1 for 100",
                                      "20680+8 vm1", "20780+8 vm1"}));
}

}  // namespace
}  // namespace ivtrace::model
