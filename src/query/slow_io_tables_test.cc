#include "query/slow_io_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/slow_io_test_support.h"
#include "query/query_test_support.h"

namespace ivtrace::query {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Of the only row.
double number(OpenRun& run, const std::string& sql) {
  const Lines lines = run.ask(sql);
  EXPECT_EQ(lines.size(), 1u) << sql;
  return lines.empty() ? 0 : std::stod(lines.front());
}

TEST(SlowIoTables, AStretchIsARow) {
  model::MadeIo made;
  fill_contention(made);
  OpenRun run(made);
  EXPECT_THAT(run.ask("SELECT id, machine, device, disk, direction, baseline, host_device FROM io_slow"),
              ElementsAre("1|vm1|253:0|d0|read|alone|254:0"));
  EXPECT_THAT(run.ask("SELECT requests, bytes, from_ns, until_ns FROM io_slow"),
              ElementsAre("40|163840|3000000000|4952150000"));
  EXPECT_NEAR(number(run, "SELECT mean_ns FROM io_slow"), 2'150'000, 1);
  EXPECT_NEAR(number(run, "SELECT expected_ns FROM io_slow"), 150'000, 5'000);
  EXPECT_NEAR(number(run, "SELECT added_host_ns / requests FROM io_slow"), 2'000'000, 5'000);
  EXPECT_NEAR(number(run, "SELECT added_ns - added_host_ns FROM io_slow"), 0, 1'000);
  EXPECT_NEAR(number(run, "SELECT depth FROM io_slow"), 40 * 2.15 / 1952, 0.001);
  // Five others and the read itself in 2.1 ms, 5 * 64 + 4 KiB of them.
  EXPECT_NEAR(number(run, "SELECT device_request_ns FROM io_slow"), 2'100'000 / 6.0, 10'000);
  EXPECT_NEAR(number(run, "SELECT device_bps FROM io_slow"), 324 * 1024 / 0.0021, 1e6);
  EXPECT_NEAR(number(run, "SELECT device_cost FROM io_slow"), 2100 / (600 + 324 * 1024 * 0.004), 0.1);
  EXPECT_THAT(
      run.ask("SELECT machine FROM io_slow JOIN io_request AS r USING (machine) WHERE r.id = slowest"),
      ElementsAre("vm1"));
}

TEST(SlowIoTables, OthersShareTheDeviceByBytesAndRequestsInFlight) {
  model::MadeIo made;
  fill_contention(made);
  OpenRun run(made);
  EXPECT_THAT(run.ask("SELECT slow, machine, task, direction, others_share IS NULL FROM io_slow_load "
                      "ORDER BY machine"),
              ElementsAre("1|host|backup|write|0", "1|vm1|NULL|read|1", "1|vm2|NULL|write|0"));
  EXPECT_NEAR(number(run, "SELECT others_share FROM io_slow_load WHERE machine = 'vm2'"), 0.8, 0.02);
  EXPECT_NEAR(number(run, "SELECT others_share FROM io_slow_load WHERE machine = 'host'"), 0.2, 0.02);
  EXPECT_NEAR(number(run, "SELECT sum(bytes_share) FROM io_slow_load"), 1, 1e-9);
  EXPECT_NEAR(number(run, "SELECT sum(requests_share) FROM io_slow_load"), 1, 1e-9);
  EXPECT_NEAR(number(run, "SELECT requests_share FROM io_slow_load WHERE machine = 'vm1'"), 1 / 6.0, 0.01);
}

TEST(SlowIoTables, ARunWithoutAStretchHasNoRows) {
  model::MadeIo made;
  made.guest(10, model::kIssueId, 100);
  made.guest(20, model::kCompleteId, 100);
  OpenRun run(made);
  EXPECT_THAT(run.ask("SELECT * FROM io_slow"), IsEmpty());
  EXPECT_THAT(run.ask("SELECT * FROM io_slow_load"), IsEmpty());
}

}  // namespace
}  // namespace ivtrace::query
