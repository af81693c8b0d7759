#include "cli/record_json.h"

#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>

namespace ivtrace::cli {
namespace {

constexpr const char* kFormat = R"(name: sample
ID: 77
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:unsigned char common_flags;	offset:2;	size:1;	signed:0;
	field:unsigned char common_preempt_count;	offset:3;	size:1;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;

	field:char comm[16];	offset:8;	size:16;	signed:0;
	field:int delta;	offset:24;	size:4;	signed:1;
	field:u32 bits;	offset:28;	size:4;	signed:0;
	field:u64 big;	offset:32;	size:8;	signed:0;
	field:__data_loc char[] text;	offset:40;	size:4;	signed:0;
	field:u16 list[2];	offset:44;	size:4;	signed:0;

print fmt: "%s", REC->comm
)";

std::vector<std::byte> sample_record() {
  std::vector<std::byte> record(56);
  const auto put = [&](std::size_t at, auto value) { std::memcpy(record.data() + at, &value, sizeof value); };
  put(0, std::uint16_t{77});
  std::memcpy(record.data() + 8, "a\"\x1b[2J\xff", 7);
  put(24, std::int32_t{-5});
  put(28, std::uint32_t{0xffffffff});
  put(32, std::uint64_t{0xffffffffffffffff});
  put(40, std::uint32_t{6u << 16 | 48});
  put(44, std::uint16_t{1});
  put(46, std::uint16_t{65535});
  std::memcpy(record.data() + 48, "hello", 6);
  return record;
}

TEST(RecordJson, EachKindOfFieldHasItsForm) {
  const decode::EventFormat format = decode::parse_event_format(kFormat, "test").value();
  std::string out;
  RecordJson(format).append_fields(out, sample_record());
  EXPECT_EQ(out,
            "{\"comm\":\"a\\\"\\u001b[2J\xef\xbf\xbd\",\"delta\":-5,\"bits\":4294967295,"
            "\"big\":18446744073709551615,\"text\":\"hello\",\"list\":[1,65535]}");
}

TEST(RecordJson, RecordCutAnywhereStillGivesValidJson) {
  const decode::EventFormat format = decode::parse_event_format(kFormat, "test").value();
  const RecordJson json(format);
  const std::vector<std::byte> record = sample_record();
  for (std::size_t bytes = 0; bytes <= record.size(); ++bytes) {
    std::string out;
    json.append_fields(out, decode::RecordBytes(record).first(bytes));
    const auto parsed = nlohmann::json::parse(out, nullptr, false);
    ASSERT_FALSE(parsed.is_discarded()) << bytes << ": " << out;
    EXPECT_EQ(parsed.size(), 6u);
    EXPECT_EQ(parsed["delta"].is_null(), bytes < 28) << bytes;
  }
}

}  // namespace
}  // namespace ivtrace::cli
