#include "patterns/library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/fd.h"
#include "patterns/embedded.h"
#include "run/run_test_support.h"

namespace ivtrace::patterns {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string pattern_text(const std::string& title) {
  return "-- title: " + title + "\n-- text: x\nSELECT 1\n";
}

/// Two directories of a person's own.
class OwnPatterns : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(first_);
    std::filesystem::create_directory(second_);
  }
  static void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }
  static std::vector<std::string> problems(const Library& library) {
    std::vector<std::string> lines;
    for (const PatternProblem& problem : library.problems) lines.push_back(problem.text());
    return lines;
  }

  run::ScratchDirectory scratch_;
  std::string first_ = scratch_ / "first";
  std::string second_ = scratch_ / "second";
};

TEST_F(OwnPatterns, ThoseOfTheProgramAreAlwaysThere) {
  const Library library = load_library({}, {});
  EXPECT_THAT(problems(library), IsEmpty());
  EXPECT_EQ(library.patterns.size(), embedded_patterns().size());
  EXPECT_TRUE(std::is_sorted(library.patterns.begin(), library.patterns.end(),
                             [](const Pattern& a, const Pattern& b) { return a.name < b.name; }));
  EXPECT_THAT(library.nearest("disk-contention-mv"), ::testing::Contains("disk-contention-vm"));
  EXPECT_EQ(library.find("no such"), nullptr);
}

TEST_F(OwnPatterns, TheProgramHasTheFilesAsTheyAre) {
  ASSERT_FALSE(embedded_patterns().empty());
  for (const EmbeddedPattern& pattern : embedded_patterns()) {
    EXPECT_EQ(std::string(pattern.text), *read_file("patterns/" + std::string(pattern.name) + ".sql"))
        << pattern.name;
  }
}

TEST_F(OwnPatterns, ALaterOneTakesThePlaceOfAnEarlierOne) {
  write(first_ + "/disk-own-load.sql", pattern_text("first"));
  write(first_ + "/mine.sql", pattern_text("mine"));
  write(first_ + "/mine.txt", "nothing to do with it");
  write(second_ + "/disk-own-load.sql", pattern_text("second"));
  const Library library = load_library({first_}, {second_});
  EXPECT_THAT(problems(library), IsEmpty());
  EXPECT_EQ(library.patterns.size(), embedded_patterns().size() + 1);
  EXPECT_EQ(library.find("disk-own-load")->title, "second");
  EXPECT_EQ(library.find("disk-own-load")->file, second_ + "/disk-own-load.sql");
  EXPECT_EQ(library.find("mine")->title, "mine");
  EXPECT_EQ(load_library({second_, first_}, {}).find("disk-own-load")->title, "first");
}

TEST_F(OwnPatterns, ADirectoryThatWasAskedForMustBeThere) {
  const std::string none = scratch_ / "none";
  EXPECT_THAT(problems(load_library({none}, {})), IsEmpty());
  EXPECT_THAT(problems(load_library({}, {none})), ElementsAre(none + ": No such file or directory"));
  // One that is there and cannot be read is told in any case.
  const std::string loop = scratch_ / "loop";
  std::filesystem::create_symlink(loop, loop);
  EXPECT_THAT(problems(load_library({loop}, {})), ElementsAre(HasSubstr("loop: ")));
}

TEST_F(OwnPatterns, OneBrokenFileCostsNoOther) {
  write(first_ + "/broken.sql", "-- title: t\n-- txt: x\nSELECT 1\n");
  write(first_ + "/large.sql", std::string((1 << 20) + 1, ' '));
  write(first_ + "/mine.sql", pattern_text("mine"));
  std::filesystem::create_directory(first_ + "/directory.sql");
  write(first_ + "/disk-own-load.sql", "");
  const Library library = load_library({first_}, {});
  EXPECT_THAT(problems(library),
              ElementsAre(first_ + "/broken.sql:2: unknown key \"txt\"; did you mean \"text\"?",
                          HasSubstr("directory.sql: cannot read "),
                          HasSubstr("disk-own-load.sql:1: the head"), HasSubstr("is larger than")));
  EXPECT_NE(library.find("mine"), nullptr);
  EXPECT_EQ(library.find("broken"), nullptr);
  EXPECT_EQ(library.find("disk-own-load")->file, "");  // the program's own is used on
}

TEST_F(OwnPatterns, AFileThatCannotBeReadIsAProblem) {
  const std::string gone = first_ + "/gone.sql";
  std::filesystem::create_symlink(scratch_ / "nowhere", gone);
  EXPECT_THAT(problems(load_library({first_}, {})),
              ElementsAre(AllOf(HasSubstr(gone + ": "), HasSubstr("No such file"))));
}

TEST(PatternDirectories, AreTheMachinesAndThePersons) {
  const char* const home = ::getenv("HOME");
  const std::string before = home != nullptr ? home : "";
  ::unsetenv("XDG_CONFIG_HOME");
  ::setenv("HOME", "/home/me", 1);
  EXPECT_THAT(pattern_directories(),
              ElementsAre("/etc/ivtrace/patterns", "/home/me/.config/ivtrace/patterns"));
  ::setenv("XDG_CONFIG_HOME", "/config", 1);
  EXPECT_THAT(pattern_directories(), ElementsAre("/etc/ivtrace/patterns", "/config/ivtrace/patterns"));
  ::unsetenv("XDG_CONFIG_HOME");
  ::unsetenv("HOME");
  EXPECT_THAT(pattern_directories(), ElementsAre("/etc/ivtrace/patterns"));
  if (home != nullptr) ::setenv("HOME", before.c_str(), 1);
}

}  // namespace
}  // namespace ivtrace::patterns
