#include "decode/print_bprint.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "decode/print.h"
#include "decode/print_conversion.h"
#include "decode/print_number.h"

namespace ivtrace::decode {
namespace {

/// Takes packed arguments off the front.
class ArgumentReader {
 public:
  explicit ArgumentReader(RecordBytes bytes) : bytes_(bytes) {}

  std::optional<std::uint64_t> number(std::size_t size) {
    const std::size_t alignment = std::min<std::size_t>(size, 4);
    const std::size_t start = (position_ + alignment - 1) / alignment * alignment;
    if (start > bytes_.size() || bytes_.size() - start < size) return std::nullopt;
    position_ = start + size;
    return load_unsigned(bytes_.data() + start, size);
  }

  std::optional<std::string_view> text() {
    if (position_ >= bytes_.size()) return std::nullopt;
    const auto* start = reinterpret_cast<const char*>(bytes_.data() + position_);
    const std::size_t size = ::strnlen(start, bytes_.size() - position_);
    position_ = std::min(position_ + size + 1, bytes_.size());
    return std::string_view(start, size);
  }

 private:
  RecordBytes bytes_;
  std::size_t position_ = 0;
};

bool append_pointer(std::string& out, std::string_view extension, ArgumentReader& arguments,
                    const Symbols& symbols) {
  const bool symbol = extension.starts_with('s') || extension.starts_with('S');
  if (!extension.empty() && !symbol && extension != "x" && extension != "e" && extension != "K") {
    const auto text = arguments.text();
    if (text) out += *text;
    return text.has_value();
  }
  const auto address = arguments.number(8);
  if (!address) return false;
  std::uint64_t offset = 0;
  const std::string_view name = symbol ? symbols.lookup(*address, &offset) : std::string_view{};
  out += name;
  if (!name.empty() && extension.starts_with('s')) return true;
  out += name.empty() ? "0x" : "+0x";
  append_hex(out, name.empty() ? *address : offset);
  return true;
}

bool append_conversion(std::string& out, Conversion conversion, ArgumentReader& arguments,
                       const Symbols& symbols) {
  NumberFormat& format = conversion.format;
  constexpr std::int32_t kMax = kMaxPrintWidth;
  if (conversion.width_argument) {
    const auto word = arguments.number(4);
    if (!word) return false;
    const auto width = std::clamp(static_cast<std::int32_t>(*word), -kMax, kMax);
    format.left |= width < 0;
    format.width = static_cast<std::uint16_t>(width < 0 ? -width : width);
  }
  if (conversion.precision_argument) {
    const auto word = arguments.number(4);
    if (!word) return false;
    format.precision = static_cast<std::int16_t>(std::clamp(static_cast<std::int32_t>(*word), -1, kMax));
  }
  const std::size_t start = out.size();
  switch (format.conversion) {
    case '%':
      out += '%';
      return true;
    case 'p':
      if (!append_pointer(out, conversion.extension, arguments, symbols)) return false;
      break;
    case 's': {
      const auto text = arguments.text();
      if (!text) return false;
      out +=
          text->substr(0, format.precision < 0 ? text->size() : static_cast<std::size_t>(format.precision));
      break;
    }
    case 'c': {
      const auto word = arguments.number(1);
      if (!word) return false;
      out += static_cast<char>(*word);
      break;
    }
    default: {
      const auto word = arguments.number(conversion.bytes);
      if (!word) return false;
      append_number(out, format, narrow(*word, conversion.bytes, format.conversion != 'd'));
      return true;
    }
  }
  pad_text(out, start, format.width, format.left);
  return true;
}

}  // namespace

void append_bprint(std::string& out, std::string_view format, RecordBytes argument_bytes,
                   const Symbols& symbols) {
  ArgumentReader arguments(argument_bytes);
  const std::size_t start = out.size();
  std::size_t position = 0;
  while (position < format.size() && out.size() - start < kMaxEventText) {
    const std::size_t percent = std::min(format.find('%', position), format.size());
    out += format.substr(position, percent - position);
    if (percent == format.size()) return;
    position = percent + 1;
    const auto conversion = parse_conversion(format, position);
    if (!conversion || !append_conversion(out, *conversion, arguments, symbols)) {
      out += "…";
      return;
    }
  }
}

}  // namespace ivtrace::decode
