#include "query/database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/fd.h"
#include "model/io_test_support.h"
#include "query/query_test_support.h"

namespace ivtrace::query {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

/// A vCPU that exits, is preempted, goes on; its guest switches once.
void fill(model::MadeRun& made) {
  made.entry(kStart + 10);
  made.exit(kStart + 20, 0x400);
  made.host_switch(kStart + 22, model::kVcpuThread, 0, 900, "hog");
  made.host_switch(kStart + 32, 900, 1, model::kVcpuThread, "CPU 0/KVM");
  made.entry(kStart + 35);
  made.guest(kStart + 37, 0, 77);
  made.guest(kStart + 45, 77, 78);
  made.exit(kStart + 50, 0x78);
}

TEST(Database, EventsHaveNamesTextsAndTimesFromTheStart) {
  model::MadeRun made;
  fill(made);
  OpenRun run(made);
  EXPECT_THAT(
      run.ask("SELECT time_ns, machine, cpu, tid, comm, system, name, text, uncertain_ns FROM event"),
      ElementsAre("10|host|0|500|NULL|kvm|kvm_entry|vcpu 0|0",
                  "20|host|0|500|NULL|kvm|kvm_exit|vcpu 0 reason npf rip 0x0|0",
                  "22|host|0|500|NULL|sched|sched_switch|900|0", "32|host|0|900|hog|sched|sched_switch|500|0",
                  "35|host|0|500|CPU 0/KVM|kvm|kvm_entry|vcpu 0|0",
                  "37|vm1|0|0|<idle>|sched|sched_switch|77|0",
                  "45|vm1|0|77|guest-task|sched|sched_switch|78|0",
                  "50|host|0|500|CPU 0/KVM|kvm|kvm_exit|vcpu 0 reason hlt rip 0x0|0"));
}

TEST(Database, VcpuSlicesNameStateReasonAndWhoHadTheCpu) {
  model::MadeRun made;
  fill(made);
  OpenRun run(made);
  EXPECT_THAT(
      run.ask("SELECT * FROM vcpu_slice"),
      ElementsAre("vm1|0|500|guest|10|20|NULL|NULL|NULL|NULL|0", "vm1|0|500|exit|20|22|npf|NULL|NULL|NULL|0",
                  "vm1|0|500|preempted|22|32|npf|900|hog|host|0", "vm1|0|500|exit|32|35|npf|NULL|NULL|NULL|0",
                  "vm1|0|500|guest|35|50|NULL|NULL|NULL|NULL|0"));
}

TEST(Database, SchedSlicesGoFromSwitchToSwitchOnEveryMachine) {
  model::MadeRun made;
  fill(made);
  OpenRun run(made);
  EXPECT_THAT(run.ask("SELECT * FROM sched_slice ORDER BY from_ns"),
              ElementsAre("host|0|900|hog|22|32|asleep|host", "host|0|500|CPU 0/KVM|32|50|open|vm1",
                          "vm1|0|77|guest-task|37|45|runnable|NULL", "vm1|0|78|guest-task|45|50|open|NULL"));
}

TEST(Database, ASliceOfTheHostsBelongsToTheGuestWhoseThreadItIs) {
  model::MadeRun made;
  made.qemu_threads = {500, 501};
  made.host_switch(kStart + 10, 1, 1, 501, "io");
  made.new_task(kStart + 15, 501, 502);
  made.host_switch(kStart + 20, 501, 1, 502, "worker");
  made.host_switch(kStart + 30, 502, 1, 0, "swapper");
  made.host_switch(kStart + 40, 0, 0, 800, "vhost-499");
  made.host_switch(kStart + 50, 800, 1, 900, "hog");
  made.host_switch(kStart + 60, 900, 1, 1, "init");
  OpenRun run(made);
  EXPECT_THAT(run.ask("SELECT tid, owner FROM sched_slice ORDER BY from_ns"),
              ElementsAre("501|vm1", "502|vm1", "0|NULL", "800|vm1", "900|host"));
}

TEST(Database, ALossEndsASliceAtTheLastEventBeforeIt) {
  model::MadeRun made;
  made.host_switch(kStart + 10, 1, 1, 900, "hog");
  made.waking(kStart + 20, 5);
  made.lose();
  made.host_switch(kStart + 40, 5, 1, 6, "next");
  made.host_switch(kStart + 60, 6, 1, 7, "last");
  OpenRun run(made);
  EXPECT_THAT(run.ask("SELECT tid, from_ns, until_ns, end_state FROM sched_slice"),
              ElementsAre("900|10|20|open", "6|40|60|asleep"));
  EXPECT_TRUE(run.database().incomplete());
  EXPECT_THAT(run.ask("SELECT * FROM loss"), ElementsAre("host|0|20|40|NULL|NULL|missed-events"));
}

TEST(Database, AVcpuSliceDoesNotReachIntoWhatTheHostLost) {
  model::MadeRun made;
  made.entry(kStart + 10);
  made.exit(kStart + 20, 0x400);
  made.lose();
  made.entry(kStart + 60);
  made.exit(kStart + 70, 0x400);
  OpenRun run(made);
  EXPECT_THAT(run.ask("SELECT state, from_ns, until_ns FROM vcpu_slice"),
              ElementsAre("guest|10|20", "guest|60|70"));
}

TEST(Database, QemuSlicesAreOfItsOtherThreadsAndEndWhereTheHostLostEvents) {
  model::MadeRun made;
  made.qemu_threads = {510};
  made.host_switch(kStart + 10, 900, 0, 510, "io");
  made.host_switch(kStart + 20, 510, 0, model::kVcpuThread, "CPU 0/KVM");
  made.host_switch(kStart + 30, model::kVcpuThread, 0, 900, "hog");
  made.host_switch(kStart + 40, 900, 0, 510, "io");
  made.waking(kStart + 50, 5);
  made.lose();
  made.host_switch(kStart + 80, 510, 1, 900, "hog");
  OpenRun run(made);
  EXPECT_THAT(
      run.ask("SELECT * FROM qemu_slice"),
      ElementsAre("vm1|510|io|running|10|20|NULL|NULL|NULL|0",
                  "vm1|510|io|preempted|20|30|500|CPU 0/KVM|vm1|0",
                  "vm1|510|io|preempted|30|40|900|hog|host|0", "vm1|510|io|running|40|50|NULL|NULL|NULL|0"));
}

/// A read of vm1's that the host serves in two parts, a write of the host's own, an interrupt and a call.
void fill(model::MadeIo& made) {
  made.guest(10, model::kQueueId, 100, 16);
  made.guest(13, model::kIssueId, 100, 16);
  made.event("host", 15, model::kEnterId, 0, 0, 0, "", model::kQemu1);
  made.host(20, model::kIssueId, 100);
  made.host(21, model::kIssueId, 108);
  made.event("host", 22, model::kExitCallId, 0, 8192, 0, "", model::kQemu1);
  made.event("host", 30, model::kIssueId, model::kHostDevice, 5, 8, "W", 9, "journal");
  made.event("host", 40, model::kCompleteId, model::kHostDevice, 5, 8, "W");
  made.host(60, model::kCompleteId, 108);
  made.host(70, model::kCompleteId, 100);
  made.event("vm1", 75, model::kIrqEntryId, 24, 0, 0, "", 7, "virtio0");
  made.guest(80, model::kCompleteId, 100, 16);
  made.event("vm1", 81, model::kIrqExitId, 24, 0, 0);
}

TEST(Database, BlockRequestsOfAllMachinesNameWhoseTheyAreAndWhatTheyServe) {
  model::MadeIo made;
  fill(made);
  OpenRun run(made);
  EXPECT_THAT(run.ask("SELECT * FROM block_request"),
              ElementsAre("1|host|254:0|write|5|4096|9|journal|30|30|40|host|journal|NULL",
                          "2|vm1|253:0|read|100|8192|77|reader|10|13|80|NULL|NULL|1",
                          "3|host|254:0|read|20588|4096|500|qemu|21|21|60|vm1|NULL|1",
                          "4|host|254:0|read|20580|4096|500|qemu|20|20|70|vm1|NULL|1"));
  // Made by a pass of its own, they name the same requests.
  EXPECT_THAT(run.ask("SELECT r.id, count(*) FROM io_request r JOIN block_request b ON b.request = r.id "
                      "WHERE b.machine = 'host' GROUP BY 1"),
              ElementsAre("1|2"));
  EXPECT_THAT(run.ask("SELECT tid FROM block_request WHERE id = 1"), ElementsAre("9"));
}

TEST(Database, InterruptsAndQemusCallsHaveBeginAndEnd) {
  model::MadeIo made;
  fill(made);
  OpenRun run(made);
  EXPECT_THAT(run.ask("SELECT * FROM irq_slice"), ElementsAre("vm1|0|irq|24|virtio0|75|81"));
  EXPECT_THAT(run.ask("SELECT * FROM qemu_call"), ElementsAre("vm1|500|pread64|15|22|8192"));
}

TEST(Database, WhatProgramsMarkAreSlicesInstantsAndCounters) {
  model::MadeIo made;
  made.text("vm1", 10, 78, "B|77|read");
  made.text("vm1", 20, 78, "I|77|half");
  made.text("vm1", 30, 78, "C|77|queue|-3");
  made.text("vm1", 40, 78, "E|77");
  made.text("host", 50, 9, R"(mark:begin tgid=8 tid=8 name="a \"b\"")");
  made.text("host", 60, 9, "C|8|queue|4");
  made.text("host", 70, 9, "no mark");
  OpenRun run(made);
  EXPECT_THAT(run.ask("SELECT * FROM mark_slice"),
              ElementsAre("vm1|77|78|read|0|10|40|0|0", "host|8|8|a \"b\"|0|50|70|1|0"));
  EXPECT_THAT(run.ask("SELECT * FROM mark_instant"), ElementsAre("vm1|0|77|78|half|20"));
  EXPECT_THAT(run.ask("SELECT * FROM mark_instant WHERE time_ns > 20"), IsEmpty());
  EXPECT_THAT(run.ask("SELECT * FROM mark_counter"),
              ElementsAre("host|8|queue|4|60|70|1", "vm1|77|queue|-3|30|70|1"));
  EXPECT_THAT(run.ask("SELECT time_ns, name, text FROM event WHERE system = 'mark' AND machine = 'vm1'"),
              ElementsAre("10|begin|tgid=77 tid=78 name=read", "20|instant|tgid=77 tid=78 name=half",
                          "30|counter|tgid=77 tid=78 name=queue value=-3", "40|end|tgid=77 tid=78"));
  EXPECT_THAT(run.ask("SELECT time_ns FROM event WHERE system = 'ftrace'"), ElementsAre("70"));
}

TEST(Database, TheJournalsTablesAreThere) {
  model::MadeRun made;
  OpenRun run(made);
  EXPECT_THAT(run.ask("SELECT name, kind, accel, qemu_pid FROM machine"),
              ElementsAre("host|host|NULL|NULL", "vm1|guest|kvm|499"));
  EXPECT_THAT(run.ask("SELECT * FROM vcpu"), ElementsAre("vm1|0|500|3|0"));
  EXPECT_THAT(run.ask("SELECT * FROM thread"), ElementsAre("host|499|NULL|vm1|NULL", "host|500|NULL|vm1|0"));
  EXPECT_THAT(run.ask("SELECT machine, offset, ratio, source FROM clock"),
              ElementsAre("vm1|-1000000|1|kvm-debugfs"));
  EXPECT_THAT(run.ask("SELECT machine, cpu, apic_id, online, delivered FROM cpu WHERE machine = 'vm1'"),
              ElementsAre("vm1|0|3|1|NULL"));
}

TEST(Database, LimitsAreNumbersAndNoneIsNull) {
  model::MadeRun made;
  made.cpu_limit_us = 1'500'000;
  made.disks = {
      {"vm1", "d0", "/a", "raw", "native", "none", 0xfe00, HostTsc(), {200, 0, 0, 0, 4096, 0, "qemu"}},
      {"vm1", "d1", "/b", "raw", "native", "none", 0xfe00, HostTsc(), {}}};
  OpenRun run(made);
  EXPECT_THAT(run.ask("SELECT name, cpu_limit FROM machine"), ElementsAre("host|NULL", "vm1|1.5"));
  EXPECT_THAT(
      run.ask("SELECT device, limit_iops, limit_iops_read, limit_iops_write, limit_bps, limit_bps_read, "
              "limit_bps_write, limit_by FROM disk"),
      ElementsAre("d0|200|NULL|NULL|NULL|4096|NULL|qemu", "d1|NULL|NULL|NULL|NULL|NULL|NULL|NULL"));
}

TEST(Database, WhatWasRecordedIsAskedByMachineAndName) {
  model::MadeRun made;
  fill(made);
  made.host_events = {"kvm:kvm_entry", "kvm:kvm_exit", "sched:sched_switch"};
  OpenRun run(made);
  EXPECT_THAT(run.ask("SELECT what, recorded FROM recorded WHERE machine IS NULL"), ElementsAre("guest|1"));
  EXPECT_THAT(run.ask("SELECT what FROM recorded WHERE machine = 'host' AND recorded"),
              ElementsAre("events", "sched", "exits"));
  EXPECT_THAT(run.ask("SELECT reason, option FROM recorded WHERE machine = 'vm1' AND what = 'sched'"),
              ElementsAre("sched:sched_switch was not recorded|record --events with sched:sched_switch"));
  EXPECT_THAT(
      run.ask("SELECT recorded, reason, option FROM recorded WHERE machine = 'vm1' AND what = 'clock'"),
      ElementsAre("1|NULL|NULL"));
}

TEST(Database, WhatIsNotRecordedIsSaidAndNotJustEmpty) {
  model::MadeRun made;
  OpenRun run(made);
  EXPECT_THAT(run.ask("SELECT * FROM io_phase"), IsEmpty());
  EXPECT_THAT(run.database().notices(), ElementsAre(StartsWith("io_request and io_phase are empty")));
  for (const char* table : {"irq_slice", "block_request", "qemu_call"}) {
    EXPECT_THAT(run.ask(fmt::format("SELECT * FROM {}", table)), IsEmpty());
    EXPECT_THAT(run.database().notices(), Contains(StartsWith(fmt::format("{} is empty", table))));
  }
}

// Pushdown.

TEST(Pushdown, ARangeOfTimeIsAllThatIsRead) {
  model::MadeRun made;
  for (std::uint64_t i = 0; i < 100; ++i) made.waking(kStart + i * 100'000, 5);
  OpenRun run(made);
  EXPECT_THAT(run.ask("SELECT time_ns FROM event WHERE time_ns > 300000 AND time_ns <= 500000"),
              ElementsAre("400000", "500000"));
  EXPECT_LE(run.visited(), 3u);  // 300000 itself is SQLite's to leave out
  run.ask("SELECT time_ns FROM event WHERE +time_ns > 300000 AND +time_ns <= 500000");
  EXPECT_EQ(run.visited(), 100u);
}

TEST(Pushdown, TimeOrderNeedsNoSortAndALimitEndsTheWalk) {
  model::MadeRun made;
  for (std::uint64_t i = 0; i < 100; ++i) made.waking(kStart + i * 100, 5);
  OpenRun run(made);
  EXPECT_THAT(run.ask("SELECT time_ns FROM event ORDER BY time_ns LIMIT 2"), ElementsAre("0", "100"));
  EXPECT_LE(run.visited(), 3u);
  EXPECT_THAT(run.ask("SELECT time_ns FROM event ORDER BY time_ns DESC LIMIT 1"), ElementsAre("9900"));
}

TEST(Pushdown, NamesAndMachinesLeaveOthersOutEarlyAListInOneWalk) {
  model::MadeRun made;
  fill(made);
  OpenRun run(made);
  EXPECT_THAT(run.ask("SELECT count(*) FROM event WHERE name IN ('kvm_exit', 'sched_switch', 'none')"),
              ElementsAre("6"));
  EXPECT_EQ(run.visited(), 6u);
  EXPECT_THAT(run.ask("SELECT count(*) FROM event WHERE machine = 'vm1' AND system = 'sched'"),
              ElementsAre("2"));
  EXPECT_EQ(run.visited(), 2u);
  EXPECT_THAT(run.ask("EXPLAIN QUERY PLAN SELECT * FROM event WHERE machine IN ('a', 'b') AND time_ns < 5 "
                      "AND text = 'x'"),
              ElementsAre(HasSubstr(":machine in,time_ns<,")));
}

TEST(Pushdown, BlocksOfRowsOfOtherTimesAreSkipped) {
  model::MadeRun made;
  constexpr std::uint64_t kSlices = 8 * RowFile::kBlock;
  for (std::uint64_t i = 0; i <= kSlices; ++i)
    made.host_switch(kStart + i * 10, 1 + static_cast<int>(i % 2), 1, 1 + static_cast<int>((i + 1) % 2));
  OpenRun run(made);
  EXPECT_THAT(run.ask("SELECT count(*) FROM sched_slice"), ElementsAre(std::to_string(kSlices)));
  EXPECT_THAT(run.ask("SELECT from_ns FROM sched_slice WHERE from_ns <= 40015 AND until_ns > 40015"),
              ElementsAre("40010"));
  EXPECT_LE(run.visited(), RowFile::kBlock);
}

/// Every condition gives the same rows as when SQLite alone looks at it: a LIMIT keeps it out of the
/// subquery.
TEST(Pushdown, ChangesNoAnswer) {
  model::MadeRun made;
  fill(made);
  OpenRun run(made);
  const auto check = [&run](const std::string& table, const std::string& condition) {
    EXPECT_EQ(run.ask("SELECT * FROM " + table + " WHERE " + condition),
              run.ask("SELECT * FROM (SELECT * FROM " + table + " LIMIT -1) WHERE " + condition))
        << condition;
  };
  for (const char* condition : {"machine = 'vm1'",
                                "machine = 'VM1' COLLATE NOCASE",
                                "machine = 1",
                                "machine = NULL",
                                "machine = x'766d31'",
                                "machine IN ('host', 'none', NULL)",
                                "machine IN (SELECT name FROM machine)",
                                "machine > 'i'",
                                "machine IS 'vm1'",
                                "machine = 'none'",
                                "cpu = 0",
                                "cpu = 1",
                                "cpu = 0.0",
                                "cpu = '0'",
                                "cpu = 'x'",
                                "cpu = -1",
                                "cpu = 0.5",
                                "cpu IN (0, 7)",
                                "cpu = 0 AND cpu = 1",
                                "cpu IN ('0')",
                                "cpu = 4294967295",
                                "time_ns = 22",
                                "time_ns > 22",
                                "time_ns >= 22",
                                "time_ns < 22",
                                "time_ns <= 22",
                                "time_ns > 21.5",
                                "time_ns < 22.5",
                                "time_ns > '22'",
                                "time_ns > 'x'",
                                "time_ns < 'x'",
                                "time_ns < -1e300",
                                "time_ns < 1e300",
                                "time_ns > 9223372036854775807",
                                "time_ns > -9223372036854775808",
                                "time_ns BETWEEN 40 AND 30",
                                "time_ns IN (10, 22)",
                                "time_ns > NULL",
                                "tid = 500",
                                "tid IN (0, 77)",
                                "tid = '500'",
                                "tid = 1e20",
                                "tid = 499.5",
                                "name = 'kvm_exit'",
                                "name = 'none'",
                                "name LIKE 'kvm%'",
                                "name <> 'kvm_exit'"})
    check("event", condition);
  for (const char* condition : {"from_ns > 20 AND from_ns < 40", "from_ns = 22", "from_ns < 20.5",
                                "from_ns >= '22'", "until_ns < 30"})
    check("vcpu_slice", condition);
}

// Reading only.

TEST(ReadOnly, WhatIsNoSelectIsRefusedInOneLine) {
  model::MadeRun made;
  OpenRun run(made);
  for (const char* sql : {"INSERT INTO event VALUES (1)",
                          "DELETE FROM event",
                          "UPDATE machine SET name = 'x'",
                          "CREATE TABLE x (a)",
                          "CREATE TEMP TABLE x AS SELECT 1",
                          "CREATE VIEW v AS SELECT 1",
                          "ATTACH '/tmp/x' AS x",
                          "DETACH main",
                          "PRAGMA user_version = 1",
                          "PRAGMA temp_store",
                          "VACUUM",
                          "VACUUM INTO '/tmp/x'",
                          "BEGIN",
                          "SAVEPOINT x",
                          "ANALYZE",
                          "DROP TABLE event",
                          "ALTER TABLE event ADD COLUMN x",
                          "SELECT * FROM pragma_database_list",
                          "CREATE VIRTUAL TABLE v USING event",
                          "EXPLAIN DELETE FROM event"}) {
    EXPECT_THAT(run.ask(sql), ElementsAre(AllOf(StartsWith("a query only reads"), HasSubstr(".tables"))))
        << sql;
  }
  EXPECT_THAT(run.ask("SELECT load_extension('x')"), ElementsAre(HasSubstr("not authorized")));
  EXPECT_THAT(run.ask("SELECT 1; SELECT 2"), ElementsAre(StartsWith("one statement at a time")));
  EXPECT_THAT(run.ask("SELECT 1; -- and no more\n;"), ElementsAre("1"));
}

TEST(Errors, AnUnknownNameIsAnsweredWithTheNearest) {
  model::MadeRun made;
  OpenRun run(made);
  EXPECT_THAT(run.ask("SELECT * FROM evnt"), ElementsAre("no such table: evnt (did you mean event?)"));
  EXPECT_THAT(run.ask("SELECT e.machin FROM event e"),
              ElementsAre(StartsWith("no such column: e.machin (did you mean machine")));
  EXPECT_THAT(run.ask("SELECT * FROM event WHRE 1"), ElementsAre(HasSubstr("syntax error")));
  EXPECT_THAT(run.ask("  "), ElementsAre(StartsWith("there is no query")));
  EXPECT_THAT(run.ask("SELECT ?"), ElementsAre(HasSubstr("parameter")));
}

TEST(Errors, WhereAQueryMakesNoSenseIsKnownWhenSqliteKnows) {
  model::MadeRun made;
  OpenRun run(made);
  Database& database = run.database();
  EXPECT_FALSE(database.prepare("SELECT 1,\n nme FROM machine").ok());
  EXPECT_EQ(database.error_offset(), 11u);
  EXPECT_TRUE(database.prepare("SELECT 1").ok());
  EXPECT_EQ(database.error_offset(), std::nullopt);
  EXPECT_FALSE(database.prepare("SELECT 1; SELECT 2").ok());
  EXPECT_EQ(database.error_offset(), std::nullopt);
}

// Parameters.

TEST(Parameters, AreBoundByNameWithTheirTypes) {
  model::MadeRun made;
  OpenRun run(made);
  const Parameters given = {{"i", std::int64_t{-7}},
                            {"r", 1.5},
                            {"t", std::string("it's; -- \0x", 11)},
                            {"n", OwnedCell()},
                            {"unused", std::int64_t{1}}};
  Result<Statement> statement =
      run.database().prepare("SELECT :i, @r, $t, :n, typeof(:i), typeof(:r), length(:t)", given);
  ASSERT_TRUE(statement.ok());
  ASSERT_TRUE(*statement->step());
  EXPECT_EQ(statement->owned_cell(0), OwnedCell(std::int64_t{-7}));
  EXPECT_EQ(statement->owned_cell(1), OwnedCell(1.5));
  EXPECT_EQ(statement->owned_cell(2), given.at("t"));
  EXPECT_EQ(statement->owned_cell(3), OwnedCell());
  EXPECT_EQ(statement->owned_cell(4), OwnedCell(std::string("integer")));
  EXPECT_EQ(statement->owned_cell(5), OwnedCell(std::string("real")));
  EXPECT_FALSE(*statement->step());
}

TEST(Parameters, OneWithoutAValueIsAMistake) {
  model::MadeRun made;
  OpenRun run(made);
  for (const char* sql : {"SELECT :x", "SELECT ?", "SELECT ?3"}) {
    const Result<Statement> statement = run.database().prepare(sql, {{"y", std::int64_t{1}}});
    ASSERT_FALSE(statement.ok()) << sql;
    EXPECT_EQ(statement.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(statement.error().message, HasSubstr("has a parameter ("));
  }
}

// Interrupts.

TEST(Interrupt, ARunawayQueryEnds) {
  model::MadeRun made;
  std::atomic<bool> stop = false;
  OpenRun run(made, &stop);
  Result<Statement> statement = run.database().prepare(
      "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i = 1 OR i < "
      "0");
  ASSERT_TRUE(statement.ok());
  ASSERT_TRUE(*statement->step());  // it runs
  std::thread other([&stop] { stop = true; });
  const Result<bool> more = statement->step();  // would go on for ever
  other.join();
  ASSERT_FALSE(more.ok());
  EXPECT_EQ(more.error().code, ErrorCode::kTimeout);
}

TEST(Interrupt, AWalkOverTheRunEndsAndCanBeMadeAnew) {
  model::MadeRun made;
  for (std::uint64_t i = 0; i < 10'000; ++i) made.waking(kStart + i * 10, 5);
  made.host_switch(kStart + 200'000, 1, 1, 2);
  made.waking(kStart + 200'010, 5);
  std::atomic<bool> stop = false;
  OpenRun run(made, &stop);
  // SQLite itself would ask later: the walks do.
  for (const char* sql : {"SELECT 1 FROM sched_slice", "SELECT 1 FROM event WHERE name = 'sched_switch'"}) {
    Result<Statement> statement = run.database().prepare(sql);
    ASSERT_TRUE(statement.ok());
    stop = true;
    EXPECT_EQ(statement->step().error().code, ErrorCode::kTimeout) << sql;
    stop = false;
    EXPECT_EQ(run.ask(sql).size(), 1u) << sql;
  }
}

TEST(Interrupt, IsNotWhatAnotherStatementFailsOf) {
  model::MadeRun made;
  for (std::uint64_t i = 0; i < 10'000; ++i) made.waking(kStart + i * 10, 5);
  std::atomic<bool> stop = false;
  OpenRun run(made, &stop);
  Result<Statement> walks = run.database().prepare("SELECT 1 FROM sched_slice");
  Result<Statement> overflows = run.database().prepare("SELECT abs(-9223372036854775807 - 1)");
  ASSERT_TRUE(walks.ok() && overflows.ok());
  stop = true;
  EXPECT_EQ(walks->step().error().code, ErrorCode::kTimeout);
  stop = false;
  EXPECT_THAT(overflows->step().error().message, HasSubstr("overflow"));
}

// The declarations.

TEST(Tables, AreWhatTheirPageSays) {
  model::MadeRun made;
  OpenRun run(made);
  const std::string page = *read_file("docs/tables.md");
  for (const TableInfo* table : run.database().tables()) {
    const std::size_t begin = page.find(fmt::format("## {}\n", table->name));
    ASSERT_NE(begin, std::string::npos) << table->name;
    const std::string section = page.substr(begin, page.find("\n## ", begin) - begin);
    std::string wanted = "| column | type | unit | meaning |\n|---|---|---|---|\n";
    for (const Column& column : table->columns) {
      wanted += fmt::format("| {} | {} | {} | {} |\n", column.name, to_string(column.type), column.unit,
                            column.meaning);
    }
    EXPECT_THAT(section, AllOf(HasSubstr(table->meaning), HasSubstr(wanted))) << table->name;
    // Which columns are used is told in 31 bits.
    EXPECT_LE(table->columns.size(), 31u);
  }
  // And it tells of no table that is not there.
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("## ") || line == "## finding") continue;  // that one is the patterns'
    EXPECT_NE(run.database().find(line.substr(3)), nullptr) << line;
  }
}

TEST(Tables, ASchemaIsSqlWithItsMeaningBehind) {
  const TableInfo info = {
      "t", "What it is", {{"a", Type::kInteger, "ns", "when"}, {"long_name", Type::kText, "", "who"}}};
  EXPECT_EQ(create_statement(info), "CREATE TABLE t(a INTEGER, long_name TEXT)");
  EXPECT_EQ(schema_text(info),
            "-- What it is\nCREATE TABLE t(\n"
            "  a         INTEGER, -- ns; when\n"
            "  long_name TEXT     -- who\n);\n");
}

TEST(RangeOf, KeepsWhatAnyConditionMayHoldFor) {
  const std::vector<Constraint> constraints = {{0, Compare::kGreater, {std::int64_t{5}}},
                                               {0, Compare::kLessEqual, {9.5}},
                                               {1, Compare::kEqual, {std::int64_t{3}, std::int64_t{8}}},
                                               {2, Compare::kLess, {std::string("x")}}};
  EXPECT_EQ(range_of(constraints, 0).low, 5);
  EXPECT_EQ(range_of(constraints, 0).high, 9);
  EXPECT_EQ(range_of(constraints, 1).low, 3);
  EXPECT_EQ(range_of(constraints, 1).high, 8);
  EXPECT_EQ(range_of(constraints, 2).high, std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(range_of(constraints, 3).low, std::numeric_limits<std::int64_t>::min());
}

}  // namespace
}  // namespace ivtrace::query
