#include "run/journal.h"

#include <gtest/gtest.h>

#include "run/run_test_support.h"

namespace ivtrace::run {
namespace {

TEST(Journal, EveryRecordComesBackAsItWas) {
  const std::vector<Record> records = sample_records();
  ASSERT_EQ(records.size(), std::variant_size_v<Record>);
  for (const Record& record : records) {
    const std::string line = encode_record(record);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    auto decoded = decode_record(line);
    ASSERT_TRUE(decoded.ok()) << decoded.error().message << "\n" << line;
    EXPECT_EQ(decoded->index(), record.index());
    EXPECT_EQ(encode_record(*decoded), line);
  }
}

TEST(Journal, ExtremeNumbersAreExact) {
  auto decoded = decode_record(encode_record(sample_records()[9]));
  ASSERT_TRUE(decoded.ok());
  const clock::Epoch& epoch = std::get<EpochRecord>(*decoded).epoch;
  EXPECT_EQ(epoch.relation, (clock::TscRelation{INT64_MIN, ~0ull, 48}));
  EXPECT_EQ(epoch.cpu, 1u);
  EXPECT_EQ(epoch.source, clock::ClockSource::kKvmDebugfs);
}

TEST(Journal, LinesAreGolden) {
  EXPECT_EQ(encode_record(EndRecord{HostTsc{11}, "signal"}), R"({"reason":"signal","tsc":11,"type":"end"})");
  EXPECT_EQ(encode_record(SegmentRecord{"host", "sys", 3, 8192, format::PageLayout::kSlots, 4096, 0}),
            R"({"buffer":"sys","cpu":3,"generation":0,"layout":"slots","machine":"host","offset":8192,)"
            R"("page_size":4096,"type":"segment"})");
  EXPECT_EQ(
      encode_record(LossRecord{"vm1", std::nullopt, "qemu-gone", std::nullopt, std::nullopt, HostTsc{5},
                               std::nullopt, ""}),
      R"({"bytes":null,"cpu":null,"detail":"","events":null,"from":5,"machine":"vm1","reason":"qemu-gone",)"
      R"("type":"loss","until":null})");
}

TEST(Journal, ARunOfBeforeHasNoLimits) {
  auto disk = decode_record(
      R"({"type":"disk","machine":"vm1","device":"d0","path":"/a","format":"raw","aio":"native","cache":"none",)"
      R"("device_number":7})");
  ASSERT_TRUE(disk.ok()) << disk.error().message;
  EXPECT_EQ(std::get<DiskRecord>(*disk).device_number, 7u);
  EXPECT_FALSE(std::get<DiskRecord>(*disk).limits.any());
  EXPECT_EQ(
      decode_record(R"({"type":"disk","machine":"vm1","device":"d0","path":"/a","format":"raw","aio":"",)"
                    R"("cache":"","device_number":7,"limits":{"iops":200}})")
          .error()
          .code,
      ErrorCode::kCorrupt);
}

TEST(Journal, ALineCutAnywhereIsCorrupt) {
  for (const Record& record : sample_records()) {
    const std::string line = encode_record(record);
    for (std::size_t length = 0; length < line.size(); ++length) {
      EXPECT_FALSE(decode_record(std::string_view(line).substr(0, length)).ok()) << line.substr(0, length);
    }
  }
}

TEST(Journal, WrongTypesAndRangesAreCorrupt) {
  const auto code = [](const char* line) {
    auto decoded = decode_record(line);
    if (decoded.ok()) return std::string("ok");
    return std::string(decoded.error().code == ErrorCode::kUnsupported ? "unsupported" : "corrupt");
  };
  EXPECT_EQ(code(R"({"type":"end","tsc":1,"reason":"x","more":[]})"), "ok");
  EXPECT_EQ(code(R"({"type":"end","tsc":-1,"reason":"x"})"), "corrupt");
  EXPECT_EQ(code(R"({"type":"end","tsc":1.5,"reason":"x"})"), "corrupt");
  EXPECT_EQ(code(R"({"type":"end","tsc":18446744073709551616,"reason":"x"})"), "corrupt");
  EXPECT_EQ(code(R"({"type":"end","tsc":"1","reason":"x"})"), "corrupt");
  EXPECT_EQ(code(R"({"type":"end","tsc":1,"reason":null})"), "corrupt");
  EXPECT_EQ(code(R"({"type":"end","tsc":1})"), "corrupt");
  EXPECT_EQ(code(R"({"type":"vcpu","machine":"a","index":2147483648,"thread":1,"apic_id":1})"), "corrupt");
  EXPECT_EQ(code(R"([])"), "corrupt");
  EXPECT_EQ(code(R"({"type":7})"), "corrupt");
  EXPECT_EQ(code(R"({"type":"weather"})"), "unsupported");
}

TEST(Journal, BytesThatAreNotUtf8AreReplaced) {
  auto decoded = decode_record(encode_record(NoteRecord{HostTsc{1}, "vm1", "a\xff\x80z"}));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(std::get<NoteRecord>(*decoded).text, "a\xef\xbf\xbd\xef\xbf\xbdz");
}

TEST(Journal, DeepNestingIsRefusedWithoutRecursion) {
  const std::string deep = R"({"type":"note","tsc":1,"machine":"","text":)" + std::string(1'000'000, '[');
  EXPECT_FALSE(decode_record(deep).ok());
  EXPECT_FALSE(decode_record(deep + std::string(1'000'000, ']') + "}").ok());
}

TEST(Manifest, ComesBackAsItWas) {
  Manifest manifest;
  manifest.tool_version = "0.1";
  manifest.command_line = {"ivtrace", "record"};
  manifest.start_tsc = HostTsc{77};
  manifest.max_bytes = 4ull << 30;
  auto decoded = decode_manifest(encode_manifest(manifest));
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_EQ(encode_manifest(*decoded), encode_manifest(manifest));
}

TEST(Manifest, AnotherSchemaIsSaid) {
  Manifest manifest;
  manifest.schema = 2;
  auto decoded = decode_manifest(encode_manifest(manifest));
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(decoded.error().message.find("schema 2"), std::string::npos);
}

}  // namespace
}  // namespace ivtrace::run
