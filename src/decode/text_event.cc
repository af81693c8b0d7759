#include "decode/text_event.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "format/text_event.h"

namespace ivtrace::decode {
namespace {

constexpr std::size_t kCommonBytes = 8;       // type, flags, preempt count, pid
constexpr std::size_t kMaxFixedBytes = 4096;  // of a text event's fields

bool is_text_field(const Field& field) {
  return field.is_text && field.kind == FieldKind::kDataLoc && field.size == 4;
}

bool is_usable(const Field& field) {
  const bool writable = is_text_field(field) || field.kind == FieldKind::kInteger;
  return writable && field.offset >= kCommonBytes && field.offset + std::size_t{field.size} <= kMaxFixedBytes;
}

/// The number's bits in 64, or nothing when it is none or does not fit into `bytes`, read as signed or
/// unsigned.
std::optional<std::uint64_t> parse_bits(std::string_view text, std::size_t bytes) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  if (hex) text.remove_prefix(2);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  const std::uint64_t top = std::uint64_t{1} << (8 * bytes - 1);
  if (negative ? value > top : (bytes < 8 && value >> (8 * bytes) != 0)) return std::nullopt;
  return negative ? ~value + 1 : value;
}

std::string_view take_word(std::string_view& rest) {
  const std::string_view word = rest.substr(0, rest.find(' '));
  rest.remove_prefix(word.size());
  return word;
}

/// Takes `"…"` off, without its quotes and escapes; nothing when it does not end. A backslash before anything
/// else than a quote or a backslash stands for itself.
std::optional<std::string> take_quoted(std::string_view& rest) {
  std::string out;
  for (std::size_t at = 1; at < rest.size(); ++at) {
    char c = rest[at];
    if (c == '"') {
      rest.remove_prefix(at + 1);
      return out;
    }
    if (c == '\\' && at + 1 < rest.size() && (rest[at + 1] == '"' || rest[at + 1] == '\\')) c = rest[++at];
    out += c;
  }
  return std::nullopt;
}

/// A mark's parts. `name` and `value` are empty where its kind has none.
struct MarkText {
  std::string_view event;
  std::string_view tgid;
  std::string_view name;
  std::string_view value = "0";
};

std::optional<MarkText> parse_mark(std::string_view text) {
  if (text == "E") return MarkText{"mark:end", "0", {}};  // as the first atrace wrote it
  const char kind = text[0];
  text.remove_prefix(2);
  const std::size_t bar = text.find('|');
  const std::string_view tgid = text.substr(0, bar);
  if (kind == 'E') return MarkText{"mark:end", tgid, {}};
  if (bar == std::string_view::npos) return std::nullopt;
  const std::string_view rest = text.substr(bar + 1);
  if (kind == 'B') return MarkText{"mark:begin", tgid, rest};
  if (kind == 'I') return MarkText{"mark:instant", tgid, rest};
  const std::size_t last = rest.rfind('|');  // a name may hold bars
  if (kind != 'C' || last == std::string_view::npos) return std::nullopt;
  return MarkText{"mark:counter", tgid, rest.substr(0, last), rest.substr(last + 1)};
}

}  // namespace

void append_mark_formats(std::string& formats) {
  std::uint16_t id = format::kTextEventIds;
  for (const format::BuiltInTextEvent& event : format::kMarkEvents) {
    const auto text = format::text_event_format(id++, event.name, event.fields);
    IVT_CHECK(text.ok());
    const std::string name = std::string(format::kMarkSystem) + "/" + std::string(event.name) + "/format";
    append_format_file(formats, name, *text);
  }
}

TextEvents::TextEvents(const FormatTable& formats) {
  const EventFormat* const print = formats.find("ftrace", "print");
  if (print == nullptr) return;
  const Field* const text = print->find("buf");
  if (text == nullptr || !text->is_text) return;
  for (std::uint32_t id = format::kTextEventIds; id <= 0xffff; ++id) {
    if (const EventFormat* const event = formats.find(static_cast<std::uint16_t>(id)); event != nullptr)
      add(*event);
  }
  if (events_.empty()) return;
  text_ = text;
  print_id_ = print->id;
}

void TextEvents::add(const EventFormat& format) {
  Event event;
  event.id = format.id;
  event.size = kCommonBytes;
  for (const Field& field : format.fields) {
    if (!is_usable(field)) return;
    event.fields.push_back(&field);
    event.size = std::max<std::size_t>(event.size, field.offset + field.size);
  }
  if (event.fields.size() == 1 && is_text_field(*event.fields[0]) && event.fields[0]->name == "text")
    event.line = event.fields[0];
  events_.emplace(format.full_name(), std::move(event));
}

const TextEvents::Event* TextEvents::find(std::string_view full_name) const {
  const auto found = events_.find(full_name);
  return found == events_.end() ? nullptr : &found->second;
}

RecordBytes TextEvents::translate(RecordBytes print) {
  const auto text = read_string(print, *text_);
  if (!text || text->empty() || print.size() < kCommonBytes) return {};
  std::string_view line = *text;
  while (line.ends_with('\n')) line.remove_suffix(1);
  if (line.empty()) return {};
  const bool is_mark = line.size() == 1 || line[1] == '|';
  const bool is_event = is_mark ? translate_mark(print, line) : translate_declared(print, line);
  return is_event ? RecordBytes(record_) : RecordBytes();
}

bool TextEvents::translate_mark(RecordBytes print, std::string_view text) {
  if (text.size() == 1 && text != "E") return false;
  const std::optional<MarkText> mark = parse_mark(text);
  const Event* const event = mark ? find(mark->event) : nullptr;
  if (event == nullptr) return false;
  begin(*event, print);
  return std::all_of(event->fields.begin(), event->fields.end(), [&](const Field* field) {
    if (is_text_field(*field)) return field->name != "name" || put_text(*field, mark->name);
    if (field->name == "tid") put_bits(*field, static_cast<std::uint64_t>(event_pid(print)));
    if (field->name == "tgid") return put_integer(*field, mark->tgid);
    return field->name != "value" || put_integer(*field, mark->value);
  });
}

bool TextEvents::translate_declared(RecordBytes print, std::string_view text) {
  const Event* const event = find(take_word(text));
  if (event == nullptr) return false;
  begin(*event, print);
  if (event->line == nullptr) return put_fields(*event, text);
  if (text.starts_with(' ')) text.remove_prefix(1);
  return put_text(*event->line, text);
}

/// The record with all its fields 0 or "".
void TextEvents::begin(const Event& event, RecordBytes print) {
  record_.assign(event.size + 1, std::byte{0});  // and an empty text that all locators share
  std::memcpy(record_.data(), print.data(), kCommonBytes);
  std::memcpy(record_.data(), &event.id, sizeof event.id);
  for (const Field* field : event.fields) {
    if (is_text_field(*field)) put_bits(*field, std::uint64_t{1} << 16 | event.size);
  }
}

bool TextEvents::put_fields(const Event& event, std::string_view rest) {
  for (;;) {
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    if (rest.empty()) return true;
    const std::size_t sign = rest.find('=');
    if (sign == std::string_view::npos) return false;
    const std::string_view name = rest.substr(0, sign);
    rest.remove_prefix(sign + 1);
    const auto field = std::find_if(event.fields.begin(), event.fields.end(),
                                    [name](const Field* one) { return one->name == name; });
    const bool is_quoted = rest.starts_with('"');
    std::optional<std::string> text;
    if (is_quoted && !(text = take_quoted(rest))) return false;
    const std::string_view word = is_quoted ? std::string_view() : take_word(rest);
    if (field == event.fields.end()) continue;
    if (is_quoted != is_text_field(**field)) return false;
    if (!(is_quoted ? put_text(**field, *text) : put_integer(**field, word))) return false;
  }
}

bool TextEvents::put_integer(const Field& field, std::string_view text) {
  const std::optional<std::uint64_t> bits = parse_bits(text, field.size);
  if (bits) put_bits(field, *bits);
  return bits.has_value();
}

void TextEvents::put_bits(const Field& field, std::uint64_t bits) {
  std::memcpy(record_.data() + field.offset, &bits, field.size);
}

/// Puts it behind all that is there; false when a locator could not tell of it.
bool TextEvents::put_text(const Field& field, std::string_view text) {
  const std::size_t offset = record_.size();
  if (text.size() >= kMaxTextRecord - offset) return false;
  const auto* const bytes = reinterpret_cast<const std::byte*>(text.data());
  record_.insert(record_.end(), bytes, bytes + text.size());
  record_.push_back(std::byte{0});
  put_bits(field, std::uint64_t{text.size() + 1} << 16 | offset);
  return true;
}

}  // namespace ivtrace::decode
