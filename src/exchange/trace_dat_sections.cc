#include "exchange/trace_dat_sections.h"

#include "base/text.h"
#include "decode/format_file.h"
#include "decode/kallsyms.h"

namespace ivtrace::exchange {
namespace {

constexpr std::uint32_t kMostSystems = 4096;

/// May it be a part of a path in the run's formats?
bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= decode::kMaxFieldName &&
         std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f && c != '/'; });
}

/// Adds an event's format under its system and the name that it tells. What makes no sense is left out, its
/// events are then of an unknown format.
Status add_format(std::string_view system, std::string_view text, TraceDat& dat) {
  constexpr std::string_view kName = "name: ";
  if (!text.starts_with(kName)) return {};
  std::string_view name = text.substr(kName.size());
  name = trim(name.substr(0, name.find('\n')));
  if (!is_plain_name(system) || !is_plain_name(name)) return {};
  if (dat.formats.size() + text.size() > decode::kMaxFormatsText)
    return Error(ErrorCode::kCorrupt, "its event formats are larger than any real ones");
  decode::append_format_file(dat.formats, std::string(system) + "/" + std::string(name) + "/format", text);
  return {};
}

template <class Size>
Status read_sized_text(TraceDatInput& in, const char* what, std::string& out) {
  const std::string_view text = in.text(in.number<Size>());
  if (!in.ok()) return cut_off(what);
  if (text.size() > decode::kMaxKallsymsText)
    return Error(ErrorCode::kCorrupt, std::string("its ") + what + " are larger than any real ones");
  out = text;
  return {};
}

}  // namespace

Status read_header_info(TraceDatInput& in, TraceDat& dat) {
  for (const char* const name : {"header_page", "header_event"}) {
    const std::string_view found = in.string();
    const std::string_view text = in.text(in.number<std::uint64_t>());
    if (!in.ok()) return cut_off("headers");
    if (found != name || text.size() > 64u << 10)
      return Error(ErrorCode::kCorrupt, std::string("there is no ") + name + " where it must be");
    if (found == "header_page") IVT_RETURN_IF_ERROR(decode::check_header_page(text));
    decode::append_format_file(dat.formats, name, text);
  }
  return {};
}

Status read_ftrace_formats(TraceDatInput& in, TraceDat& dat) {
  const auto count = in.number<std::uint32_t>();
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    const std::string_view text = in.text(in.number<std::uint64_t>());
    IVT_RETURN_IF_ERROR(add_format("ftrace", text, dat));
  }
  return in.ok() ? Status() : cut_off("formats of ftrace");
}

Status read_event_formats(TraceDatInput& in, TraceDat& dat) {
  const auto systems = in.number<std::uint32_t>();
  if (systems > kMostSystems) return Error(ErrorCode::kCorrupt, "its event formats have too many systems");
  for (std::uint32_t i = 0; i < systems && in.ok(); ++i) {
    const std::string_view system = in.string();
    const auto events = in.number<std::uint32_t>();
    for (std::uint32_t k = 0; k < events && in.ok(); ++k)
      IVT_RETURN_IF_ERROR(add_format(system, in.text(in.number<std::uint64_t>()), dat));
  }
  return in.ok() ? Status() : cut_off("event formats");
}

Status read_kallsyms(TraceDatInput& in, TraceDat& dat) {
  return read_sized_text<std::uint32_t>(in, "kernel symbols", dat.kallsyms);
}
Status read_printk_formats(TraceDatInput& in, TraceDat& dat) {
  return read_sized_text<std::uint32_t>(in, "printk formats", dat.printk_formats);
}
Status read_cmdlines(TraceDatInput& in, TraceDat& dat) {
  return read_sized_text<std::uint64_t>(in, "names of tasks", dat.cmdlines);
}

}  // namespace ivtrace::exchange
