#include "decode/libtraceevent_printer.h"

#include <fmt/format.h>
#include <traceevent/event-parse.h>
#include <traceevent/trace-seq.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "decode/print_conversion.h"
#include "decode/print_syntax.h"

namespace ivtrace::decode {
namespace {

/// A sub-buffer's data is at most 64 KiB; a locator reaches 64 KiB far and claims at most 64 KiB; a relative one counts
/// from its own end.
constexpr std::size_t kMaxRecord = 64u << 10;
constexpr std::size_t kPadding = 3 * kMaxRecord;
constexpr std::uint64_t kMaxIndex = 1024;

Error unsupported(const char* what) { return Error(ErrorCode::kUnsupported, std::string("libtraceevent: ") + what); }

bool is_plain(std::string_view text, std::string_view also) {
  return std::ranges::all_of(text, [&](char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || also.find(c) != std::string_view::npos;
  });
}

bool is_literal(const Node& node) { return node.kind == NodeKind::kNumber; }

Status check_node(const PrintSyntax& syntax, const Node& node) {
  if (node.kind == NodeKind::kIndex) {
    const Node& index = syntax.at(node.kids[1]);
    if (!is_literal(index) || index.number >= kMaxIndex) return unsupported("an index that it would not check");
  }
  if (node.kind == NodeKind::kBinary && (node.name == "/" || node.name == "%")) {
    const Node& divisor = syntax.at(node.kids[1]);
    if (!is_literal(divisor) || divisor.number == 0) return unsupported("a division that may be by zero");
  }
  if (node.kind == NodeKind::kCall) {
    constexpr std::array<std::string_view, 8> kBounded = {
        "__print_flags",       "__print_symbolic",        "__get_str",     "__get_rel_str",
        "__get_dynamic_array", "__get_dynamic_array_len", "__get_bitmask", "__get_cpumask"};
    if (std::ranges::find(kBounded, node.name) == kBounded.end()) return unsupported("a function that it would not bound");
  }
  return {};
}

Status check_conversions(std::string_view format) {
  for (std::size_t position = 0; position < format.size();) {
    if (format[position++] != '%') continue;
    IVT_ASSIGN_OR_RETURN(const Conversion conversion, parse_conversion(format, position));
    if (conversion.width_argument || conversion.precision_argument) return unsupported("a width from the record");
    constexpr std::string_view kLetters = "SsFfxMmIiU";
    if (!conversion.extension.empty() && kLetters.find(conversion.extension[0]) == std::string_view::npos) {
      return unsupported("a pointer conversion that it would not bound");
    }
  }
  return {};
}

Status check_names(const EventFormat& format) {
  const auto plain_field = [](const Field& field) { return is_plain(field.name, "_") && is_plain(field.type, "_ *"); };
  const bool plain = is_plain(format.name, "_-") && is_plain(format.system, "_-") &&
                     std::ranges::all_of(format.common, plain_field) && std::ranges::all_of(format.fields, plain_field);
  return plain ? Status{} : unsupported("a name with strange characters");
}

std::string declaration(const Field& field) {
  switch (field.kind) {
    case FieldKind::kDataLoc: return fmt::format("__data_loc {}[] {}", field.type, field.name);
    case FieldKind::kRelLoc: return fmt::format("__rel_loc {}[] {}", field.type, field.name);
    case FieldKind::kCharArray:
    case FieldKind::kArray: return fmt::format("{} {}[{}]", field.type, field.name, field.count);
    case FieldKind::kTail: return fmt::format("{} {}[]", field.type, field.name);
    case FieldKind::kInteger:
    case FieldKind::kPointer:
    case FieldKind::kOpaque: return fmt::format("{} {}", field.type, field.name);
  }
  return {};
}

void append_fields(std::string& text, const std::vector<Field>& fields) {
  for (const Field& field : fields) {
    fmt::format_to(std::back_inserter(text), "\tfield:{};\toffset:{};\tsize:{};\tsigned:{};\n", declaration(field),
                   field.offset, field.size, field.is_signed ? 1 : 0);
  }
}

std::string format_text(const EventFormat& format) {
  std::string text = fmt::format("name: {}\nID: {}\nformat:\n", format.name, format.id);
  append_fields(text, format.common);
  text += '\n';
  append_fields(text, format.fields);
  text += "\nprint fmt: " + format.print_fmt + "\n";
  return text;
}

bool holds(RecordBytes record, const std::vector<Field>& fields) {
  return std::ranges::all_of(fields, [&](const Field& field) {
    return std::uint64_t{field.offset} + field.size <= record.size() && field.count <= kMaxRecord;
  });
}

}  // namespace

/// libtraceevent's handle, and what every render() uses again.
struct LibtraceeventPrinter::State {
  State() : handle(tep_alloc()), record(kMaxRecord + kPadding) {
    IVT_CHECK(handle != nullptr);
    trace_seq_init(&text);
  }
  ~State() {
    trace_seq_destroy(&text);
    tep_free(handle);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  tep_handle* handle;
  std::vector<std::byte> record;
  std::size_t used = 0;
  trace_seq text;
};

LibtraceeventPrinter::LibtraceeventPrinter() : state_(std::make_unique<State>()) {
  tep_set_loglevel(TEP_LOG_NONE);
  tep_set_file_bigendian(state_->handle, TEP_LITTLE_ENDIAN);
  tep_set_local_bigendian(state_->handle, TEP_LITTLE_ENDIAN);
  tep_set_long_size(state_->handle, 8);
  tep_set_page_size(state_->handle, 4096);
}

LibtraceeventPrinter::~LibtraceeventPrinter() = default;

Status check_for_libtraceevent(const EventFormat& format) {
  IVT_ASSIGN_OR_RETURN(const PrintSyntax syntax, parse_print_syntax(format.print_fmt));
  IVT_RETURN_IF_ERROR(check_names(format));
  if (std::ranges::any_of(format.print_fmt, [](char c) { return c >= 0 && c < ' '; })) {
    return unsupported("control characters in a print fmt");
  }
  for (const Node& node : syntax.nodes) IVT_RETURN_IF_ERROR(check_node(syntax, node));
  return check_conversions(syntax.format);
}

Status LibtraceeventPrinter::add(const EventFormat& format) {
  IVT_RETURN_IF_ERROR(check_for_libtraceevent(format));
  return parse(format);
}

Status LibtraceeventPrinter::add_trusted(const EventFormat& format) {
  IVT_RETURN_IF_ERROR(check_names(format));
  if (const auto syntax = parse_print_syntax(format.print_fmt); !syntax) return syntax.error();
  return parse(format);
}

Status LibtraceeventPrinter::parse(const EventFormat& format) {
  if (tep_find_event(state_->handle, format.id) != nullptr) return {};
  const std::string text = format_text(format);
  const auto error = tep_parse_event(state_->handle, text.data(), text.size(), format.system.c_str());
  const tep_event* event = tep_find_event(state_->handle, format.id);
  if (error != TEP_ERRNO__SUCCESS || event == nullptr || (event->flags & TEP_EVENT_FL_FAILED) != 0) {
    return unsupported("it does not understand this print fmt");
  }
  return {};
}

void LibtraceeventPrinter::add_symbol(std::uint64_t address, const std::string& name) {
  tep_register_function(state_->handle, const_cast<char*>(name.c_str()), address, nullptr);
}

bool LibtraceeventPrinter::render(const EventFormat& format, RecordBytes record, std::string& out) {
  if (record.size() > kMaxRecord || !holds(record, format.common) || !holds(record, format.fields)) return false;
  tep_event* event = tep_find_event(state_->handle, format.id);
  if (event == nullptr) return false;
  // Behind the record stay zeroes: what a longer one left there is wiped.
  std::vector<std::byte>& buffer = state_->record;
  std::memcpy(buffer.data(), record.data(), record.size());
  if (state_->used > record.size()) std::memset(buffer.data() + record.size(), 0, state_->used - record.size());
  state_->used = record.size();
  tep_record wrapped{};
  wrapped.data = buffer.data();
  wrapped.size = static_cast<int>(record.size());
  trace_seq& text = state_->text;
  trace_seq_reset(&text);
  tep_print_event(state_->handle, &text, &wrapped, "%s", TEP_PRINT_INFO);
  out.append(text.buffer, text.len);
  return true;
}

}  // namespace ivtrace::decode
