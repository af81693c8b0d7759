#include "base/replacement.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/fd.h"

namespace ivtrace {
namespace {

namespace fs = std::filesystem;

class ReplacementTest : public ::testing::Test {
 protected:
  ReplacementTest() {
    std::string pattern = (fs::temp_directory_path() / "ivtrace_replacement_XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~ReplacementTest() override { fs::remove_all(folder_); }
  std::string at(const std::string& name) const { return folder_ + "/" + name; }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  static void write(const std::string& path, std::string_view text) { ASSERT_TRUE(replace_file(path, text)); }

  std::string folder_;
};

TEST_F(ReplacementTest, AFileTakesItsPlaceWhenItIsWhole) {
  auto made = Replacement::file(at("out"), false);
  ASSERT_TRUE(made);
  write(made->fresh(), "new");
  EXPECT_FALSE(fs::exists(at("out")));
  ASSERT_TRUE(made->put());
  EXPECT_EQ(read_file(at("out")).value(), "new");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(ReplacementTest, WhatIsNotPutLeavesNothing) {
  { ASSERT_TRUE(Replacement::file(at("out"), false)); }
  { ASSERT_TRUE(Replacement::folder(at("out"), false, {"mark", ""})); }
  EXPECT_EQ(entries(), 0u);
}

TEST_F(ReplacementTest, AFileIsReplacedOnlyByForce) {
  write(at("out"), "old");
  EXPECT_EQ(Replacement::file(at("out"), false).error().code, ErrorCode::kBusy);
  auto made = Replacement::file(at("out"), true);
  ASSERT_TRUE(made);
  write(made->fresh(), "new");
  ASSERT_TRUE(made->put());
  EXPECT_EQ(read_file(at("out")).value(), "new");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(ReplacementTest, WhatCameMeanwhileStays) {
  auto made = Replacement::file(at("out"), false);
  ASSERT_TRUE(made);
  write(at("out"), "somebody's");
  EXPECT_EQ(made->put().error().code, ErrorCode::kBusy);
  EXPECT_EQ(read_file(at("out")).value(), "somebody's");
}

TEST_F(ReplacementTest, AMarkedFolderIsReplacedByForce) {
  fs::create_directory(at("out"));
  write(at("out/mark"), "old\n");
  write(at("out/old"), "");
  write(at("out/later"), "");
  EXPECT_EQ(Replacement::folder(at("out"), false, {"mark", ""}).error().code, ErrorCode::kBusy);
  {
    auto made = Replacement::folder(at("out/"), true, {"mark", "later"});
    ASSERT_TRUE(made);
    write(made->fresh() + "/new", "");
    ASSERT_TRUE(made->put());
  }
  EXPECT_TRUE(fs::exists(at("out/new")));
  EXPECT_FALSE(fs::exists(at("out/old")));
  EXPECT_EQ(entries(), 1u);
}

TEST_F(ReplacementTest, AFolderOfSomebodyElseIsNeverReplaced) {
  fs::create_directory(at("out"));
  write(at("out/work"), "");
  EXPECT_EQ(Replacement::folder(at("out"), true, {"mark", "later"}).error().code, ErrorCode::kBusy);
  write(at("out/mark"), "old\n");
  EXPECT_EQ(Replacement::folder(at("out"), true, {"mark", "later"}).error().code, ErrorCode::kBusy);
  EXPECT_EQ(Replacement::file(at("out"), true).error().code, ErrorCode::kInvalid);
  EXPECT_TRUE(fs::exists(at("out/work")));
}

TEST_F(ReplacementTest, TheMarkNamesWhatIsThere) {
  auto made = Replacement::folder(at("out"), false, {"mark", ""});
  write(made->fresh() + "/a", "");
  ASSERT_TRUE(made->put());
  EXPECT_EQ(read_file(at("out/mark")).value(), "a\n");
}

TEST_F(ReplacementTest, WhatIsNoFileIsLeftAloneAndAModeIsKept) {
  ASSERT_EQ(::mkfifo(at("pipe").c_str(), 0600), 0);
  EXPECT_EQ(Replacement::file(at("pipe"), true).error().code, ErrorCode::kInvalid);
  write(at("out"), "old");
  fs::permissions(at("out"), fs::perms::owner_read | fs::perms::owner_write);
  auto made = Replacement::file(at("out"), true);
  ASSERT_TRUE(made->put());
  EXPECT_EQ(fs::status(at("out")).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(ReplacementTest, WhatLiesInTheSourceOrAroundItIsRefused) {
  fs::create_directory(at("run"));
  EXPECT_FALSE(keep_apart(at("run"), at("run/")));
  EXPECT_FALSE(keep_apart(at("run/new/x"), at("run")));
  EXPECT_FALSE(keep_apart(folder_, at("run")));
  EXPECT_TRUE(keep_apart(at("run2"), at("run")));
  EXPECT_TRUE(keep_apart(at("other/run"), at("run")));
}

}  // namespace
}  // namespace ivtrace
