#include "decode/format_file.h"

#include <optional>
#include <utility>

#include "base/text.h"
#include "decode/format_text.h"
#include "format/kernel_page.h"

namespace ivtrace::decode {
namespace {

constexpr std::size_t kMaxFileName = 600;

/// The head line "file <name> <bytes>", or nothing when it is something else.
struct Head {
  std::string_view name;
  std::uint64_t bytes = 0;
};

std::optional<Head> parse_head(std::string_view line) {
  if (!line.starts_with("file ")) return std::nullopt;
  line.remove_prefix(5);
  const std::size_t blank = line.find(' ');
  if (blank == 0 || blank == std::string_view::npos || blank > kMaxFileName) return std::nullopt;
  const auto bytes = parse_u64(line.substr(blank + 1));
  if (!bytes) return std::nullopt;
  return Head{line.substr(0, blank), *bytes};
}

/// Offset and size of `field: … <name>;\toffset:N;\tsize:N;`, or nothing.
struct Place {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

std::optional<Place> place_of(std::string_view text, std::string_view name) {
  for (const std::string_view line : split(text, '\n')) {
    const std::vector<std::string_view> pieces = split(line, ';');
    if (pieces.size() < 3) continue;
    const std::string_view declaration = trim(pieces[0]);
    const std::string_view offset = trim(pieces[1]);
    const std::string_view size = trim(pieces[2]);
    if (!declaration.starts_with("field:") || declaration.size() <= name.size()) continue;
    if (!declaration.ends_with(name) || declaration[declaration.size() - name.size() - 1] != ' ') continue;
    if (!offset.starts_with("offset:") || !size.starts_with("size:")) return std::nullopt;
    const auto at = parse_u64(offset.substr(7));
    const auto bytes = parse_u64(size.substr(5));
    if (!at || !bytes) return std::nullopt;
    return Place{*at, *bytes};
  }
  return std::nullopt;
}

}  // namespace

void append_format_file(std::string& out, std::string_view name, std::string_view content) {
  out += "file ";
  out += name;
  out += ' ';
  out += std::to_string(content.size());
  out += '\n';
  out += content;
  out += '\n';
}

Result<FormatFile> take_format_file(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const auto head = parse_head(text.substr(0, end));
  if (!head) {
    return Error(ErrorCode::kCorrupt,
                 "formats: framing broken, " + std::to_string(text.size()) + " bytes are not read");
  }
  const std::size_t start = end == std::string_view::npos ? text.size() : end + 1;
  if (head->bytes > text.size() - start) {
    std::string problem = "formats: cut off in ";
    append_terminal_safe(problem, head->name);
    return Error(ErrorCode::kCorrupt, std::move(problem));
  }
  const FormatFile file{head->name, text.substr(start, head->bytes)};
  text.remove_prefix(start + head->bytes);
  if (text.starts_with('\n')) text.remove_prefix(1);
  return file;
}

FormatTable FormatTable::parse(std::string_view text) {
  FormatTable table;
  if (text.size() > kMaxFormatsText) {
    table.add_problem("formats: more than 64 MiB, the rest is not read");
    text = text.substr(0, kMaxFormatsText);
  }
  while (!text.empty()) {
    const Result<FormatFile> file = take_format_file(text);
    if (!file) {
      table.add_problem(file.error().message);
      break;
    }
    table.add_file(file->name, file->content);
  }
  return table;
}

void FormatTable::add_file(std::string_view name, std::string_view content) {
  if (name == "header_event") return;
  if (name == "header_page") {
    if (auto status = check_header_page(content); !status) add_problem(status.error().message);
    return;
  }
  const std::vector<std::string_view> parts = split(name, '/');
  if (parts.size() != 3 || parts[2] != "format") {
    std::string problem = "formats: unexpected file ";
    append_terminal_safe(problem, name);
    add_problem(std::move(problem));
    return;
  }
  auto format = parse_event_format(content, parts[0]);
  if (!format) {
    add_problem(format.error().message);
    return;
  }
  add_format(*std::move(format));
}

void FormatTable::add_format(EventFormat format) {
  if (by_id_.size() <= format.id) by_id_.resize(format.id + std::size_t{1});
  std::unique_ptr<EventFormat>& slot = by_id_[format.id];
  if (slot) {
    // The same text twice is harmless; two events of one id are not, and the first one was there before any
    // guess.
    if (slot->full_name() != format.full_name()) {
      add_problem("formats: " + format.full_name() + " has the ID of " + slot->full_name() + ", left out");
    }
    return;
  }
  slot = std::make_unique<EventFormat>(std::move(format));
  ++count_;
}

void FormatTable::add_problem(std::string text) {
  ++problem_count_;
  if (problems_.size() < kMaxFormatProblems) problems_.push_back(std::move(text));
}

const EventFormat* FormatTable::find(std::string_view system, std::string_view name) const {
  for (const auto& format : by_id_) {
    if (format && format->system == system && format->name == name) return format.get();
  }
  return nullptr;
}

std::vector<const EventFormat*> FormatTable::all() const {
  std::vector<const EventFormat*> out;
  out.reserve(count_);
  for (const auto& format : by_id_) {
    if (format) out.push_back(format.get());
  }
  return out;
}

Status check_header_page(std::string_view text) {
  if (text.size() > 64u << 10) return Error(ErrorCode::kCorrupt, "header_page: larger than 64 KiB");
  const auto timestamp = place_of(text, "timestamp");
  const auto commit = place_of(text, "commit");
  const auto data = place_of(text, "data");
  const bool known = timestamp && timestamp->offset == 0 && timestamp->size == 8 && commit &&
                     commit->offset == 8 && commit->size == 8 && data &&
                     data->offset == format::kSubBufferHeader;
  if (known) return {};
  return Error(ErrorCode::kUnsupported,
               "header_page: this kernel's sub-buffers have another header than 64-bit kernels'",
               "only 64-bit kernels can be decoded");
}

}  // namespace ivtrace::decode
