#include "base/file_writer.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

namespace ivtrace {
namespace {

class FileWriterTest : public ::testing::Test {
 protected:
  FileWriterTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ivtrace_writer_XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~FileWriterTest() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
};

TEST_F(FileWriterTest, WhatWasAppendedIsThereAndCanBePatched) {
  auto file = FileWriter::create(folder_ + "/out").value();
  file << "....";
  file.append_value(std::uint32_t{0x64636261});
  EXPECT_EQ(file.offset(), 8u);
  file.patch(2, std::as_bytes(std::span("XY", 2)));
  file.text() += std::string(2u << 20, '-');
  file.spill();
  file << "end";
  file.patch_value(0, 'A');
  EXPECT_EQ(file.offset(), 8 + (2u << 20) + 3);
  ASSERT_TRUE(file.close());
  const std::string text = read_file(folder_ + "/out").value();
  EXPECT_EQ(text.substr(0, 9), "A.XYabcd-");
  EXPECT_EQ(text.substr(text.size() - 4), "-end");
  EXPECT_EQ(text.size(), 8 + (2u << 20) + 3);
}

TEST_F(FileWriterTest, AFullDiskIsToldOnce) {
  auto file = FileWriter::create("/dev/full").value();
  file << "x";
  EXPECT_FALSE(file.close());
  EXPECT_FALSE(FileWriter::create(folder_ + "/none/out"));
}

}  // namespace
}  // namespace ivtrace
