#include "mark/mark_text.h"

namespace ivtrace::mark {
namespace {

std::string_view cut(std::string_view name) {
  if (name.size() <= kMaxName) return name;
  std::size_t end = kMaxName;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0) == 0x80) --end;
  return name.substr(0, end);
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    out += control ? '_' : c;
  }
  out += '"';
}

}  // namespace

std::string mark_text(std::string_view event, std::int32_t pid, const std::optional<std::string_view>& name,
                      const std::optional<std::int64_t>& value) {
  const std::string number = std::to_string(pid);
  std::string out = "mark:" + std::string(event) + " tgid=" + number + " tid=" + number;
  if (name) {
    out += " name=";
    append_quoted(out, cut(*name));
  }
  if (value) out += " value=" + std::to_string(*value);
  return out + "\n";
}

}  // namespace ivtrace::mark
