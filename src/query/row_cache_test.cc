#include "query/row_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "base/fd.h"
#include "model/io_test_support.h"
#include "query/query_test_support.h"

namespace ivtrace::query {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr const char* kTables[] = {"vcpu_slice", "qemu_slice",   "sched_slice",  "irq_slice", "block_request",
                                   "qemu_call",  "io_request",   "io_phase",     "io_slow",   "io_slow_load",
                                   "mark_slice", "mark_instant", "mark_counter", "loss"};

/// All that somebody sees of a run.
struct Answers {
  std::map<std::string, Lines> rows;  ///< by table
  std::set<std::string> notices;
  bool incomplete = false;
  bool operator==(const Answers&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Answers& answers) {
  for (const auto& [table, rows] : answers.rows) {
    for (const std::string& row : rows) out << table << ": " << row << "\n";
  }
  for (const std::string& notice : answers.notices) out << notice << "\n";
  return out << answers.incomplete;
}
Answers answers_of(OpenRun& run, std::span<const char* const> tables = kTables) {
  Answers answers;
  for (const char* table : tables) answers.rows[table] = run.ask(std::string("SELECT * FROM ") + table);
  answers.notices = run.database().notices();
  answers.incomplete = run.database().incomplete();
  return answers;
}
Answers answers_without_cache(const std::string& path) {
  OpenRun run(path, CacheUse::kNone);
  return answers_of(run);
}

/// The host's threads, with a hole.
class Threads {
 public:
  explicit Threads(bool ended = true) {
    made_.anchors = true;
    made_.ended = ended;
    made_.qemu_threads = {510};
    made_.entry(kStart + 10);
    made_.exit(kStart + 20, 0x400);
    made_.host_switch(kStart + 22, model::kVcpuThread, 0, 510, "io");
    made_.host_switch(kStart + 28, 510, 0, 900, "hog");
    made_.host_switch(kStart + 32, 900, 1, model::kVcpuThread, "CPU 0/KVM");
    made_.entry(kStart + 35);
    made_.guest(kStart + 37, 0, 77);
    made_.exit(kStart + 50, 0x78);
    made_.lose();
    made_.host_switch(kStart + 90, model::kVcpuThread, 0, 510, "io");
    made_.host_switch(kStart + 95, 510, 0, 900, "hog");
    (void)made_.open();
  }
  std::string path() const { return made_.path(); }
  std::string cache() const { return path() + "/.cache"; }
  std::vector<std::string> kept() const {
    const auto names = list_directory(cache());
    return names ? *names : std::vector<std::string>();
  }
  /// Asks everything, so that all is kept.
  void keep_all() const {
    OpenRun run(path());
    answers_of(run);
    ASSERT_EQ(kept().size(), 9u);
  }

 private:
  model::MadeRun made_;
};

/// A disk whose reads were quick, and then slow beside another's writes.
class Disk {
 public:
  Disk() {
    made_.anchors = true;
    made_.ended = true;
    made_.gap("vm1", "d0", "a part of it");
    constexpr std::uint64_t kMs = 1'000'000;
    for (std::uint64_t i = 0; i < 200; ++i) {
      const std::uint64_t at = kMs + i * 20 * kMs;
      const std::uint64_t took = i < 100 ? kMs / 4 : 6 * kMs;
      made_.guest(at, model::kQueueId, 100);
      made_.guest(at + 10'000, model::kIssueId, 100);
      made_.event("host", at + 20'000, model::kEnterId, 0, 0, 0, "", model::kQemu1);
      made_.host(at + 30'000, model::kIssueId, 100);
      made_.event("host", at + 40'000, model::kExitCallId, 0, 4096, 0, "", model::kQemu1);
      if (i >= 100) {
        made_.event("host", at + 50'000, model::kIssueId, model::kHostDevice, 5, 2048, "W", 9, "journal");
        made_.event("host", at + took - 50'000, model::kCompleteId, model::kHostDevice, 5, 2048, "W");
      }
      made_.host(at + took, model::kCompleteId, 100);
      made_.event("vm1", at + took + 10'000, model::kIrqEntryId, 24, 0, 0, "", 7, "virtio0");
      made_.guest(at + took + 20'000, model::kCompleteId, 100);
      made_.event("vm1", at + took + 30'000, model::kIrqExitId, 24, 0, 0);
      made_.text("vm1", at + took + 40'000, 78, "B|77|round");
      made_.text("vm1", at + took + 50'000, 78, "I|77|now");
      made_.text("vm1", at + took + 60'000, 78, "C|77|rounds|" + std::to_string(i));
      if (i > 0) made_.text("vm1", at + took + 70'000, 78, "E|77");
    }
    (void)made_.open();
  }
  std::string path() const { return made_.path(); }

 private:
  model::MadeIo made_;
};

class RowCacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const fs::space_info disk = fs::space(::testing::TempDir());
    if (disk.available < (2ull << 30) || disk.available < disk.capacity / 9)
      GTEST_SKIP() << "the disk is so full that nothing is kept";
  }
};

void check_both_ways(const std::string& path, std::span<const char* const> not_empty) {
  const Answers made = answers_without_cache(path);
  EXPECT_FALSE(fs::exists(path + "/.cache"));
  for (const char* table : not_empty) EXPECT_THAT(made.rows.at(table), Not(IsEmpty())) << table;
  OpenRun first(path);
  EXPECT_EQ(answers_of(first), made);
  EXPECT_GT(first.database().walks(), 0u);
  OpenRun second(path);
  EXPECT_EQ(answers_of(second), made);
  EXPECT_EQ(second.database().walks(), 0u);
}

TEST_F(RowCacheTest, AnswersAsTheWalkDoesRowByRowAndNoticeByNotice) {
  const Threads threads;
  const char* const of_threads[] = {"vcpu_slice", "qemu_slice", "sched_slice", "loss"};
  check_both_ways(threads.path(), of_threads);
  const Disk disk;
  const char* const of_disk[] = {"irq_slice", "block_request", "qemu_call",  "io_request",   "io_phase",
                                 "io_slow",   "io_slow_load",  "mark_slice", "mark_instant", "mark_counter"};
  check_both_ways(disk.path(), of_disk);
}

TEST_F(RowCacheTest, SaysOnlyWhatBelongsToWhatIsAsked) {
  const Threads made;
  made.keep_all();
  for (const char* table : kTables) {
    const std::span<const char* const> one(&table, 1);
    OpenRun walked(made.path(), CacheUse::kNone);
    OpenRun found(made.path());
    EXPECT_EQ(answers_of(found, one), answers_of(walked, one)) << table;
    EXPECT_EQ(found.database().walks(), 0u) << table;
  }
}

TEST_F(RowCacheTest, WhatIsThereIsNotMadeAgainAndTheRestIs) {
  const Threads made;
  OpenRun(made.path()).ask("SELECT * FROM sched_slice");
  EXPECT_THAT(made.kept(), ElementsAre(HasSubstr("sched_slice.")));
  OpenRun run(made.path());
  const Lines joined = run.ask("SELECT * FROM sched_slice, vcpu_slice");
  EXPECT_GT(run.database().walks(), 0u);
  EXPECT_EQ(joined, OpenRun(made.path(), CacheUse::kNone).ask("SELECT * FROM sched_slice, vcpu_slice"));
  EXPECT_THAT(made.kept(), ElementsAre(HasSubstr("sched_slice."), HasSubstr("vcpu_slice.")));
}

TEST_F(RowCacheTest, ARunThatIsBeingRecordedHasNone) {
  const Threads made(false);
  OpenRun(made.path()).ask("SELECT * FROM sched_slice");
  EXPECT_FALSE(fs::exists(made.cache()));
}

TEST_F(RowCacheTest, AnyChangeOfTheRunMakesItAnewAndTheOldGoes) {
  const Threads made;
  const std::string run = made.path();
  const auto append = [&](const std::string& name, const std::string& text) {
    std::ofstream(run + name, std::ios::app) << text;
  };
  const std::function<void()> changes[] = {
      [&] { fs::last_write_time(run + "/host/cpu0.pages", fs::file_time_type::clock::now()); },
      [&] { append("/host/cpu0.pages", "x"); },
      [&] { append("/vm1/formats", "x"); },
      [&] { append("/host/kallsyms", "x"); },
      [&] { append("/manifest.json", " "); },
      [&] { append("/journal.jsonl", "{\"machine\":\"\",\"text\":\"\",\"tsc\":1,\"type\":\"note\"}\n"); },
      [&] { fs::remove(run + "/vm1/formats"); }};
  for (const auto& change : changes) {
    made.keep_all();
    const std::vector<std::string> before = made.kept();
    change();
    OpenRun changed(run);
    EXPECT_EQ(answers_of(changed), answers_without_cache(run));
    EXPECT_GT(changed.database().walks(), 0u);
    EXPECT_THAT(made.kept(), SizeIs(9));
    EXPECT_NE(made.kept(), before);
    OpenRun again(run);
    answers_of(again);
    EXPECT_EQ(again.database().walks(), 0u);
  }
}

TEST_F(RowCacheTest, WhatChangedAfterItWasOpenedIsNotKept) {
  const Threads made;
  OpenRun run(made.path());
  ASSERT_THAT(run.ask("SELECT * FROM sched_slice"), Not(IsEmpty()));  // what comes next is of the same key
  std::ofstream(made.path() + "/host/cpu0.pages", std::ios::app) << "x";
  run.ask("SELECT * FROM vcpu_slice");
  EXPECT_THAT(made.kept(), ElementsAre(HasSubstr("sched_slice.")));
}

TEST_F(RowCacheTest, AnotherRunsIsNotTaken) {
  const Threads made;
  const Disk other;
  made.keep_all();
  OpenRun(other.path()).ask("SELECT * FROM loss");
  const std::string name = list_directory(other.path() + "/.cache")->front();
  for (const std::string& kept : made.kept()) {
    if (kept.starts_with("loss"))
      fs::copy_file(made.cache() + "/" + kept, other.path() + "/.cache/" + name,
                    fs::copy_options::overwrite_existing);
  }
  OpenRun run(other.path());
  EXPECT_THAT(run.ask("SELECT * FROM loss"), IsEmpty());
  EXPECT_GT(run.database().walks(), 0u);
}

/// Whatever the file has become, the answers are right; false when it was not taken.
bool is_taken(const Threads& made, const Answers& wanted) {
  OpenRun run(made.path());
  EXPECT_EQ(answers_of(run), wanted);
  return run.database().walks() == 0;
}

TEST_F(RowCacheTest, ATornFileIsNotTaken) {
  const Threads made;
  const Answers wanted = answers_without_cache(made.path());
  made.keep_all();
  for (const std::string& name : made.kept()) {
    const std::string path = made.cache() + "/" + name;
    const std::uintmax_t size = fs::file_size(path);
    for (std::uintmax_t left = 0; left < size; left += left < 300 ? 37 : size / 5 + 1) {
      fs::resize_file(path, left);
      EXPECT_FALSE(is_taken(made, wanted)) << name << " " << left;
      EXPECT_EQ(fs::file_size(path), size);  // it was made anew
    }
    fs::resize_file(path, size + 1);
    EXPECT_FALSE(is_taken(made, wanted)) << name;
  }
}

TEST_F(RowCacheTest, AFlippedBitChangesNoAnswer) {
  const Threads made;
  const Answers wanted = answers_without_cache(made.path());
  made.keep_all();
  std::mt19937 chance(1);
  int ignored = 0;
  for (int i = 0; i < 400; ++i) {
    const std::vector<std::string> names = made.kept();
    const std::string path = made.cache() + "/" + names[chance() % names.size()];
    std::string bytes = *read_file(path);
    // The pad up to the next page says nothing.
    std::size_t at = chance() % bytes.size();
    if (i % 4 != 0)
      at = i % 2 == 0 ? chance() % 400 % bytes.size() : bytes.size() - 1 - chance() % 200 % bytes.size();
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << chance() % 8));
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    ignored += is_taken(made, wanted) ? 0 : 1;
  }
  EXPECT_GT(ignored, 250);
}

/// A file whose sums are right and whose content is not, as a hostile run may bring it.
TEST_F(RowCacheTest, AWellSealedLieNeverLeavesItsBounds) {
  const Threads made;
  const std::string sql[] = {"SELECT * FROM vcpu_slice", "SELECT * FROM qemu_slice", "SELECT * FROM loss"};
  std::mt19937 chance(2);
  int taken = 0;
  for (int i = 0; i < 300; ++i) {
    OpenRun run(made.path());
    const RowCache cache(run.run(), run.clock(), nullptr);
    const std::size_t kind = chance() % 3;
    const std::size_t row_bytes[] = {sizeof(VcpuSliceRow), sizeof(QemuSliceRow), sizeof(LossRow)};
    const char* const names[] = {"vcpu_slice", "qemu_slice", "loss"};
    if (i < 3) run.ask(sql[i]);
    const std::size_t which = i < 3 ? static_cast<std::size_t>(i) : kind;
    std::optional<SetFound> found = cache.find(names[which], std::span(&row_bytes[which], 1));
    ASSERT_TRUE(found) << i;
    RowFile rows = *RowFile::create(row_bytes[which]);
    for (std::uint64_t row = 0; row < found->rows[0].count; ++row) {
      std::vector<std::byte> bytes(row_bytes[which]);
      std::memcpy(bytes.data(), found->rows[0].bytes.data() + row * bytes.size(), bytes.size());
      if (chance() % 4 == 0) bytes[chance() % bytes.size()] ^= static_cast<std::byte>(1 << chance() % 8);
      Span times;
      std::memcpy(&times, bytes.data(), sizeof times);
      std::memcpy(rows.add(times), bytes.data(), bytes.size());
    }
    ASSERT_TRUE(rows.seal());
    std::string beside = found->beside;
    if (i % 5 == 0) beside[chance() % beside.size()] ^= static_cast<char>(1 << chance() % 8);
    const std::vector<std::uint64_t> all(row_bytes[which] / 8, ~0ull);
    const RowsToKeep lie[] = {{&rows, all}};
    cache.keep(names[which], beside, lie);
    OpenRun liar(made.path());
    liar.ask(sql[which]);
    taken += liar.database().walks() == 0 ? 1 : 0;
  }
  EXPECT_GT(taken, 20);  // so some lies are told, within their bounds
}

TEST_F(RowCacheTest, NoMoreIsKeptThanBecomesTheRun) {
  const Threads made;
  OpenRun run(made.path());
  const RowCache cache(run.run(), run.clock(), nullptr);
  RowFile rows = *RowFile::create(sizeof(Span));
  const Span row{1, 2};
  for (int i = 0; i < 200'000; ++i) std::memcpy(rows.add(row), &row, sizeof row);
  ASSERT_TRUE(rows.seal());
  const std::vector<std::uint64_t> all(2, ~0ull);
  const RowsToKeep much[] = {{&rows, all}};
  cache.keep("much", "", much);
  EXPECT_THAT(made.kept(), IsEmpty());
}

TEST_F(RowCacheTest, LinksAreNotFollowed) {
  const Threads made;
  const run::ScratchDirectory elsewhere;
  const Answers wanted = answers_without_cache(made.path());
  fs::create_directory(elsewhere / "folder");
  fs::create_symlink(elsewhere / "folder", made.cache());
  EXPECT_FALSE(is_taken(made, wanted));
  EXPECT_TRUE(fs::is_empty(elsewhere / "folder"));
  fs::remove(made.cache());
  made.keep_all();
  const std::string name = made.kept().front();
  fs::rename(made.cache() + "/" + name, elsewhere / "file");
  fs::create_symlink(elsewhere / "file", made.cache() + "/" + name);
  EXPECT_FALSE(is_taken(made, wanted));
  EXPECT_FALSE(fs::is_symlink(made.cache() + "/" + name));  // replaced
  EXPECT_TRUE(is_taken(made, wanted));
}

TEST_F(RowCacheTest, NeitherAPipeNorAFolderNorAFileStandsInTheWay) {
  const Threads made;
  const Answers wanted = answers_without_cache(made.path());
  std::ofstream(made.cache()) << "a file";
  EXPECT_FALSE(is_taken(made, wanted));
  fs::remove(made.cache());
  made.keep_all();
  const std::string path = made.cache() + "/" + made.kept().front();
  fs::remove(path);
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_FALSE(is_taken(made, wanted));
  EXPECT_TRUE(is_taken(made, wanted));
  fs::remove(path);
  fs::create_directory(path);
  EXPECT_FALSE(is_taken(made, wanted));
  EXPECT_THAT(made.kept(), SizeIs(9));  // no draft is left
}

TEST_F(RowCacheTest, OthersFilesAndFilesThatOthersMayWriteAreNotTaken) {
  const Threads made;
  const Answers wanted = answers_without_cache(made.path());
  made.keep_all();
  const std::string path = made.cache() + "/" + made.kept().front();
  fs::permissions(path, fs::perms::group_write, fs::perm_options::add);
  EXPECT_FALSE(is_taken(made, wanted));
  EXPECT_TRUE(is_taken(made, wanted));
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  ASSERT_EQ(::chown(path.c_str(), 65534, 65534), 0);
  EXPECT_FALSE(is_taken(made, wanted));
}

TEST_F(RowCacheTest, InAnothersRunNothingIsWritten) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  const Threads made;
  ASSERT_EQ(::chown(made.path().c_str(), 65534, 65534), 0);
  OpenRun(made.path()).ask("SELECT * FROM sched_slice");
  EXPECT_FALSE(fs::exists(made.cache()));
}

TEST_F(RowCacheTest, WhatADeadWriterLeftIsRemovedAndWhatIsNotOursStays) {
  const Threads made;
  fs::create_directory(made.cache());
  fs::permissions(made.cache(), fs::perms(0755));
  for (const char* name : {"/loss.draft", "/loss.0123456789abcdef.rows", "/README"})
    std::ofstream(made.cache() + name) << "x";
  OpenRun(made.path()).ask("SELECT * FROM loss");
  EXPECT_THAT(made.kept(), UnorderedElementsAre("README", HasSubstr("loss.")));
  EXPECT_FALSE(fs::exists(made.cache() + "/loss.0123456789abcdef.rows"));
}

TEST_F(RowCacheTest, ManyWritersAtOnceLeaveWholeFiles) {
  const Threads made;
  const Answers wanted = answers_without_cache(made.path());
  for (int round = 0; round < 10; ++round) {
    fs::remove_all(made.cache());
    std::vector<std::thread> writers;
    for (int i = 0; i < 4; ++i) {
      writers.emplace_back([&] {
        OpenRun run(made.path());
        EXPECT_EQ(answers_of(run), wanted);
      });
    }
    for (std::thread& writer : writers) writer.join();
    for (const std::string& name : made.kept()) EXPECT_THAT(name, HasSubstr(".rows"));
  }
  is_taken(made, wanted);
  EXPECT_TRUE(is_taken(made, wanted));
}

TEST_F(RowCacheTest, WhenItIsCutWhileItIsReadTheQuerySaysSo) {
  const Threads made;
  made.keep_all();
  OpenRun run(made.path());
  Result<Statement> statement = run.database().prepare("SELECT * FROM sched_slice");
  ASSERT_TRUE(statement.ok());
  ASSERT_TRUE(*statement->step());
  for (const std::string& name : made.kept()) fs::resize_file(made.cache() + "/" + name, 0);
  Result<bool> more = statement->step();  // the row that follows may have been looked at
  while (more && *more) more = statement->step();
  ASSERT_FALSE(more.ok());
  EXPECT_THAT(more.error().to_string(), HasSubstr("was cut"));
}

}  // namespace
}  // namespace ivtrace::query
