#include "exchange/ctf_event.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "base/text.h"
#include "base/utf8.h"

namespace ivtrace::exchange {
namespace {

using decode::Field;
using decode::FieldKind;
using decode::RecordBytes;

bool integer_size(std::uint32_t bytes) { return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8; }

bool identifier_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// Names of one struct: valid, and no two alike. The underscore in front makes keywords of them ordinary
/// names.
class Identifiers {
 public:
  std::string take(std::string_view wanted) {
    std::string name = "_" + std::string(wanted.empty() ? "unnamed" : wanted);
    std::ranges::replace_if(
        name, [](char c) { return !identifier_char(c); }, '_');
    std::string tried = name;
    for (int number = 2; !taken_.insert(tried).second; ++number) tried = fmt::format("{}_{}", name, number);
    return tried;
  }

 private:
  std::set<std::string> taken_;
};

std::string_view bytes_of(RecordBytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// "int32_t", as ctf_metadata.cc declares them.
std::string type_name(const Field& field, std::uint32_t element, bool is_typed) {
  if (!is_typed) return "byte_t";
  if (field.kind == FieldKind::kPointer) return fmt::format("address{}_t", element * 8);
  return fmt::format("{}int{}_t", field.is_signed ? "" : "u", element * 8);
}

}  // namespace

CtfEvent::Layout CtfEvent::layout_of(const Field& field) {
  if (field.kind == FieldKind::kInteger || field.kind == FieldKind::kPointer)
    return integer_size(field.size) ? Layout::kInteger : Layout::kArray;
  if (field.kind == FieldKind::kOpaque) return Layout::kArray;
  if (field.is_text) return Layout::kText;
  return field.is_dynamic() || field.kind == FieldKind::kTail ? Layout::kSequence : Layout::kArray;
}

std::uint32_t CtfEvent::element_of(const Field& field, Layout layout) {
  if (layout == Layout::kInteger) return field.size;
  if (!field.is_array() || !integer_size(field.element_size)) return 0;
  // A fixed array is declared by its number of elements, which must be whole.
  return layout == Layout::kArray && field.size % field.element_size != 0 ? 0 : field.element_size;
}

CtfEvent::CtfEvent(const decode::EventFormat& format) {
  Identifiers identifiers;
  for (const Field& field : format.fields) {
    // What has no bytes has no value either.
    if (field.size == 0 && field.kind != FieldKind::kTail) continue;
    const Layout layout = layout_of(field);
    const std::string name = ctf_field_name(format, field);
    std::string length;
    if (layout == Layout::kSequence) length = identifiers.take("_" + name + "_length");
    entries_.push_back(
        {&field, layout, element_of(field, layout), identifiers.take(name), std::move(length)});
  }
}

void CtfEvent::append_declarations(std::string& out) const {
  for (const Entry& entry : entries_) {
    const bool is_typed = entry.element != 0;
    const std::uint32_t element = is_typed ? entry.element : 1;
    const std::string type = type_name(*entry.field, element, is_typed);
    const auto add = std::back_inserter(out);
    switch (entry.layout) {
      case Layout::kInteger:
        fmt::format_to(add, "\t\t{} {};\n", type, entry.name);
        break;
      case Layout::kText:
        fmt::format_to(add, "\t\tstring {};\n", entry.name);
        break;
      case Layout::kArray:
        fmt::format_to(add, "\t\t{} {}[{}];\n", type, entry.name, entry.field->size / element);
        break;
      case Layout::kSequence:
        fmt::format_to(add, "\t\tuint32_t {0};\n\t\t{1} {2}[{0}];\n", entry.length, type, entry.name);
        break;
    }
  }
}

bool CtfEvent::append_payload(std::string& out, RecordBytes record) const {
  const std::size_t before = out.size();
  for (const Entry& entry : entries_) {
    if (append_field(out, record, entry)) continue;
    out.resize(before);
    return false;
  }
  return true;
}

bool CtfEvent::append_field(std::string& out, RecordBytes record, const Entry& entry) {
  if (entry.layout == Layout::kSequence) return append_sequence(out, record, entry);
  if (entry.layout == Layout::kText) {
    const std::optional<std::string_view> text = decode::read_string(record, *entry.field);
    if (!text) return false;
    append_utf8(out, *text);
    out += '\0';
    return true;
  }
  const RecordBytes bytes = decode::field_bytes(record, *entry.field);
  out.append(bytes_of(bytes));
  return !bytes.empty();
}

bool CtfEvent::append_sequence(std::string& out, RecordBytes record, const Entry& entry) {
  const std::optional<RecordBytes> bytes = decode::read_array(record, *entry.field);
  if (!bytes) return false;
  const std::uint32_t element = entry.element == 0 ? 1 : entry.element;
  const auto count = static_cast<std::uint32_t>(bytes->size() / element);
  out.append(reinterpret_cast<const char*>(&count), sizeof count);
  out.append(bytes_of(bytes->first(std::size_t{count} * element)));
  return true;
}

std::string ctf_event_name(const decode::EventFormat& format) {
  constexpr std::string_view kEnter = "sys_enter_", kExit = "sys_exit_";
  const std::string_view name = format.name;
  if (format.system == "syscalls" && name.starts_with(kEnter))
    return "syscall_entry_" + std::string(name.substr(kEnter.size()));
  if (format.system == "syscalls" && name.starts_with(kExit))
    return "syscall_exit_" + std::string(name.substr(kExit.size()));
  return format.name;
}

std::string ctf_field_name(const decode::EventFormat& format, const Field& field) {
  const bool is_pid = format.system == "sched" && (field.name == "pid" || field.name.ends_with("_pid"));
  if (!is_pid) return field.name;
  std::string name = field.name.substr(0, field.name.size() - 3) + "tid";
  return format.find(name) == nullptr ? name : field.name;
}

void append_tsdl_string(std::string& out, std::string_view text) {
  out += '"';
  std::string safe;
  append_terminal_safe(safe, text);
  for (const char c : safe) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

}  // namespace ivtrace::exchange
