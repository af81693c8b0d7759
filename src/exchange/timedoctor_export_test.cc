#include "exchange/timedoctor_export.h"

#include <gmock/gmock.h>

#include <limits>

#include "exchange/export_test_support.h"
#include "exchange/timedoctor_marks.h"
#include "exchange/timedoctor_writer.h"
#include "model/io_test_support.h"
#include "model/marks_test_support.h"
#include "model/model_test_support.h"

namespace ivtrace::exchange {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

/// A vCPU that exits, is preempted, goes on; its guest switches twice.
void fill(model::MadeRun& made) {
  made.entry(kMadeStart + 10);
  made.exit(kMadeStart + 20, 0x400);
  made.host_switch(kMadeStart + 22, model::kVcpuThread, 0, 900, "h g");
  made.host_switch(kMadeStart + 32, 900, 1, model::kVcpuThread, "CPU 0/KVM");
  made.entry(kMadeStart + 35);
  made.guest(kMadeStart + 37, 0, 77);
  made.guest(kMadeStart + 45, 77, 0);
  made.exit(kMadeStart + 50, 0x78);
}

std::string block(int number, const std::string& name) {
  return "CPU " + std::to_string(number) + " " + name + "\nSPEED 1000000000\n";
}
std::string notes(int number, const std::string& begins, const std::string& ends) {
  return block(number, "notes") + "NAM 7 1 range\nDNM 0 1 note\nNAM 7 2 findings\nNAM 7 3 losses\nOCC 7 1 " +
         begins + "OCC 7 1 " + ends + "END\n";
}

TEST(TimedoctorExport, ABlockForEachCpuAndEachVcpu) {
  model::MadeRun made;
  fill(made);
  const MadeExport done(made, "timedoctor");
  EXPECT_EQ(done.text(), "TIME 1000000000\n" + block(1, "host:cpu0") +
                             "NAM 0 1 vm1:vcpu0-500\nNAM 0 2 h_g-900\n"
                             "STA 0 2 22\nSTO 0 2 32\nSTA 0 1 32\nSTO 0 1 50\n" +
                             block(2, "vm1:cpu0") +
                             "NAM 0 1 guest-task-77\nNAM 0 2 idle\n"
                             "STA 0 1 37\nSTO 0 1 45\nSTA 0 2 45\nSTO 0 2 50\n" +
                             block(3, "vm1:vcpu0") +
                             "NAM 0 1 guest\nNAM 0 2 preempted:host\nNAM 0 3 exit\n"
                             "STA 0 1 10\nSTO 0 1 20\nSTA 0 3 20\nSTO 0 3 22\nSTA 0 2 22\nSTO 0 2 32\n"
                             "STA 0 3 32\nSTO 0 3 35\nSTA 0 1 35\nSTO 0 1 50\n" +
                             notes(4, "0\nDSC 0 1 begins_at_0.000000000_s_of_the_run\n",
                                   "1000000000\nDSC 0 1 ends_at_1.000000000_s_of_the_run\n"));
  EXPECT_EQ(done.summary().events, 20u);
  EXPECT_THAT(done.summary().notices, ElementsAre("block_request is empty: no block request was recorded",
                                                  "irq_slice is empty: no interrupt was recorded"));
}

TEST(TimedoctorExport, ARangeCutsWhatReachesBeyondIt) {
  model::MadeRun made;
  fill(made);
  merge::Filter filter = made_range(25, 40);
  filter.machines = {"host"};
  const MadeExport done(made, "timedoctor", filter);
  EXPECT_EQ(done.text(), "TIME 1000000000\n" + block(1, "host:cpu0") +
                             "NAM 0 1 vm1:vcpu0-500\nNAM 0 2 h_g-900\n"
                             "STA 0 2 25\nSTO 0 2 32\nSTA 0 1 32\nSTO 0 1 40\n" +
                             notes(2, "25\nDSC 0 1 begins_at_0.000000025_s_of_the_run\n",
                                   "40\nDSC 0 1 ends_at_0.000000040_s_of_the_run\n"));
}

TEST(TimedoctorExport, InterruptsNestAndDisksAreQueues) {
  model::MadeIo made;
  const auto irq = [&made](std::uint64_t at, model::MadeIoEvent id, std::uint32_t number) {
    made.event("host", at, id, number, 0, 0, "", 0, "virtio0");
  };
  irq(10, model::kSoftEntryId, 4);
  irq(12, model::kIrqEntryId, 27);
  irq(15, model::kIrqExitId, 27);
  irq(20, model::kSoftExitId, 4);
  irq(20, model::kIrqEntryId, 27);
  irq(22, model::kIrqExitId, 27);
  made.event("host", 30, model::kIssueId, model::kHostDevice, 5, 8, "W", 9, "journal");
  made.event("host", 31, model::kIssueId, model::kHostDevice, 100, 8, "W", 9, "journal");
  made.event("host", 40, model::kCompleteId, model::kHostDevice, 5, 8, "W");
  made.event("host", 45, model::kCompleteId, model::kHostDevice, 100, 8, "W");
  const MadeExport done(made, "timedoctor");
  EXPECT_THAT(done.text(),
              HasSubstr(block(1, "host:cpu0") +
                        "NAM 1 1 irq27:virtio0\nNAM 1 2 softirq:BLOCK\n"
                        "STA 1 2 10\nSTA 1 1 12\nSTO 1 1 15\nSTO 1 2 20\nSTA 1 1 20\nSTO 1 1 22\n" +
                        block(2, "host:disks") +
                        "NAM 3 1 disk:254:0:write\n"
                        "STA 3 1 30 1\nSTA 3 1 31 1\nSTO 3 1 40 1\nSTO 3 1 45 1\n" +
                        block(3, "notes")));
}

TEST(TimedoctorExport, TasksThatHardlyRanShareALine) {
  model::MadeRun made;
  std::int32_t previous = 1;
  std::uint64_t at = kMadeStart;
  for (std::int32_t tid = 1001; tid <= 1150; ++tid) {
    made.host_switch(at += static_cast<std::uint64_t>(tid), previous, 0, tid, "t");
    previous = tid;
  }
  made.host_switch(at += 2000, previous, 0, 1, "init");
  const MadeExport done(made, "timedoctor");
  const std::string text = done.text();
  EXPECT_THAT(text, HasSubstr("NAM 0 1 t-1150\n"));
  EXPECT_THAT(text, HasSubstr("NAM 0 100 t-1051\nNAM 0 101 other\n"));
  EXPECT_THAT(text, Not(HasSubstr("t-1050\n")));
  // One after the other, and yet each is a start and a stop.
  EXPECT_THAT(text, HasSubstr("STA 0 101 1001\nSTO 0 101 2003\nSTA 0 101 2003\n"));
  EXPECT_THAT(done.summary().notices,
              Contains("50 lines of those that lasted shortest on their CPU are gathered in one, other"));
}

TEST(TimedoctorExport, LossesAreNotes) {
  model::MadeRun made;
  made.host_switch(kMadeStart + 10, 1, 1, 900, "hog");
  made.waking(kMadeStart + 20, 5);
  made.lose();
  made.host_switch(kMadeStart + 40, 5, 1, 6, "next");
  const MadeExport done(made, "timedoctor");
  EXPECT_TRUE(done.summary().incomplete);
  EXPECT_THAT(done.text(), HasSubstr("OCC 7 3 20\nDSC 0 1 host:cpu0:_some_events_are_lost,_missed-events\n"));
}

TEST(TimedoctorExport, ARunWithNothingToShowOpensNevertheless) {
  model::MadeRun made;
  made.waking(kMadeStart + 20, 5);
  const MadeExport done(made, "timedoctor");
  EXPECT_EQ(done.text(),
            "TIME 1000000000\n" + notes(1, "0\nDSC 0 1 begins_at_0.000000000_s_of_the_run\n",
                                        "1000000000\nDSC 0 1 ends_at_1.000000000_s_of_the_run\n"));
  EXPECT_THAT(done.summary().notices, Contains(HasSubstr("record with --profile all")));
}

TEST(TimedoctorExport, MarksAreABlockOfTheirMachine) {
  model::MadeMarks made;
  made.text(10, 8, "B|7|read").text(12, 8, "B|7|read").text(20, 8, "I|7|half way").text(25, 8, "E|7");
  made.text(30, 8, "C|7|queue|2").text(40, 8, "E|7").text(50, 7, "C|7|queue|-3").text(60, 7, "I|7|x");
  const MadeExport done(made, "timedoctor");
  EXPECT_THAT(done.text(), HasSubstr("TIME 1000000000\n" + block(1, "host:marks") +
                                     "NAM 3 1 7/8:read\nNAM 7 2 7\nDNM 0 1 note\nNAM 7 3 7/8\n"
                                     "NAM 3 4 7:queue_from_-3\n"
                                     "STA 3 1 10 1\nSTA 3 1 12 1\n"
                                     "OCC 7 3 20\nDSC 0 1 half_way\n"
                                     "STO 3 1 25 1\n"
                                     "STA 3 4 30 5\nDSC 0 1 2\n"
                                     "STO 3 1 40 1\n"
                                     "STO 3 4 50 5\nDSC 0 1 -3\n"
                                     "OCC 7 2 60\nDSC 0 1 x\n" +
                                     block(2, "notes")));
}

TEST(TimedoctorExport, ARangeOfMarksBeginsWithWhatIsThere) {
  model::MadeMarks made;
  made.text(10, 7, "B|7|read").text(12, 7, "C|7|queue|2").text(20, 7, "I|7|x").text(40, 7, "C|7|queue|1");
  made.text(50, 7, "E|7");
  const MadeExport done(made, "timedoctor", made_range(30, 45));
  EXPECT_THAT(done.text(), HasSubstr("NAM 3 1 7:read\nNAM 3 2 7:queue\nDNM 0 1 note\n"
                                     "STA 3 1 30 1\nSTA 3 2 30 2\nDSC 0 1 2\n"
                                     "STO 3 2 40 1\nDSC 0 1 1\nSTO 3 1 45 1\n" +
                                     block(2, "notes")));
}

TEST(TimedoctorExport, NamesThatAreTooManyShareALineAndCountersDoNot) {
  model::MadeMarks made;
  std::uint64_t at = 0;
  for (int i = 0; i < 103; ++i) {
    const std::string name = std::to_string(i);
    made.text(at, 8, "B|8|s" + name).text(at + 10, 8, "E|8").text(at + 11, 8, "C|8|c" + name + "|1");
    at += 12;
  }
  const MadeExport done(made, "timedoctor");
  EXPECT_THAT(done.text(), HasSubstr("NAM 3 101 other\n"));
  EXPECT_THAT(done.text(), HasSubstr("NAM 3 201 8:c99\n"));
  EXPECT_THAT(done.text(), Not(HasSubstr("8:c100\n")));
  EXPECT_THAT(done.summary().notices,
              Contains("3 lines of those that lasted shortest on their CPU are gathered in one, other"));
  EXPECT_THAT(done.summary().notices, Contains("3 counters of programs are left out"));
}

TEST(TimedoctorGauge, FitsWhateverACounterSays) {
  using Limits = std::numeric_limits<std::int64_t>;
  const TimedoctorGauge plain(2, 2'097'151);
  EXPECT_EQ(plain.name(7, "queue"), "7:queue");
  EXPECT_EQ(plain.level(2), 2u);
  const TimedoctorGauge bytes(0, 2'097'152);
  EXPECT_EQ(bytes.name(7, "bytes"), "7:bytes /2");
  EXPECT_EQ(bytes.level(2'097'152), 1'048'576u);
  const TimedoctorGauge all(Limits::min(), Limits::max());
  EXPECT_EQ(all.name(7, "x"), "7:x from -9223372036854775808 /8796093022208");
  EXPECT_EQ(all.level(Limits::min()), 0u);
  EXPECT_EQ(all.level(Limits::max()), TimedoctorWriter::kMostInQueue);
}

}  // namespace
}  // namespace ivtrace::exchange
