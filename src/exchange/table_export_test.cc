#include "exchange/table_export.h"

#include <gmock/gmock.h>

#include "base/text.h"
#include "exchange/export_test_support.h"
#include "model/model_test_support.h"

namespace ivtrace::exchange {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

void fill(model::MadeRun& made) {
  made.host_switch(kMadeStart + 10, 1, 1, 900, "a,\"b");
  made.host_switch(kMadeStart + 20, 900, 1, 901, "next");
  made.host_switch(kMadeStart + 30, 901, 1, 1, "init");
  made.guest(kMadeStart + 15, 0, 77);
  made.guest(kMadeStart + 25, 77, 78);
}

TEST(TableExport, RowsAreThoseOfAQuery) {
  model::MadeRun made;
  fill(made);
  const MadeExport done(made, "json");
  EXPECT_THAT(done.text("sched_slice.jsonl"),
              StartsWith("{\"machine\":\"host\",\"cpu\":0,\"tid\":900,\"comm\":\"a,\\\"b\",\"from_ns\":10,"
                         "\"until_ns\":20,\"end_state\":\"asleep\",\"owner\":\"host\"}\n"));
  EXPECT_THAT(done.text("event.jsonl"), HasSubstr("\"name\":\"sched_switch\",\"text\":\"900\""));
  EXPECT_EQ(done.text("io_request.jsonl"), "");
  EXPECT_GT(done.summary().events, 10u);
}

TEST(TableExport, ATableWithoutRowsHasItsHead) {
  model::MadeRun made;
  fill(made);
  const MadeExport done(made, "csv");
  EXPECT_EQ(done.text("io_phase.csv"), "request,phase,from_ns,until_ns\r\n");
  EXPECT_THAT(done.text("sched_slice.csv"),
              StartsWith("machine,cpu,tid,comm,from_ns,until_ns,end_state,owner\r\n"
                         "host,0,900,\"a,\"\"b\",10,20,asleep,host\r\n"));
}

/// A file's lines but the head, cut behind their fields of these numbers.
std::vector<std::string> rows(const std::string& text, std::size_t fields) {
  std::vector<std::string> rows;
  for (const std::string_view line : split(text, '\n')) {
    if (line.empty()) continue;
    const std::vector<std::string_view> cells = split(line.substr(0, line.size() - 1), ',');
    std::string row;
    for (std::size_t i = 0; i < fields; ++i) row += std::string(i == 0 ? "" : ",") + std::string(cells[i]);
    rows.push_back(row);
  }
  rows.erase(rows.begin());
  return rows;
}

TEST(TableExport, ARangeLeavesWhatTouchesIt) {
  model::MadeRun made;
  fill(made);
  const MadeExport done(made, "csv", made_range(21, 27));
  EXPECT_THAT(rows(done.text("sched_slice.csv"), 3),
              UnorderedElementsAre("host,0,901", "vm1,0,77", "vm1,0,78"));
  EXPECT_THAT(rows(done.text("event.csv"), 3), ElementsAre("vm1,0,25"));
  EXPECT_EQ(rows(done.text("machine.csv"), 1).size(), 2u);  // it knows no time
}

TEST(TableExport, AMachineLeavesItsRowsWhereThereAreMachines) {
  model::MadeRun made;
  fill(made);
  merge::Filter filter;
  filter.machines = {"vm1"};
  const MadeExport done(made, "csv", filter);
  EXPECT_THAT(rows(done.text("event.csv"), 3), ElementsAre("vm1,0,15", "vm1,0,25"));
  EXPECT_THAT(rows(done.text("sched_slice.csv"), 3), ElementsAre("vm1,0,77", "vm1,0,78"));
  EXPECT_EQ(rows(done.text("machine.csv"), 1).size(), 2u);
}

TEST(TableExport, ALossIsWhereItTouchesTheRange) {
  const auto losses_within = [](std::uint64_t from, std::uint64_t until) {
    model::MadeRun made;
    made.host_switch(kMadeStart + 10, 1, 1, 900, "hog");
    made.lose();
    made.host_switch(kMadeStart + 40, 5, 1, 6, "next");
    const MadeExport done(made, "csv", made_range(from, until));
    const std::vector<std::string> losses = rows(done.text("loss.csv"), 4);
    EXPECT_EQ(done.summary().incomplete, !losses.empty()) << "what is missing elsewhere is not missing here";
    return losses;
  };
  EXPECT_THAT(losses_within(20, 30), ElementsAre("host,0,10,40"));
  EXPECT_THAT(losses_within(50, 60), IsEmpty());
}

}  // namespace
}  // namespace ivtrace::exchange
