#include "decode/integer_reader.h"

namespace ivtrace::decode {

IntegerReader::IntegerReader(const Field* field) {
  if (field == nullptr || (field->kind != FieldKind::kInteger && field->kind != FieldKind::kPointer)) return;
  switch (field->size) {
    case 1:
      how_ = field->is_signed ? How::kSigned8 : How::kUnsigned8;
      break;
    case 2:
      how_ = field->is_signed ? How::kSigned16 : How::kUnsigned16;
      break;
    case 4:
      how_ = field->is_signed ? How::kSigned32 : How::kUnsigned32;
      break;
    case 8:
      how_ = How::k64;
      break;
    default:
      return;
  }
  offset_ = field->offset;
  end_ = std::uint64_t{field->offset} + field->size;
}

}  // namespace ivtrace::decode
