#include "decode/field.h"

#include <algorithm>

namespace ivtrace::decode {
namespace {

bool scalar(const Field& field) {
  return field.kind == FieldKind::kInteger || field.kind == FieldKind::kPointer;
}

std::optional<RecordBytes> located(RecordBytes record, const Field& field) {
  const RecordBytes locator = field_bytes(record, field);
  if (locator.size() != 4) return std::nullopt;
  const std::uint64_t word = load_unsigned(locator.data(), 4);
  std::uint64_t start = word & 0xffff;
  if (field.kind == FieldKind::kRelLoc) start += std::uint64_t{field.offset} + field.size;
  if (start > record.size()) return std::nullopt;
  return record.subspan(start, std::min<std::uint64_t>(word >> 16, record.size() - start));
}

}  // namespace

std::optional<std::uint64_t> read_unsigned(RecordBytes record, const Field& field) {
  const RecordBytes bytes = field_bytes(record, field);
  if (bytes.empty() || !scalar(field)) return std::nullopt;
  return load_unsigned(bytes.data(), bytes.size());
}

std::optional<std::int64_t> read_signed(RecordBytes record, const Field& field) {
  const RecordBytes bytes = field_bytes(record, field);
  if (bytes.empty() || !scalar(field)) return std::nullopt;
  if (!field.is_signed) return static_cast<std::int64_t>(load_unsigned(bytes.data(), bytes.size()));
  return load_signed(bytes.data(), bytes.size());
}

std::optional<RecordBytes> read_array(RecordBytes record, const Field& field) {
  if (field.is_dynamic()) return located(record, field);
  if (field.kind == FieldKind::kTail) {
    if (field.offset > record.size()) return std::nullopt;
    return field_bytes(record, field);
  }
  const RecordBytes bytes = field_bytes(record, field);
  if (bytes.empty()) return std::nullopt;
  return bytes;
}

std::optional<std::string_view> read_string(RecordBytes record, const Field& field) {
  const std::optional<RecordBytes> bytes = read_array(record, field);
  if (!bytes) return std::nullopt;
  const std::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  return text.substr(0, text.find('\0'));
}

}  // namespace ivtrace::decode
