#include "decode/integer_reader.h"

#include <gtest/gtest.h>

#include <vector>

namespace ivtrace::decode {
namespace {

Field field_of(std::uint32_t offset, std::uint32_t size, bool is_signed,
               FieldKind kind = FieldKind::kInteger) {
  Field field;
  field.offset = offset;
  field.size = size;
  field.is_signed = is_signed;
  field.kind = kind;
  return field;
}

TEST(IntegerReader, ReadsWhatReadSignedReadsAtEveryPlaceAndLength) {
  std::vector<std::byte> bytes(24);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(0x71 + 37 * i);
  for (const bool is_signed : {false, true}) {
    for (const std::uint32_t size : {1u, 2u, 4u, 8u}) {
      for (std::uint32_t offset = 0; offset <= 24; ++offset) {
        const Field field = field_of(offset, size, is_signed);
        const IntegerReader reader(&field);
        ASSERT_TRUE(reader.known());
        for (std::size_t length = 0; length <= bytes.size(); ++length) {
          const RecordBytes record(bytes.data(), length);
          EXPECT_EQ(reader.read(record, -77), read_signed(record, field).value_or(-77));
        }
      }
    }
  }
}

TEST(IntegerReader, KnowsNoFieldThatIsNoInteger) {
  const std::vector<std::byte> bytes(24);
  const Field three_bytes = field_of(0, 3, false);
  const Field text = field_of(0, 4, true, FieldKind::kCharArray);
  const Field far = field_of(0xffff'fffe, 4, true);
  for (const Field* field : {static_cast<const Field*>(nullptr), &three_bytes, &text}) {
    EXPECT_FALSE(IntegerReader(field).known());
    EXPECT_EQ(IntegerReader(field).read(bytes, 5), 5);
  }
  EXPECT_EQ(IntegerReader(&far).read(bytes, 5), 5);
}

}  // namespace
}  // namespace ivtrace::decode
