#include "decode/print_raw.h"

#include "base/text.h"
#include "decode/print_number.h"

namespace ivtrace::decode {
namespace {

enum class Style { kText, kJson };

void append_integer(std::string& out, const std::byte* from, std::size_t size, bool is_signed) {
  if (is_signed) {
    append_number(out, NumberFormat{}, static_cast<std::uint64_t>(load_signed(from, size)));
  } else {
    append_decimal(out, load_unsigned(from, size));
  }
}

bool is_integer_size(std::size_t size) { return size == 1 || size == 2 || size == 4 || size == 8; }

void append_quoted(std::string& out, Style style, std::string_view text) {
  if (style == Style::kText) {
    out += text;
    return;
  }
  out += '"';
  append_json_escaped(out, text);
  out += '"';
}

void append_bytes(std::string& out, Style style, RecordBytes bytes) {
  if (style == Style::kJson) out += '"';
  for (const std::byte b : bytes) append_hex(out, static_cast<std::uint8_t>(b), 2);
  if (style == Style::kJson) out += '"';
}

void append_pointer(std::string& out, Style style, std::uint64_t address) {
  if (style == Style::kJson) out += '"';
  out += "0x";
  append_hex(out, address);
  if (style == Style::kJson) out += '"';
}

void append_array(std::string& out, Style style, RecordBytes record, const Field& field) {
  const auto array = read_array(record, field);
  if (!array) {
    out += style == Style::kJson ? "null" : "?";
    return;
  }
  if (!is_integer_size(field.element_size)) return append_bytes(out, style, *array);
  out += '[';
  const std::size_t count = element_count(*array, field);
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    append_integer(out, array->data() + i * field.element_size, field.element_size, field.is_signed);
  }
  out += ']';
}

void append_value(std::string& out, Style style, RecordBytes record, const Field& field) {
  if (field.is_array()) {
    if (!field.is_text) return append_array(out, style, record, field);
    if (const auto text = read_string(record, field)) return append_quoted(out, style, *text);
  } else {
    const RecordBytes bytes = field_bytes(record, field);
    if (!bytes.empty()) {
      const bool integer = is_integer_size(bytes.size());
      if (field.kind == FieldKind::kOpaque || !integer) return append_bytes(out, style, bytes);
      if (field.kind == FieldKind::kPointer)
        return append_pointer(out, style, load_unsigned(bytes.data(), bytes.size()));
      return append_integer(out, bytes.data(), bytes.size(), field.is_signed);
    }
  }
  out += style == Style::kJson ? "null" : "?";
}

}  // namespace

void append_field_value(std::string& out, RecordBytes record, const Field& field) {
  append_value(out, Style::kText, record, field);
}

void render_raw(const EventFormat& format, RecordBytes record, TextMode mode, std::string& out) {
  const std::size_t start = out.size();
  for (const Field& field : format.fields) {
    if (out.size() > start) out += ' ';
    out += field.name;
    out += '=';
    append_value(out, Style::kText, record, field);
    if (out.size() - start > kMaxEventText) {
      out.resize(start + kMaxEventText);
      break;
    }
  }
  if (mode == TextMode::kTerminal) make_terminal_safe(out, start);
}

void append_json_fields(std::string& out, const EventFormat& format, RecordBytes record) {
  const std::size_t start = out.size();
  for (const Field& field : format.fields) {
    if (out.size() > start) out += ',';
    append_quoted(out, Style::kJson, field.name);
    out += ':';
    append_value(out, Style::kJson, record, field);
    // A JSON value cannot be cut; a hostile format may repeat one large array 512 times.
    if (out.size() - start > kMaxEventText) break;
  }
}

}  // namespace ivtrace::decode
