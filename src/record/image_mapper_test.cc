#include "record/image_mapper.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <future>
#include <thread>

#include "run/run_reader.h"

namespace ivtrace::record {
namespace {

using hypervisor::Disk;
using hypervisor::ImageMap;

constexpr Nanoseconds kPatience{20'000'000'000};
constexpr Nanoseconds kSecond{1'000'000'000};
constexpr Nanoseconds kShort{50'000'000};

Disk disk(const std::string& device, const std::string& path, const std::string& format = "raw") {
  Disk made;
  made.device = device;
  made.path = path;
  made.format = format;
  return made;
}

/// Storage that does not answer until the test is over. Asked once.
class HangingStorage {
 public:
  ~HangingStorage() { release_.set_value(); }
  /// What maps a disk there.
  std::function<void()> ask() {
    return [begun = begun_, until = release_.get_future().share()] {
      begun->set_value();
      until.wait();
    };
  }
  void wait_until_asked() { begun_->get_future().wait(); }

 private:
  std::shared_ptr<std::promise<void>> begun_ = std::make_shared<std::promise<void>>();
  std::promise<void> release_;
};

class ImageMapperTest : public ::testing::Test {
 protected:
  ImageMapperTest() {
    std::string pattern = ::testing::TempDir() + "ivtrace_mapper_XXXXXX";
    IVT_CHECK(::mkdtemp(pattern.data()) != nullptr);
    scratch_ = pattern;
    writer_ = *run::RunWriter::create(scratch_ + "/run.ivt", run::Manifest{});
    space_.emplace(*SpaceBudget::create(scratch_, 10'000'000, 0));
    log_.emplace(*writer_, *space_);
  }
  ~ImageMapperTest() override { std::filesystem::remove_all(scratch_); }

  run::RunReader open_run() { return *run::RunReader::open(scratch_ + "/run.ivt"); }
  std::vector<run::ExtentsRecord> extents() {
    const run::RunReader run = open_run();
    const run::Machine* machine = run.find("vm1");
    return machine == nullptr ? std::vector<run::ExtentsRecord>() : machine->extents;
  }
  std::string notes() {
    const run::RunReader run = open_run();
    std::string all;
    for (const run::NoteRecord& note : run.notes()) all += note.text + "\n";
    return all;
  }
  /// Until so many records are there.
  void collect(ImageMapper& mapper, std::size_t records) {
    for (int i = 0; i < 20'000 && extents().size() < records; ++i) {
      mapper.collect();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ASSERT_EQ(extents().size(), records);
  }

  std::string scratch_;
  std::unique_ptr<run::RunWriter> writer_;
  std::optional<SpaceBudget> space_;
  std::optional<RunLog> log_;
};

TEST_F(ImageMapperTest, WritesRecordAndFileAndAtTheEndOnlyWhatChanged) {
  const auto grown = std::make_shared<std::atomic<bool>>(false);
  ImageMapper mapper(*log_, {}, [grown](const Disk& mapped) -> Result<ImageMap> {
    if (mapped.device == "none") return Error(ErrorCode::kUnsupported, "no such thing");
    const std::uint64_t bytes = mapped.device == "grows" && *grown ? 8192 : 4096;
    return ImageMap{{{0, bytes, 8u << 20, 512}}, {}, {}};
  });
  mapper.add("vm1", disk("grows", "/a"));
  mapper.add("vm1", disk("stays", "/b"));
  mapper.add("vm1", disk("none", "/c"));
  collect(mapper, 3);
  mapper.add("vm1", disk("stays", "/b"));
  *grown = true;
  mapper.finish();

  const auto records = extents();
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(records[0].device, "grows");
  EXPECT_EQ(records[1].device, "stays");
  EXPECT_EQ(records[2].device, "none");
  EXPECT_EQ(records[2].file, "");
  ASSERT_EQ(records[2].gaps.size(), 1u);
  EXPECT_NE(records[2].gaps[0].find("no such thing"), std::string::npos);
  EXPECT_EQ(records[3].device, "grows");
  EXPECT_LT(records[0].tsc, records[3].tsc);
  const run::RunReader run = open_run();
  EXPECT_EQ(*run.read_text("vm1", records[0].file), "0 4096 8:0 512\n");
  EXPECT_EQ(*run.read_text("vm1", records[3].file), "0 8192 8:0 512\n");
  EXPECT_EQ(notes(), "");
}

TEST_F(ImageMapperTest, ADiskWhoseFormatIsLearntLaterIsMappedThen) {
  ImageMapper mapper(*log_, {}, [](const Disk& mapped) -> Result<ImageMap> {
    if (mapped.format.empty()) return Error(ErrorCode::kUnsupported, "no format");
    return ImageMap{{{0, 512, 8u << 20, 0}}, {}, {}};
  });
  mapper.add("vm1", disk("d0", "/a", ""));
  collect(mapper, 1);
  mapper.add("vm1", disk("d0", "/a", "raw"));
  collect(mapper, 2);
  EXPECT_NE(extents()[1].file, "");
}

TEST_F(ImageMapperTest, StorageThatHangsDoesNotHoldTheEnd) {
  HangingStorage storage;
  {
    ImageMapper mapper(*log_, {kPatience, kShort}, [ask = storage.ask()](const Disk&) {
      ask();
      return Result<ImageMap>(ImageMap{});
    });
    mapper.add("vm1", disk("d0", "/dead"));
    storage.wait_until_asked();
    mapper.finish();
  }
  EXPECT_NE(notes().find("disk d0 was not mapped: its storage does not answer"), std::string::npos)
      << notes();
  EXPECT_TRUE(extents().empty());
}

TEST_F(ImageMapperTest, ADiskWhoseStorageHangsDoesNotKeepTheOthersFromBeingMapped) {
  HangingStorage storage;
  ImageMapper mapper(*log_, {kSecond, kPatience}, [ask = storage.ask()](const Disk& mapped) {
    if (mapped.device == "d0") ask();
    return Result<ImageMap>(ImageMap{{{0, 4096, 8u << 20, 512}}, {}, {}});
  });
  mapper.add("vm1", disk("d0", "/dead"));
  mapper.add("vm1", disk("d1", "/well"));
  collect(mapper, 1);
  mapper.finish();
  ASSERT_EQ(extents().size(), 1u);
  EXPECT_EQ(extents()[0].device, "d1");
  EXPECT_EQ(notes(), "disk d0 was not mapped: its storage does not answer\n");
}

TEST_F(ImageMapperTest, WhatHungAndComesBackAfterTheEndIsDropped) {
  auto storage = std::make_optional<HangingStorage>();
  const auto back = std::make_shared<std::promise<void>>();
  ImageMapper mapper(*log_, {kPatience, kShort}, [ask = storage->ask(), back](const Disk&) {
    ask();
    back->set_value();
    return Result<ImageMap>(ImageMap{{{0, 4096, 8u << 20, 512}}, {}, {}});
  });
  mapper.add("vm1", disk("d0", "/dead"));
  storage->wait_until_asked();
  mapper.finish();
  storage.reset();
  back->get_future().wait();
  mapper.collect();
  mapper.add("vm1", disk("d1", "/late"));
  mapper.finish();
  EXPECT_TRUE(extents().empty());
}

}  // namespace
}  // namespace ivtrace::record
