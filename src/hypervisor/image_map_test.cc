#include "hypervisor/image_map.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "hypervisor/qcow_map.h"
#include "hypervisor/run_tool.h"

namespace ivtrace::hypervisor {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;
constexpr Nanoseconds kLimit{20'000'000'000};

/// A directory on the checkout's file system: that of the test's temporary directory may be in memory.
class ImageMapTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "image-map-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = std::filesystem::absolute(name);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string write(const std::string& name, std::uint64_t bytes, char value) {
    const std::string path = directory_ + "/" + name;
    const auto fd = open_file(path, O_RDWR | O_CREAT);
    const std::vector<std::byte> content(bytes, static_cast<std::byte>(value));
    EXPECT_TRUE(fd.ok() && write_all(fd->get(), content, path));
    EXPECT_EQ(::fsync(fd->get()), 0);
    return path;
  }
  void qemu_img(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "qemu-img");
    const auto said = run_tool(arguments, kLimit, kMiB);
    ASSERT_TRUE(said.ok()) << said.error().to_string();
  }
  Result<ImageMap> try_map(const std::string& path, const std::string& format,
                           const ImageMapOptions& options = {}) {
    Disk disk;
    disk.path = path;
    disk.format = format;
    return map_image(disk, options);
  }
  ImageMap map(const std::string& path, const std::string& format) {
    auto mapped = try_map(path, format);
    EXPECT_TRUE(mapped.ok()) << mapped.error().to_string();
    return mapped ? *mapped : ImageMap{};
  }
  bool mappable() { return try_map(write("probe", 4096, 'x'), "raw").ok(); }
  ImageMapOptions sys() {
    ImageMapOptions options;
    options.stack.sys = directory_ + "/sys";
    return options;
  }
  /// A sysfs in which the file's device is `name` (device, or device/partition); the folder above it.
  std::string sys_device(const std::string& path, const std::string& name) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    const std::string folder = sys().stack.sys + "/devices/" + name;
    std::filesystem::create_directories(folder);
    std::filesystem::create_directories(sys().stack.sys + "/dev/block");
    std::filesystem::create_directory_symlink(
        folder,
        fmt::format("{}/dev/block/{}:{}", sys().stack.sys, major(status.st_dev), minor(status.st_dev)));
    return std::filesystem::path(folder).parent_path();
  }

  std::string directory_;
};

std::uint64_t total(const ImageMap& map) {
  std::uint64_t sum = 0;
  for (const ImageExtent& extent : map.extents) sum += extent.bytes;
  return sum;
}

std::string reason(const Result<ImageMap>& mapped) { return mapped ? "" : mapped.error().message; }

/// Where a byte of the guest's disk lies, or nothing.
std::optional<std::pair<std::uint32_t, std::uint64_t>> find(const ImageMap& map, std::uint64_t at) {
  for (const ImageExtent& e : map.extents) {
    if (at >= e.guest_offset && at < e.guest_offset + e.bytes)
      return std::pair(e.device, e.device_offset + (at - e.guest_offset));
  }
  return std::nullopt;
}

TEST_F(ImageMapTest, EveryByteOfARawImageHasItsPlace) {
  if (!mappable()) GTEST_SKIP() << "the checkout's file system has no device addresses";
  const std::string path = write("raw.img", 4 * kMiB, 'r');
  const ImageMap mapped = map(path, "raw");
  EXPECT_EQ(total(mapped), 4 * kMiB);
  EXPECT_TRUE(mapped.gaps.empty()) << mapped.gaps.front();
  std::uint64_t next = 0;
  for (const ImageExtent& extent : mapped.extents) {
    EXPECT_EQ(extent.guest_offset, next);
    EXPECT_NE(extent.device, 0u);
    next += extent.bytes;
  }
}

TEST_F(ImageMapTest, AQcow2ImageIsFollowedIntoItsBackingFile) {
  if (!mappable()) GTEST_SKIP() << "the checkout's file system has no device addresses";
  if (!run_tool({"qemu-img", "--version"}, kLimit, kMiB)) GTEST_SKIP() << "no qemu-img here";
  const std::string base = write("base.img", 4 * kMiB, 'b');
  const std::string top = directory_ + "/top.qcow2";
  qemu_img({"create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, top});
  const auto written = run_tool({"qemu-io", "-f", "qcow2", "-c", "write -P 0x74 1M 64k", top}, kLimit, kMiB);
  ASSERT_TRUE(written.ok()) << written.error().to_string();
  ::sync();
  const ImageMap raw = map(base, "raw");
  const ImageMap mapped = map(top, "qcow2");
  EXPECT_EQ(total(mapped), 4 * kMiB);
  EXPECT_EQ(find(mapped, 0), find(raw, 0));
  EXPECT_EQ(find(mapped, 3 * kMiB), find(raw, 3 * kMiB));
  ASSERT_TRUE(find(mapped, kMiB).has_value());
  EXPECT_NE(find(mapped, kMiB), find(raw, kMiB));
}

TEST_F(ImageMapTest, HolesHaveNoPlace) {
  if (!mappable()) GTEST_SKIP() << "the checkout's file system has no device addresses";
  const std::string path = write("sparse.img", 64 << 10, 's');
  ASSERT_EQ(::truncate(path.c_str(), 8 * kMiB), 0);
  const ImageMap mapped = map(path, "raw");
  EXPECT_EQ(total(mapped), 64u << 10);
  EXPECT_FALSE(find(mapped, 4 * kMiB).has_value());
}

TEST_F(ImageMapTest, APartitionIsPlacedOnItsWholeDevice) {
  const std::string path = write("img", 4096, 'p');
  const std::string disk = sys_device(path, "disk/part");
  ASSERT_TRUE(replace_file(disk + "/dev", "8:16\n") && replace_file(disk + "/part/start", "2048\n"));
  const auto plain = try_map(path, "raw");
  const auto mapped = try_map(path, "raw", sys());
  if (!plain) GTEST_SKIP() << plain.error().message;
  ASSERT_TRUE(mapped.ok()) << mapped.error().to_string();
  ASSERT_EQ(mapped->extents.size(), 1u);
  EXPECT_EQ(mapped->extents[0].device, 8u << 20 | 16);
  EXPECT_EQ(mapped->extents[0].device_offset, plain->extents[0].device_offset + 2048 * 512);
}

TEST_F(ImageMapTest, AnImageOnDeviceMapperIsPlacedOnThatDevice) {
  const std::string path = write("img", 4096, 'p');
  const auto plain = try_map(path, "raw");
  if (!plain) GTEST_SKIP() << plain.error().message;
  const std::string volume = sys_device(path, "dm-0") + "/dm-0";
  std::filesystem::create_directory(volume + "/dm");
  ASSERT_TRUE(replace_file(volume + "/dev", "253:0\n"));
  ImageMapOptions options = sys();
  options.stack.dm_targets = [](dev_t) { return std::vector<std::string>{"linear"}; };
  const auto mapped = try_map(path, "raw", options);
  ASSERT_TRUE(mapped.ok()) << mapped.error().to_string();
  EXPECT_EQ(mapped->extents, plain->extents);
  EXPECT_EQ(mapped->layers, std::vector<std::string>{"device-mapper linear"});
  EXPECT_TRUE(mapped->gaps.empty());
  options.stack.dm_targets = [](dev_t) { return std::vector<std::string>{"raid"}; };
  EXPECT_NE(reason(try_map(path, "raw", options)).find("device-mapper raid"), std::string::npos);
}

TEST_F(ImageMapTest, WhatCannotBeMappedSaysWhy) {
  EXPECT_EQ(try_map("", "raw").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(try_map(directory_ + "/none.img", "raw").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(try_map("/proc/cpuinfo", "raw").error().code, ErrorCode::kUnsupported);
}

TEST_F(ImageMapTest, AnImageOfUnknownFormatIsNotMappedAsIfItWereRaw) {
  const auto mapped = try_map(write("img", 4096, 'u'), "");
  ASSERT_FALSE(mapped.ok());
  EXPECT_EQ(mapped.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(mapped.error().message, "its format is not known");
}

TEST_F(ImageMapTest, OnlyFilesAndBlockDevicesAreOpened) {
  const std::string fifo = directory_ + "/fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const std::string link = directory_ + "/link";
  std::filesystem::create_symlink("/dev/null", link);
  for (const std::string format : {"raw", "qcow2"}) {
    for (const std::string& path :
         {std::string("json:{\"driver\":\"null-co\"}"), std::string("nbd:localhost:1"),
          std::string("here.img"), std::string("-x"), std::string("/dev/null"), directory_, fifo, link}) {
      const auto mapped = try_map(path, format);
      ASSERT_FALSE(mapped.ok()) << path;
      EXPECT_EQ(mapped.error().code, ErrorCode::kUnsupported) << path;
      EXPECT_NE(mapped.error().message.find(path), std::string::npos) << mapped.error().message;
    }
  }
  EXPECT_EQ(try_map(write("img", 4096, 'v'), "vmdk").error().code, ErrorCode::kUnsupported);
}

TEST_F(ImageMapTest, ABackingFileElsewhereIsAGapAndTheImageItselfIsMapped) {
  if (!mappable()) GTEST_SKIP() << "the checkout's file system has no device addresses";
  if (!run_tool({"qemu-img", "--version"}, kLimit, kMiB)) GTEST_SKIP() << "no qemu-img here";
  const std::string top = directory_ + "/top.qcow2";
  qemu_img({"create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", "/dev/null", top, "4M"});
  ASSERT_TRUE(run_tool({"qemu-io", "-f", "qcow2", "-c", "write -P 0x74 1M 64k", top}, kLimit, kMiB).ok());
  ::sync();
  qemu_img({"rebase", "-u", "-f", "qcow2", "-F", "raw", "-b", "nbd:localhost:1", top});
  const ImageMap mapped = map(top, "qcow2");
  EXPECT_EQ(total(mapped), 64u << 10);
  ASSERT_EQ(mapped.gaps.size(), 1u);
  EXPECT_NE(mapped.gaps[0].find("nbd:localhost:1"), std::string::npos) << mapped.gaps[0];
}

TEST(ImageMapText, HasOneExtentPerLine) {
  EXPECT_EQ(image_map_text({{{0, 4096, 254u << 20, 8192}, {8192, 512, 8u << 20 | 1, 0}}, {}, {}}),
            "0 4096 254:0 8192\n8192 512 8:1 0\n");
}

const std::vector<std::string> kFiles = {"/top", "/base"};

TEST(QcowMap, OnlyWhatIsInAFileAsItIsCounts) {
  const auto map = nlohmann::json::parse(
      R"([{"start":0,"length":65536,"depth":0,"data":true,"offset":327680},
          {"start":65536,"length":65536,"depth":1,"data":true,"offset":65536},
          {"start":131072,"length":65536,"depth":0,"data":false,"zero":true},
          {"start":196608,"length":65536,"depth":0,"data":true,"compressed":true,"offset":5},
          {"start":262144,"length":65536,"depth":0,"data":true}, 7])");
  const auto read = qcow_map_of(map, kFiles);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->files, kFiles);
  EXPECT_EQ(read->stretches, (std::vector<ImageStretch>{{0, 65536, 0, 327680}, {65536, 65536, 1, 65536}}));
  ASSERT_EQ(read->gaps.size(), 1u);
  EXPECT_NE(read->gaps[0].find("131072 bytes"), std::string::npos) << read->gaps[0];
}

TEST(QcowMap, WhatContradictsItselfIsNoMap) {
  for (const char* text :
       {R"([{"start":0,"length":1,"depth":2,"data":true,"offset":0}])",
        R"([{"start":0,"length":9,"data":true,"offset":0},
                               {"start":8,"length":1,"data":true,"offset":0}])",
        R"([{"start":9,"length":1,"data":true},
                               {"start":8,"length":1,"data":true,"offset":0}])",
        R"([{"start":18446744073709551615,"length":9,"data":true,"offset":0}])",
        R"([{"start":0,"length":9,"data":true,"offset":18446744073709551615}])", "7", "{}"})
    EXPECT_EQ(qcow_map_of(nlohmann::json::parse(text), kFiles).error().code, ErrorCode::kCorrupt) << text;
}

TEST(QcowMap, TheBackingFileIsTheOneThatInfoNamesInFull) {
  const auto backing = [](const char* info) { return backing_file_of(nlohmann::json::parse(info)); };
  EXPECT_EQ(*backing(R"({"filename":"/top"})"), std::nullopt);
  EXPECT_EQ(
      *backing(R"({"backing-filename":"b","full-backing-filename":"/i/b","backing-filename-format":"raw"})"),
      (BackingFile{"/i/b", "raw"}));
  EXPECT_EQ(*backing(R"({"backing-filename":"nbd:x"})"), (BackingFile{"nbd:x", ""}));
  EXPECT_EQ(*backing(R"({"backing-filename":7})"), (BackingFile{"", ""}));
  EXPECT_EQ(backing(R"({"format-specific":{"data":{"data-file":"/d"}}})").error().code,
            ErrorCode::kUnsupported);
  EXPECT_EQ(backing("[]").error().code, ErrorCode::kCorrupt);
}

TEST(RunTool, GivesOutputErrorsAndLimits) {
  EXPECT_EQ(*run_tool({"echo", "a b"}, kLimit, 100), "a b\n");
  EXPECT_EQ(run_tool({"ivtrace-no-such-tool"}, kLimit, 100).error().code, ErrorCode::kNotFound);
  const auto failed = run_tool({"sh", "-c", "echo why >&2; exit 3"}, kLimit, 100);
  EXPECT_NE(failed.error().message.find("why"), std::string::npos);
  EXPECT_EQ(run_tool({"sh", "-c", "exec sleep 60"}, Nanoseconds(100'000'000), 100).error().code,
            ErrorCode::kTimeout);
  EXPECT_EQ(run_tool({"sh", "-c", "exec sleep 60 >&- 2>&-"}, Nanoseconds(100'000'000), 100).error().code,
            ErrorCode::kTimeout);
  EXPECT_EQ(run_tool({"yes"}, kLimit, 1000).error().code, ErrorCode::kExhausted);
}

}  // namespace
}  // namespace ivtrace::hypervisor
