#include "model/bio_queue.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "model/io_path_test_support.h"

namespace ivtrace::model {
namespace {

constexpr std::uint32_t kPart = kHostDevice | 2;  // a partition that begins at sector 10000
constexpr std::uint32_t kCrypt = 252u << 20;
constexpr std::uint32_t kVolume = 252u << 20 | 1;
constexpr std::uint32_t kMirror = 8u << 20;

Task task(std::int32_t tid, const char* name) {
  Task task{tid, {}};
  std::memcpy(task.comm.data(), name, std::strlen(name));
  return task;
}
const Task kReader = task(5, "reader");
const Task kCryptd = task(6, "kcryptd");

/// "queued by whom: offset device:first+count …"
std::string text_of(const BioQueue::Taken& taken) {
  std::string text =
      taken.queued ? fmt::format("{} {}:", taken.queued->value, taken.task.name()) : std::string("unknown:");
  for (const AddressAbove& above : taken.above) {
    text += fmt::format(" {} {}:{}:{}+{}", above.offset, above.range.device >> 20,
                        above.range.device & 0xfffff, above.range.first, above.range.count);
  }
  return text;
}

TEST(BioQueue, ABioKeepsItsFirstTimeAndTaskThroughAllDevices) {
  BioQueue bios;
  bios.queue({kVolume, 800, 8}, kReader, HostTsc(10));
  bios.remap({kCrypt, 2848, 8}, {kVolume, 800, 8}, {5, {}}, HostTsc(11));
  bios.queue({kCrypt, 2848, 8}, kReader, HostTsc(12));
  // The encrypting device's own worker goes on, on a partition: the kernel names the disk first.
  bios.remap({kHostDevice, 2848, 8}, {kCrypt, 2848, 8}, {6, {}}, HostTsc(20));
  bios.remap({kHostDevice, 12848, 8}, {kPart, 2848, 8}, {6, {}}, HostTsc(21));
  bios.queue({kHostDevice, 12848, 8}, kCryptd, HostTsc(22));
  EXPECT_EQ(text_of(bios.take({kHostDevice, 2848, 8})), "unknown:");
  EXPECT_EQ(text_of(bios.take({kHostDevice, 12848, 8})), "10 reader: 0 252:1:800+8 0 252:0:2848+8");
  EXPECT_EQ(text_of(bios.take({kHostDevice, 12848, 8})), "unknown:");
}

TEST(BioQueue, APlainPartitionsBioIsQueuedWhenItSaysSo) {
  BioQueue bios;
  bios.remap({kHostDevice, 10100, 8}, {kPart, 100, 8}, {5, {}}, HostTsc(9));
  bios.queue({kHostDevice, 10100, 8}, kReader, HostTsc(10));
  EXPECT_EQ(text_of(bios.take({kHostDevice, 10100, 8})), "10 reader: 0 254:2:100+8");
}

TEST(BioQueue, AStripedBiosPartsAreItsOwnSectors) {
  BioQueue bios;
  bios.queue({kVolume, 96, 64}, kReader, HostTsc(10));
  bios.remap({kHostDevice, 1096, 32}, {kVolume, 96, 32}, {5, {}}, HostTsc(11));
  bios.remap({kMirror, 1000, 32}, {kVolume, 128, 32}, {5, {}}, HostTsc(12));
  EXPECT_EQ(text_of(bios.take({kMirror, 1000, 32})), "10 reader: 0 252:1:128+32");
  EXPECT_EQ(text_of(bios.take({kHostDevice, 1096, 32})), "10 reader: 0 252:1:96+32");
}

TEST(BioQueue, AMirroredBioIsOnBothOfItsDevices) {
  BioQueue bios;
  bios.queue({kVolume, 800, 8}, kReader, HostTsc(10));
  bios.remap({kHostDevice, 2800, 8}, {kVolume, 800, 8}, {5, {}}, HostTsc(11));
  bios.remap({kMirror, 2800, 8}, {kVolume, 800, 8}, {5, {}}, HostTsc(12));
  EXPECT_EQ(text_of(bios.take({kHostDevice, 2800, 8})), "10 reader: 0 252:1:800+8");
  EXPECT_EQ(text_of(bios.take({kMirror, 2800, 8})), "10 reader: 0 252:1:800+8");
}

TEST(BioQueue, RequestsThatMergeOrSplitBiosHaveTheirPartsOfThem) {
  BioQueue bios;
  bios.queue({kVolume, 16, 8}, kReader, HostTsc(10));
  bios.remap({kHostDevice, 116, 8}, {kVolume, 16, 8}, {5, {}}, HostTsc(10));
  bios.queue({kVolume, 900, 8}, kReader, HostTsc(11));
  bios.remap({kHostDevice, 124, 8}, {kVolume, 900, 8}, {5, {}}, HostTsc(11));
  EXPECT_EQ(text_of(bios.take({kHostDevice, 116, 16})), "10 reader: 0 252:1:16+8 8 252:1:900+8");
  bios.queue({kVolume, 0, 100}, kReader, HostTsc(20));
  bios.remap({kHostDevice, 100, 100}, {kVolume, 0, 100}, {5, {}}, HostTsc(20));
  EXPECT_EQ(text_of(bios.take({kHostDevice, 100, 60})), "20 reader: 0 252:1:0+60");
  EXPECT_EQ(text_of(bios.take({kHostDevice, 160, 40})), "20 reader: 0 252:1:60+40");
  EXPECT_EQ(text_of(bios.take({kHostDevice, 160, 40})), "unknown:");
}

TEST(BioQueue, ABioThatHasNothingInCommonIsNotTaken) {
  BioQueue bios;
  bios.queue({kHostDevice, 100, 8}, kReader, HostTsc(10));
  EXPECT_EQ(text_of(bios.take({kMirror, 100, 8})), "unknown:");
  EXPECT_EQ(text_of(bios.take({kHostDevice, 92, 8})), "unknown:");
  EXPECT_EQ(text_of(bios.take({kHostDevice, 108, 8})), "unknown:");
  bios.clear();
  EXPECT_EQ(text_of(bios.take({kHostDevice, 100, 8})), "unknown:");
}

TEST(BioQueue, TheSameSectorsAgainAreAnotherBio) {
  BioQueue bios;
  for (std::uint64_t at : {10, 20}) {
    bios.queue({kVolume, 800, 8}, kReader, HostTsc(at));
    bios.remap({kHostDevice, 2800, 8}, {kVolume, 800, 8}, {5, {}}, HostTsc(at));
    bios.queue({kHostDevice, 2800, 8}, kReader, HostTsc(at));
  }
  EXPECT_EQ(text_of(bios.take({kHostDevice, 2800, 8})), "10 reader: 0 252:1:800+8 0 252:1:800+8");
}

TEST(BioQueue, TheOldestBiosGoWhenThereAreTooMany) {
  BioQueue bios;
  const std::uint64_t many = BioQueue::kMaxBios + 100;
  for (std::uint64_t i = 0; i < many; ++i) bios.queue({kHostDevice, 8 * i, 8}, kReader, HostTsc(i));
  EXPECT_EQ(text_of(bios.take({kHostDevice, 8 * 99, 8})), "unknown:");
  EXPECT_EQ(text_of(bios.take({kHostDevice, 8 * 100, 8})), "100 reader:");
  // Those that were passed on are fewer, and do not drive the others out.
  for (std::uint64_t i = 0; i < many; ++i) {
    bios.queue({kVolume, 8 * i, 8}, kReader, HostTsc(i));
    bios.remap({kMirror, 8 * i, 8}, {kVolume, 8 * i, 8}, {5, {}}, HostTsc(i));
    bios.take({kMirror, 8 * i, 8});
  }
  EXPECT_EQ(text_of(bios.take({kHostDevice, 8 * 200, 8})), "200 reader:");
}

TEST(BioQueue, ARequestIsTiedByTheAddressOfTheVolumeThatItsBiosCameFrom) {
  MadeIo made;
  made.clear_disks();
  made.disk("vm1", "d0", "none", "0 1048576 252:1 409600\n");  // from sector 800 on
  made.guest(10, kIssueId, 100);
  made.event("host", 20, kEnterId, 0, 51200, 0, "", kQemu1);
  made.event("host", 22, kQueueId, kVolume, 900, 8, "R", kQemu1, "qemu");
  made.remap(23, kHostDevice, 2900, kVolume, 900);
  made.remap(24, kHostDevice, 12900, kPart, 2900);
  made.event("host", 25, kQueueId, kHostDevice, 12900, 8, "R", kQemu1, "qemu");
  made.event("host", 30, kIssueId, kHostDevice, 12900, 8, "R", 9, "kworker");
  made.event("host", 40, kRequeueId, kHostDevice, 12900, 8);
  made.event("host", 50, kIssueId, kHostDevice, 12900, 8, "R", 9, "kworker");
  made.event("host", 70, kCompleteId, kHostDevice, 12900, 8);
  made.event("host", 75, kExitCallId, 0, 4096, 0, "", kQemu1);
  made.guest(80, kCompleteId, 100);
  // The same sectors of the disk, but not from there: none of the volume's.
  made.guest(90, kIssueId, 100);
  made.event("host", 91, kQueueId, kHostDevice, 12900, 8, "R", kQemu1, "qemu");
  made.event("host", 92, kIssueId, kHostDevice, 12900, 8, "R", kQemu1, "qemu");
  made.event("host", 95, kCompleteId, kHostDevice, 12900, 8);
  made.guest(99, kCompleteId, 100);
  const auto followed = follow(made);
  ASSERT_EQ(followed.requests.size(), 2u);
  const IoRequest& request = followed.requests[0];
  EXPECT_EQ(text_of(request),
            "address to_qemu 10-20 qemu_to_host 20-22 host_queue 22-50 device 50-70 return 70-80");
  EXPECT_EQ(request.host_device, kHostDevice);
  EXPECT_EQ(request.host_thread, kQemu1);
  EXPECT_EQ(request.host_bytes, 4096u);
  EXPECT_DOUBLE_EQ(request.load.owners.at({1, "", IoDirection::kRead}).request_ticks, 20);
  EXPECT_EQ(followed.requests[1].tie, IoTie::kUntied);
}

TEST(BioQueue, AnImageOnAPartitionIsTiedOnce) {
  MadeIo made;
  made.guest(10, kIssueId, 100);
  made.remap(21, kHostDevice, 20580, kPart, 10580);
  made.host(22, kQueueId, 100);
  made.host(25, kIssueId, 100);
  made.host(70, kCompleteId, 100);
  made.guest(80, kCompleteId, 100);
  const IoRequest request = follow(made).requests.at(0);
  EXPECT_EQ(text_of(request), "address to_host 10-22 host_queue 22-25 device 25-70 return 70-80");
  EXPECT_EQ(request.host_requests, 1u);
  EXPECT_EQ(request.host_bytes, 4096u);
}

}  // namespace
}  // namespace ivtrace::model
