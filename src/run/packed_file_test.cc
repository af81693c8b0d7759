#include "run/packed_file.h"

#include <gtest/gtest.h>

#include <cstring>

#include "run/run_test_support.h"

namespace ivtrace::run {
namespace {

std::string image(char fill, std::size_t bytes) { return std::string(bytes, fill); }

PagePiece piece(std::uint64_t page, std::uint32_t offset, const std::string& bytes) {
  PagePiece made;
  made.page = page;
  made.offset = offset;
  made.bytes = std::as_bytes(std::span(bytes));
  return made;
}

/// The images as a plain reader sees them: page number → bytes that are there.
std::vector<std::pair<std::uint64_t, std::string>> images_of(const std::string& content) {
  std::vector<std::pair<std::uint64_t, std::string>> images;
  std::size_t at = 0;
  while (content.size() - at >= sizeof(format::PackedPage)) {
    format::PackedPage header;
    std::memcpy(&header, content.data() + at, sizeof header);
    at += sizeof header;
    images.emplace_back(header.page, content.substr(at, header.bytes));
    at += std::min<std::size_t>(header.bytes, content.size() - at);
  }
  return images;
}

class PackedFile : public ::testing::Test {
 protected:
  UniqueFd open() { return *open_file(scratch_ / "cpu0.pages", O_RDWR | O_CREAT); }
  std::string content() { return *read_file(scratch_ / "cpu0.pages"); }
  void set_content(const std::string& text) { ASSERT_TRUE(replace_file(scratch_ / "cpu0.pages", text).ok()); }

  ScratchDirectory scratch_;
};

TEST_F(PackedFile, PagesGrowAndFollowEachOther) {
  auto writer = PackedFileWriter::create(open(), "file");
  ASSERT_TRUE(writer.ok());
  const std::string a = image('a', 40), b = image('b', 24), c = image('c', 16);
  EXPECT_EQ(*writer->add(piece(0, 0, a)), PieceOutcome::kWritten);
  EXPECT_EQ(*writer->add(piece(0, 40, b)), PieceOutcome::kWritten);
  PagePiece missed = piece(2, 0, c);
  missed.missed = true;
  missed.missed_count = 99;
  EXPECT_EQ(*writer->add(missed), PieceOutcome::kWritten);
  const auto images = images_of(content());
  ASSERT_EQ(images.size(), 2u);
  EXPECT_EQ(images[0], std::pair(std::uint64_t{0}, a + b));
  EXPECT_EQ(images[1], std::pair(std::uint64_t{2}, c));
  format::PackedPage header;
  std::memcpy(&header, content().data() + 24 + 64, sizeof header);
  EXPECT_EQ(header.flags, format::kPackedMissed | format::kPackedMissedCounted);
  EXPECT_EQ(header.missed, 99u);
  EXPECT_EQ(writer->size(), content().size());
}

TEST_F(PackedFile, AContinuationWithoutItsStartIsNotWritten) {
  auto writer = PackedFileWriter::create(open(), "file");
  EXPECT_EQ(*writer->add(piece(3, 40, image('a', 8))), PieceOutcome::kNoStart);
  EXPECT_EQ(*writer->add(piece(4, 0, image('a', 16))), PieceOutcome::kWritten);
  EXPECT_EQ(*writer->add(piece(4, 24, image('a', 8))), PieceOutcome::kNoStart);
  EXPECT_EQ(images_of(content()).size(), 1u);
}

TEST_F(PackedFile, ANewSegmentStartsItsNumbersAgain) {
  auto writer = PackedFileWriter::create(open(), "file");
  ASSERT_TRUE(writer->add(piece(7, 0, image('a', 16))).ok());
  const std::uint64_t second = writer->start_segment();
  EXPECT_EQ(second, content().size());
  EXPECT_EQ(*writer->add(piece(0, 0, image('b', 16))), PieceOutcome::kWritten);
  auto resumed = PackedFileWriter::resume(open(), second, "file");
  EXPECT_EQ(*resumed->add(piece(0, 0, image('b', 16))), PieceOutcome::kAlreadyThere);
  EXPECT_EQ(*resumed->add(piece(1, 0, image('c', 16))), PieceOutcome::kWritten);
  EXPECT_EQ(images_of(content()).size(), 3u);
}

// The recorder may die after any byte of any write, before the ring learned that a piece was saved. The ring
// then hands over the same pieces again; the file must come out as if nothing had happened.
TEST_F(PackedFile, CutAtEveryByteAndResumedItEqualsTheUncutFile) {
  struct Step {
    std::uint64_t page;
    std::uint32_t offset;
    std::string bytes;
  };
  const std::vector<Step> steps = {{0, 0, image('a', 40)}, {0, 40, image('b', 16)}, {1, 0, image('c', 16)},
                                   {1, 16, image('d', 8)}, {1, 24, image('e', 8)},  {2, 0, image('f', 32)}};
  auto whole = PackedFileWriter::create(open(), "file");
  for (const Step& s : steps) ASSERT_TRUE(whole->add(piece(s.page, s.offset, s.bytes)).ok());
  const std::string uncut = content();
  for (std::size_t cut = 0; cut <= uncut.size(); ++cut) {
    for (std::size_t redelivered_from = 0; redelivered_from <= steps.size(); ++redelivered_from) {
      // Everything before the first redelivered piece must be in the file, else the ring would still hold it.
      std::size_t saved = 0;
      for (std::size_t i = 0; i < redelivered_from; ++i) {
        saved += steps[i].bytes.size() + (steps[i].offset == 0 ? sizeof(format::PackedPage) : 0);
      }
      if (saved > cut) break;
      set_content(uncut.substr(0, cut));
      auto resumed = PackedFileWriter::resume(open(), 0, "file");
      ASSERT_TRUE(resumed.ok()) << resumed.error().message;
      for (std::size_t i = redelivered_from; i < steps.size(); ++i) {
        auto outcome = resumed->add(piece(steps[i].page, steps[i].offset, steps[i].bytes));
        ASSERT_TRUE(outcome.ok());
        ASSERT_NE(*outcome, PieceOutcome::kNoStart) << "cut " << cut << " piece " << i;
      }
      ASSERT_EQ(content(), uncut) << "cut " << cut << " from piece " << redelivered_from;
    }
  }
}

TEST_F(PackedFile, ARaisedLengthWithoutItsBytesIsLowered) {
  auto writer = PackedFileWriter::create(open(), "file");
  ASSERT_TRUE(writer->add(piece(0, 0, image('a', 32))).ok());
  std::string torn = content();
  torn[0] = 100;  // bytes: the step before the append
  set_content(torn);
  auto resumed = PackedFileWriter::resume(open(), 0, "file");
  EXPECT_EQ(*resumed->add(piece(1, 0, image('b', 16))), PieceOutcome::kWritten);
  const auto images = images_of(content());
  ASSERT_EQ(images.size(), 2u);
  EXPECT_EQ(images[0].second, image('a', 32));
  EXPECT_EQ(images[1].second, image('b', 16));
}

TEST_F(PackedFile, ADamagedFileIsNotAppendedTo) {
  set_content(std::string(4096, '\xff'));
  auto resumed = PackedFileWriter::resume(open(), 0, "file");
  ASSERT_FALSE(resumed.ok());
  EXPECT_EQ(resumed.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(content(), std::string(4096, '\xff'));
}

}  // namespace
}  // namespace ivtrace::run
