#include "exchange/timedoctor_writer.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/fd.h"
#include "run/run_test_support.h"

namespace ivtrace::exchange {
namespace {

using Kind = TimedoctorWriter::Kind;

class Timedoctor : public ::testing::Test {
 protected:
  TimedoctorWriter& writer() { return writer_; }
  /// All that was written, without the head and the end.
  std::string written() {
    writer_.finish();
    EXPECT_TRUE(out_.close());
    const std::string text = read_file(scratch_ / "run.tdi").value();
    constexpr std::string_view kHead = "TIME 1000000000\n";
    EXPECT_TRUE(text.starts_with(kHead) && text.ends_with("END\n")) << text;
    return text.substr(kHead.size(), text.size() - kHead.size() - 4);
  }

 private:
  run::ScratchDirectory scratch_;
  FileWriter out_ = FileWriter::create(scratch_ / "run.tdi").value();
  TimedoctorWriter writer_{out_};
};

TEST_F(Timedoctor, BlocksFollowEachOtherAndEachIsClosed) {
  writer().begin_cpu("host:cpu0");
  const auto idle = writer().add_line(Kind::kTask, "idle");
  const auto bash = writer().add_line(Kind::kTask, "bash-42");
  const auto disk = writer().add_line(Kind::kQueue, "disk");
  writer().start(idle, 5);
  writer().stop(idle, 10);
  writer().start(bash, 10);
  writer().start(disk, 11);
  writer().begin_cpu("vm1:cpu0");
  const auto task = writer().add_line(Kind::kTask, "init-1");
  writer().start(task, 7);
  writer().stop(task, 9);
  EXPECT_EQ(writer().latest(), 11);
  EXPECT_EQ(writer().samples(), 7u);
  EXPECT_EQ(written(),
            "CPU 1 host:cpu0\n"
            "SPEED 1000000000\n"
            "NAM 0 1 idle\n"
            "NAM 0 2 bash-42\n"
            "NAM 3 3 disk\n"
            "STA 0 1 5\n"
            "STO 0 1 10\n"
            "STA 0 2 10\n"
            "STA 3 3 11 1\n"
            "STO 0 2 11\n"
            "CPU 2 vm1:cpu0\n"
            "SPEED 1000000000\n"
            "NAM 0 1 init-1\n"
            "STA 0 1 7\n"
            "STO 0 1 9\n");
}

class OneCpu : public Timedoctor {
 protected:
  OneCpu() {
    writer().begin_cpu("c");
    task_ = writer().add_line(Kind::kTask, "task");
    other_ = writer().add_line(Kind::kTask, "other");
    irq_ = writer().add_line(Kind::kInterrupt, "irq");
    soft_ = writer().add_line(Kind::kInterrupt, "soft");
    queue_ = writer().add_line(Kind::kQueue, "queue");
    note_ = writer().add_line(Kind::kNote, "notes");
  }
  std::string samples() {
    const std::string text = written();
    constexpr std::string_view kLastName = "DNM 0 1 note\n";
    return text.substr(text.find(kLastName) + kLastName.size());
  }
  TimedoctorWriter::Line task_, other_, irq_, soft_, queue_, note_;
};

TEST_F(OneCpu, InterruptsNest) {
  writer().start(task_, 1);
  writer().start(soft_, 2);
  writer().start(irq_, 3);
  writer().stop(irq_, 4);
  writer().stop(soft_, 5);
  writer().stop(task_, 6);
  EXPECT_EQ(samples(), "STA 0 1 1\nSTA 1 4 2\nSTA 1 3 3\nSTO 1 3 4\nSTO 1 4 5\nSTO 0 1 6\n");
}

TEST_F(OneCpu, AnInterruptThatOverlapsTheNextEndsIt) {
  writer().start(soft_, 2);
  writer().start(irq_, 3);
  writer().stop(soft_, 4);
  writer().stop(irq_, 5);  // it is over
  writer().start(irq_, 6);
  writer().start(irq_, 7);  // within itself
  writer().stop(irq_, 8);
  writer().stop(irq_, 9);
  EXPECT_EQ(samples(), "STA 1 4 2\nSTA 1 3 3\nSTO 1 3 4\nSTO 1 4 4\nSTA 1 3 6\nSTO 1 3 9\n");
}

TEST_F(OneCpu, ASwitchEndsTheTaskBeforeAndItsInterrupts) {
  writer().start(task_, 1);
  writer().start(soft_, 2);
  writer().start(other_, 3);
  writer().stop(soft_, 4);
  writer().stop(task_, 5);
  EXPECT_EQ(samples(), "STA 0 1 1\nSTA 1 4 2\nSTO 1 4 3\nSTO 0 1 3\nSTA 0 2 3\nSTO 0 2 5\n");
}

TEST_F(OneCpu, NothingStopsThatHasNotStarted) {
  writer().stop(task_, 1);
  writer().stop(irq_, 1);
  writer().stop(queue_, 1);
  EXPECT_EQ(samples(), "");
}

TEST_F(OneCpu, TimesNeverFallAndStayExact) {
  writer().start(queue_, -5);
  writer().start(queue_, 20);
  writer().stop(queue_, 10);
  writer().stop(queue_, std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(samples(), "STA 3 5 0 1\nSTA 3 5 20 1\nSTO 3 5 20 1\nSTO 3 5 9007199254740992 1\n");
}

TEST_F(OneCpu, AQueueIsNeverFullerThanTheViewerCounts) {
  constexpr std::uint32_t kBeyond = TimedoctorWriter::kMostInQueue + 3;
  for (std::uint32_t i = 0; i < kBeyond; ++i) writer().start(queue_, 1);
  EXPECT_EQ(writer().samples(), TimedoctorWriter::kMostInQueue);
  for (std::uint32_t i = 0; i < kBeyond; ++i) writer().stop(queue_, 2);
  EXPECT_EQ(writer().samples(), 2u * TimedoctorWriter::kMostInQueue);
}

TEST(TimedoctorGaugeLine, MovesByWhatItsLevelChanges) {
  run::ScratchDirectory scratch;
  FileWriter out = FileWriter::create(scratch / "run.tdi").value();
  TimedoctorWriter writer(out);
  writer.begin_cpu("x");
  const auto gauge = writer.add_gauge("queue");
  writer.set_level(gauge, 1, 0, "0");
  writer.set_level(gauge, 2, 5, "5");
  writer.set_level(gauge, 3, 5, "5");
  writer.set_level(gauge, 4, 1, "1");
  writer.set_level(gauge, 5, TimedoctorWriter::kMostInQueue + 9, "many");
  writer.finish();
  ASSERT_TRUE(out.close());
  EXPECT_TRUE(read_file(scratch / "run.tdi")
                  .value()
                  .ends_with("NAM 3 1 queue\nDNM 0 1 note\nSTA 3 1 2 5\nDSC 0 1 5\nSTO 3 1 4 4\nDSC 0 1 1\n"
                             "STA 3 1 5 2097150\nDSC 0 1 many\nEND\n"));
}

TEST_F(OneCpu, ANoteIsASampleWithItsText) {
  writer().note(note_, 3, "vm1's reads\nare slow");
  EXPECT_EQ(samples(), "OCC 7 6 3\nDSC 0 1 vm1's_reads_are_slow\n");
}

TEST(TimedoctorWord, IsOneWordOfAscii) {
  EXPECT_EQ(timedoctor_word("kworker/0:1"), "kworker/0:1");
  EXPECT_EQ(timedoctor_word("a b\tc\x1b[31m\x7f"), "a_b_c_[31m_");
  EXPECT_EQ(timedoctor_word("\xe2\x80\xa6x"), "_x");
  EXPECT_EQ(timedoctor_word("\x80"), "_");
  EXPECT_EQ(timedoctor_word(""), "_");
  EXPECT_EQ(timedoctor_word(std::string(5000, 'a')).size(), 1000u);
}

}  // namespace
}  // namespace ivtrace::exchange
