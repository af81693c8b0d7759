// Reading one integer field out of many records: what read_signed() finds out about the field each time is
// found out once.
#pragma once

#include <cstdint>
#include <cstring>

#include "decode/field.h"

namespace ivtrace::decode {

/// A plain value; needs the field only while it is made. Any thread.
class IntegerReader {
 public:
  /// Reads nothing.
  IntegerReader() = default;
  /// `field`: nullptr, or one that is no integer, is a field that no record has.
  explicit IntegerReader(const Field* field);

  bool known() const { return how_ != How::kNothing; }
  /// The value, sign-extended when the field is signed; `otherwise` when it lies outside of the record.
  std::int64_t read(RecordBytes record, std::int64_t otherwise) const {
    if (end_ > record.size()) return otherwise;
    const std::byte* const at = record.data() + offset_;
    switch (how_) {
      case How::kSigned32:
        return load<std::int32_t>(at);
      case How::kUnsigned32:
        return load<std::uint32_t>(at);
      case How::k64:
        return load<std::int64_t>(at);
      case How::kSigned16:
        return load<std::int16_t>(at);
      case How::kUnsigned16:
        return load<std::uint16_t>(at);
      case How::kSigned8:
        return load<std::int8_t>(at);
      case How::kUnsigned8:
        return load<std::uint8_t>(at);
      case How::kNothing:
        break;
    }
    return otherwise;
  }

 private:
  enum class How : std::uint8_t {
    kNothing,
    kSigned8,
    kUnsigned8,
    kSigned16,
    kUnsigned16,
    kSigned32,
    kUnsigned32,
    k64
  };
  template <class T>
  static std::int64_t load(const std::byte* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return static_cast<std::int64_t>(value);
  }

  std::uint64_t end_ = 0;
  std::uint32_t offset_ = 0;
  How how_ = How::kNothing;
};

}  // namespace ivtrace::decode
