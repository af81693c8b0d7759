#include "cli/record_json.h"

#include "base/line_format.h"
#include "base/text.h"

namespace ivtrace::cli {
namespace {

using decode::Field;
using decode::FieldKind;
using decode::RecordBytes;

void append_integer(std::string& out, const std::byte* from, std::size_t size, bool is_signed) {
  if (is_signed) {
    append_number(out, decode::load_signed(from, size));
  } else {
    append_number(out, decode::load_unsigned(from, size));
  }
}

void append_hex(std::string& out, RecordBytes bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += '"';
  for (const std::byte byte : bytes) {
    out += kDigits[std::to_integer<unsigned>(byte) >> 4];
    out += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
  out += '"';
}

void append_list(std::string& out, RecordBytes bytes, const Field& field) {
  const std::size_t size = field.element_size;
  if (size != 1 && size != 2 && size != 4 && size != 8) {
    append_hex(out, bytes);
    return;
  }
  out += '[';
  for (std::size_t at = 0; at + size <= bytes.size(); at += size) {
    if (at > 0) out += ',';
    append_integer(out, bytes.data() + at, size, field.is_signed);
  }
  out += ']';
}

void append_value(std::string& out, RecordBytes record, const Field& field) {
  if (field.kind == FieldKind::kInteger || field.kind == FieldKind::kPointer) {
    const RecordBytes bytes = field_bytes(record, field);
    if (!bytes.empty()) {
      append_integer(out, bytes.data(), bytes.size(), field.is_signed);
      return;
    }
  } else if (field.kind == FieldKind::kOpaque) {
    const RecordBytes bytes = field_bytes(record, field);
    if (!bytes.empty()) {
      append_hex(out, bytes);
      return;
    }
  } else if (field.is_text) {
    if (const auto text = read_string(record, field)) {
      append_json_string(out, *text);
      return;
    }
  } else if (const auto array = read_array(record, field)) {
    append_list(out, *array, field);
    return;
  }
  out += "null";
}

}  // namespace

RecordJson::RecordJson(const decode::EventFormat& format) {
  entries_.reserve(format.fields.size());
  for (const Field& field : format.fields) {
    std::string key = entries_.empty() ? "" : ",";
    append_json_string(key, field.name);
    entries_.push_back({&field, key + ':'});
  }
}

void RecordJson::append_fields(std::string& out, RecordBytes record) const {
  out += '{';
  for (const Entry& entry : entries_) {
    out += entry.key;
    append_value(out, record, *entry.field);
  }
  out += '}';
}

}  // namespace ivtrace::cli
