#include "cli/containment.h"

#include <gtest/gtest.h>

#include "cli/run_info_load.h"
#include "model/model_test_support.h"

namespace ivtrace::cli {
namespace {

constexpr std::uint64_t kStart = 2'000'000;

/// A run whose second guest event lies 40 ticks behind its vCPU's exit.
run::RunReader run_with_violation(model::MadeRun& made) {
  made.entry(kStart);
  made.guest(kStart + 10, 1, 2);
  made.exit(kStart + 100);
  made.guest(kStart + 140, 2, 1);
  made.entry(kStart + 300);
  made.exit(kStart + 400);
  made.anchors = true;
  return made.open();
}

TEST(Containment, IsMeasuredAndThenStandsInTheJournal) {
  model::MadeRun made;
  const std::string path = run_with_violation(made).path();
  const auto measured = journal_containment(path, [] { return false; });
  ASSERT_TRUE(measured.ok()) << measured.error().message;
  ASSERT_EQ(measured->size(), 1u);
  EXPECT_EQ(measured->at("vm1").inside, 1u);
  EXPECT_EQ(measured->at("vm1").outside, 1u);
  EXPECT_EQ(measured->at("vm1").worst_ns, 40);

  const auto run = run::RunReader::open(path);
  ASSERT_TRUE(run.ok());
  EXPECT_TRUE(run->damage().empty());
  const auto& records = run->find("vm1")->containment;
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].vcpu, 0);
  EXPECT_EQ(records[0].inside, 1u);
  EXPECT_EQ(records[0].worst_ticks, 40u);
  EXPECT_EQ(records[0].worst_at, HostTsc(kStart + 140));
}

TEST(Containment, OfTheJournalIsNotMeasuredAgain) {
  model::MadeRun made;
  const std::string path = run_with_violation(made).path();
  {
    const auto writer = run::RunWriter::reopen(path);
    ASSERT_TRUE((*writer)->append(run::ContainmentRecord{"vm1", 0, 700, 0, 0, 0, 0, std::nullopt}));
    ASSERT_TRUE((*writer)->append(run::ContainmentRecord{"vm1", 1, 300, 2, 3, 4, 50, HostTsc(kStart + 1)}));
  }
  const auto run = run::RunReader::open(path);
  const Containments told = containment_of(*run, *host_clock_of(*run));
  EXPECT_EQ(told.at("vm1").inside, 1000u);
  EXPECT_EQ(told.at("vm1").outside, 2u);
  EXPECT_EQ(told.at("vm1").in_lost_ranges, 3u);
  EXPECT_EQ(told.at("vm1").unknown, 4u);
  EXPECT_EQ(told.at("vm1").worst_ns, 50);
}

TEST(Containment, IsMeasuredWhereTheJournalTellsNone) {
  model::MadeRun made;
  const run::RunReader run = run_with_violation(made);
  EXPECT_EQ(containment_of(run, *host_clock_of(run)).at("vm1").outside, 1u);
}

TEST(Containment, OfARunWithoutKvmIsNothing) {
  model::MadeRun made;
  made.anchors = true;
  made.accel = "tcg";
  const std::string path = run_with_violation(made).path();
  const auto measured = journal_containment(path, [] { return false; });
  ASSERT_TRUE(measured.ok());
  EXPECT_TRUE(measured->empty());
  EXPECT_TRUE(run::RunReader::open(path)->find("vm1")->containment.empty());
}

TEST(Containment, IsToldInOneClause) {
  ContainmentInfo info;
  info.inside = 640'000;
  EXPECT_EQ(containment_text(info),
            "640,000 of 640,000 events lie between kvm_entry and kvm_exit of their vCPU");
  info.outside = 2;
  info.worst_ns = 1500;
  info.worst_at_ns = 2'500'000'000;
  info.in_lost_ranges = 3;
  info.unknown = 4;
  EXPECT_EQ(
      containment_text(info),
      "640,000 of 640,002 events lie between kvm_entry and kvm_exit of their vCPU; WRONG CLOCK: 2 do not, "
      "the worst by 1500 ns at 2.500000000; 3 where the host lost events are not judged; 4 cannot be "
      "judged");
}

}  // namespace
}  // namespace ivtrace::cli
