#include "probes/spec.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/text.h"

namespace ivtrace::probes {
namespace {

constexpr std::array<std::pair<Kind, const char*>, 6> kKinds{{{Kind::kKprobe, "kprobe"},
                                                              {Kind::kKretprobe, "kretprobe"},
                                                              {Kind::kFprobe, "fprobe"},
                                                              {Kind::kUprobe, "uprobe"},
                                                              {Kind::kUretprobe, "uretprobe"},
                                                              {Kind::kUsdt, "usdt"}}};
constexpr std::size_t kMaxName = 60;  // the kernel's MAX_EVENT_NAME_LEN is 64
constexpr const char* kExample =
    "for example kprobe:vfs_read count, uprobe:/bin/x:main or usdt:/bin/x:provider:name";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_identifier(std::string_view text) {
  return !text.empty() && text.size() <= kMaxName && is_letter(text[0]) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_letter(c) || is_digit(c); });
}

/// Graphic ASCII: a name of a symbol or an expression, as the kernel splits its commands at blanks.
bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

/// A file's name: any bytes but those that would end the kernel's command or its place.
bool is_path(std::string_view text) {
  return text.size() > 1 && text[0] == '/' && std::all_of(text.begin(), text.end(), [](char c) {
           return static_cast<unsigned char>(c) > ' ' && c != 0x7f && c != ':';
         });
}

Error not_understood(std::string_view text, const std::string& why) {
  return Error(ErrorCode::kInvalid, "the probe \"" + std::string(text) + "\" is not understood: " + why,
               kExample);
}

std::optional<Kind> kind_of(std::string_view name) {
  for (const auto& [kind, known] : kKinds) {
    if (name == known) return kind;
  }
  return std::nullopt;
}

/// "FUNCTION[+OFFSET]", or a bare "0xOFFSET" where `file_offset` allows it.
Status parse_symbol(std::string_view text, bool file_offset, Spec& spec) {
  if (file_offset && text.starts_with("0x")) {
    IVT_ASSIGN_OR_RETURN(spec.offset, parse_u64(text));
    return {};
  }
  // The last "+": a symbol may have one in its name, an offset has not.
  if (const std::size_t plus = text.rfind('+'); plus != text.npos) {
    IVT_ASSIGN_OR_RETURN(spec.offset, parse_u64(text.substr(plus + 1)));
    text = text.substr(0, plus);
  }
  if (!is_word(text) || text.find_first_of("/:%(*?[") != text.npos) {
    return Error(ErrorCode::kInvalid, "\"" + std::string(text) + "\" is no function's name");
  }
  spec.symbol = text;
  return {};
}

Status parse_user_place(std::string_view text, Spec& spec) {
  const bool usdt = spec.kind == Kind::kUsdt;
  std::size_t colon = text.rfind(':');
  std::string_view symbol = colon == text.npos ? "" : text.substr(colon + 1);
  std::string_view path = text.substr(0, colon);
  if (usdt && colon != text.npos) {
    colon = path.rfind(':');
    spec.provider = colon == path.npos ? "" : std::string(path.substr(colon + 1));
    path = path.substr(0, colon);
  }
  if (colon == text.npos || symbol.empty() || (usdt && spec.provider.empty())) {
    return Error(ErrorCode::kInvalid,
                 usdt ? "it is usdt:PATH:PROVIDER:NAME" : "it is PATH:SYMBOL or PATH:0xOFFSET");
  }
  if (!is_path(path))
    return Error(ErrorCode::kInvalid, "the program needs its whole path, without blanks and colons");
  spec.path = path;
  if (!usdt) return parse_symbol(symbol, true, spec);
  if (!is_word(symbol) || !is_word(spec.provider))
    return Error(ErrorCode::kInvalid, "provider and name are plain text");
  spec.symbol = symbol;
  return {};
}

Status parse_place(std::string_view text, Spec& spec) {
  spec.at_return = spec.kind == Kind::kKretprobe || spec.kind == Kind::kUretprobe;
  if (is_user(spec.kind)) {
    IVT_RETURN_IF_ERROR(parse_user_place(text, spec));
  } else {
    constexpr std::string_view kReturn = "%return";
    if (spec.kind == Kind::kFprobe && text.ends_with(kReturn)) {
      spec.at_return = true;
      text.remove_suffix(kReturn.size());
    }
    IVT_RETURN_IF_ERROR(parse_symbol(text, false, spec));
  }
  if (spec.offset != 0 && !spec.symbol.empty() && (spec.at_return || spec.kind == Kind::kFprobe)) {
    return Error(ErrorCode::kInvalid, "it is at a function's beginning or end: no offset");
  }
  return {};
}

Result<Argument> parse_argument(std::string_view text) {
  Argument argument;
  const std::size_t equals = text.find('=');
  if (equals != text.npos) {
    argument.name = text.substr(0, equals);
    argument.fetch = text.substr(equals + 1);
    if (!is_word(argument.fetch))
      return Error(ErrorCode::kInvalid, "\"" + std::string(text) + "\" fetches nothing");
  } else {
    const std::size_t colon = text.find(':');
    argument.name = text.substr(0, colon);
    if (colon != text.npos) {
      argument.type = text.substr(colon + 1);
      if (!is_word(argument.type))
        return Error(ErrorCode::kInvalid, "\"" + std::string(text) + "\" has no type");
    }
  }
  if (!is_identifier(argument.name)) {
    return Error(ErrorCode::kInvalid, "\"" + std::string(text) + "\" is no argument",
                 "an argument is NAME, NAME:TYPE or NAME=FETCHARG");
  }
  return argument;
}

}  // namespace

const char* to_string(Kind kind) {
  for (const auto& [known, name] : kKinds) {
    if (known == kind) return name;
  }
  return "";
}

bool is_user(Kind kind) { return kind == Kind::kUprobe || kind == Kind::kUretprobe || kind == Kind::kUsdt; }

Result<Spec> parse_spec(std::string_view text) {
  if (text.size() > kMaxSpec) return not_understood(text.substr(0, 40), "it is too long");
  Spec spec;
  bool first = true;
  for (const std::string_view word : split(text, ' ')) {
    if (word.empty()) continue;
    if (first) {
      first = false;
      const std::size_t colon = word.find(':');
      const auto kind = kind_of(word.substr(0, colon));
      if (!kind || colon == word.npos)
        return not_understood(text,
                              "it begins with kprobe:, kretprobe:, fprobe:, uprobe:, uretprobe: or usdt:");
      spec.kind = *kind;
      if (Status placed = parse_place(word.substr(colon + 1), spec); !placed)
        return not_understood(text, placed.error().message);
      continue;
    }
    auto argument = parse_argument(word);
    if (!argument) return not_understood(text, argument.error().to_string());
    const bool twice = std::any_of(spec.arguments.begin(), spec.arguments.end(),
                                   [&](const Argument& other) { return other.name == argument->name; });
    if (twice) return not_understood(text, "two arguments are called " + argument->name);
    if (spec.arguments.size() == kMaxArguments) return not_understood(text, "it has too many arguments");
    spec.arguments.push_back(*std::move(argument));
  }
  if (first) return not_understood(text, "it is empty");
  return spec;
}

std::string identifier_of(std::string_view name) {
  std::string identifier;
  for (const char c : name.substr(0, kMaxName)) identifier += is_letter(c) || is_digit(c) ? c : '_';
  if (identifier.empty() || is_digit(identifier[0])) identifier.insert(0, 1, '_');
  return identifier.substr(0, kMaxName);
}

}  // namespace ivtrace::probes
