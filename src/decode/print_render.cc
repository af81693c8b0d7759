#include <algorithm>
#include <bit>
#include <cstring>

#include "base/text.h"
#include "decode/print.h"
#include "decode/print_address.h"
#include "decode/print_number.h"

namespace ivtrace::decode {

/// Runs one program over one record. Lives for one call.
class PrintRenderer {
 public:
  PrintRenderer(const PrintProgram& program, RecordBytes record, const Symbols& symbols, std::string& out)
      : program_(program), record_(record), symbols_(symbols), out_(out) {}

  void piece(const Piece& piece);

 private:
  std::uint64_t value(CodeRange code) const {
    const Instruction* first = program_.code_.data() + code.first;
    // Most values are a field alone.
    if (code.count == 1 && first->op == Op::kLoad) return load_word(record_.data() + first->offset, *first);
    return evaluate(first, code.count, record_);
  }
  void literal(TextRange range) { out_.append(program_.literals_.data() + range.first, range.size); }
  /// The piece's format with the width and precision that the record tells.
  NumberFormat dynamic_format(const Piece& piece) const;
  void number(const Piece& piece, const NumberFormat& format);
  void symbol(std::uint64_t address, bool with_offset);
  void text(TextId id);
  void bytes_text(const TextSource& source);
  void pointed_text(std::uint64_t address);
  void flags(const TextSource& source);
  void symbolic(const TextSource& source);
  void hex(const TextSource& source);
  void array(const TextSource& source);
  void bitmask(RecordBytes bytes);
  void cpu_list(RecordBytes bytes);

  const PrintProgram& program_;
  RecordBytes record_;
  const Symbols& symbols_;
  std::string& out_;
};

NumberFormat PrintRenderer::dynamic_format(const Piece& piece) const {
  NumberFormat format = piece.format;
  constexpr std::int64_t kMax = kMaxPrintWidth;
  if (piece.width.count > 0) {
    const std::int64_t width = static_cast<std::int32_t>(value(piece.width));
    format.left |= width < 0;
    format.width = static_cast<std::uint16_t>(std::min(width < 0 ? -width : width, kMax));
  }
  if (piece.precision.count > 0) {
    const std::int64_t precision = static_cast<std::int32_t>(value(piece.precision));
    format.precision = static_cast<std::int16_t>(std::clamp<std::int64_t>(precision, -1, kMax));
  }
  return format;
}

void PrintRenderer::piece(const Piece& piece) {
  if (piece.kind == Piece::Kind::kLiteral) return literal(piece.literal);
  NumberFormat format = piece.format;
  if (piece.width.count + piece.precision.count > 0) format = dynamic_format(piece);
  const std::size_t start = out_.size();
  switch (piece.kind) {
    case Piece::Kind::kNumber:
      return number(piece, format);
    case Piece::Kind::kText:
      text(piece.text);
      if (format.precision >= 0) {
        out_.resize(std::min(out_.size(), start + static_cast<std::size_t>(format.precision)));
      }
      break;
    case Piece::Kind::kPointer:
      if (const std::uint64_t address = value(piece.value); address != 0) {
        out_ += "0x";
        append_hex(out_, address);
      } else {
        out_ += "(nil)";
      }
      break;
    case Piece::Kind::kHexPointer:
      append_hex(out_, value(piece.value), 16);
      break;
    case Piece::Kind::kSymbol:
      symbol(value(piece.value), false);
      break;
    case Piece::Kind::kSymbolOffset:
      symbol(value(piece.value), true);
      break;
    case Piece::Kind::kAddress:
      append_address(out_, piece.extension, source_bytes(piece.source, record_));
      break;
    case Piece::Kind::kLiteral:
      break;
  }
  if (format.width > 0) pad_text(out_, start, format.width, format.left);
}

void PrintRenderer::number(const Piece& piece, const NumberFormat& format) {
  const std::uint64_t word = value(piece.value);
  if (format.conversion == 'c') {
    out_ += static_cast<char>(word);
    pad_text(out_, out_.size() - 1, format.width, format.left);
  } else {
    append_number(out_, format, narrow(word, piece.bytes, format.conversion != 'd'));
  }
}

void PrintRenderer::symbol(std::uint64_t address, bool with_offset) {
  std::uint64_t offset = 0;
  const std::string_view name = symbols_.lookup(address, &offset);
  out_ += name;
  if (!name.empty() && !with_offset) return;
  out_ += name.empty() ? "0x" : "+0x";
  append_hex(out_, name.empty() ? address : offset);
}

void PrintRenderer::text(TextId id) {
  const TextSource& source = program_.texts_[id];
  switch (source.kind) {
    case TextSource::Kind::kLiteral:
      return literal(source.literal);
    case TextSource::Kind::kBytes:
      return bytes_text(source);
    case TextSource::Kind::kPointer:
      return pointed_text(value(source.value));
    case TextSource::Kind::kFlags:
      return flags(source);
    case TextSource::Kind::kSymbol:
      return symbolic(source);
    case TextSource::Kind::kHex:
      return hex(source);
    case TextSource::Kind::kArray:
      return array(source);
    case TextSource::Kind::kBitmask:
      return bitmask(source_bytes(source.bytes, record_));
    case TextSource::Kind::kCpuList:
      return cpu_list(source_bytes(source.bytes, record_));
    case TextSource::Kind::kChoice:
      return text(value(source.value) != 0 ? source.then : source.otherwise);
  }
}

void PrintRenderer::bytes_text(const TextSource& source) {
  const RecordBytes bytes = source_bytes(source.bytes, record_);
  if (bytes.empty()) return;
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  out_.append(text, ::strnlen(text, bytes.size()));
}

void PrintRenderer::pointed_text(std::uint64_t address) {
  if (const std::string* text = symbols_.text_at(address)) {
    out_ += *text;
  } else if (address == 0) {
    out_ += "(null)";
  } else {
    append_hex(out_, address);
  }
}

void PrintRenderer::flags(const TextSource& source) {
  std::uint64_t left = value(source.value);
  bool first = true;
  const auto separate = [&] {
    if (!first) literal(source.literal);
    first = false;
  };
  const NamedValue* entry = program_.entries_.data() + source.first_entry;
  for (const NamedValue* end = entry + source.entries; entry != end && left != 0; ++entry) {
    if ((left & entry->value) != entry->value) continue;
    left &= ~entry->value;
    separate();
    literal(entry->name);
  }
  if (left == 0) return;
  separate();
  out_ += "0x";
  append_hex(out_, left);
}

void PrintRenderer::symbolic(const TextSource& source) {
  const std::uint64_t wanted = value(source.value);
  const NamedValue* entry = program_.entries_.data() + source.first_entry;
  for (const NamedValue* end = entry + source.entries; entry != end; ++entry) {
    if (entry->value == wanted) return literal(entry->name);
  }
  out_ += "0x";
  append_hex(out_, wanted);
}

void PrintRenderer::hex(const TextSource& source) {
  RecordBytes bytes = source_bytes(source.bytes, record_);
  const auto count = static_cast<std::int32_t>(value(source.value));
  bytes = bytes.first(std::min(bytes.size(), static_cast<std::size_t>(std::max(count, 0))));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0) literal(source.literal);
    append_hex(out_, static_cast<std::uint8_t>(bytes[i]), 2);
  }
}

/// As the kernel's trace_print_array_seq().
void PrintRenderer::array(const TextSource& source) {
  const RecordBytes bytes = source_bytes(source.bytes, record_);
  const auto count = static_cast<std::int32_t>(value(source.value));
  const std::uint64_t size = value(source.element);
  out_ += '{';
  if (size == 1 || size == 2 || size == 4 || size == 8) {
    const std::size_t elements = std::min(bytes.size() / size, static_cast<std::size_t>(std::max(count, 0)));
    for (std::size_t i = 0; i < elements; ++i) {
      if (i > 0) literal(source.literal);
      out_ += "0x";
      append_hex(out_, load_unsigned(bytes.data() + i * size, size));
    }
  } else {
    out_ += "BAD SIZE:";
    append_decimal(out_, size);
  }
  out_ += '}';
}

void PrintRenderer::bitmask(RecordBytes bytes) {
  for (std::size_t i = bytes.size(); i-- > 0;) {
    append_hex(out_, static_cast<std::uint8_t>(bytes[i]), 2);
    if (i % 4 == 0 && i > 0) out_ += ',';
  }
}

void PrintRenderer::cpu_list(RecordBytes bytes) {
  const auto is_set = [&](std::size_t bit) {
    return (static_cast<unsigned>(bytes[bit / 8]) >> bit % 8 & 1) != 0;
  };
  const std::size_t bits = bytes.size() * 8;
  bool first = true;
  for (std::size_t bit = 0; bit < bits; ++bit) {
    if (!is_set(bit)) continue;
    std::size_t last = bit;
    while (last + 1 < bits && is_set(last + 1)) ++last;
    if (!first) out_ += ',';
    first = false;
    append_decimal(out_, bit);
    if (last > bit) {
      out_ += '-';
      append_decimal(out_, last);
    }
    bit = last;
  }
}

bool PrintProgram::render(RecordBytes record, const Symbols& symbols, TextMode mode, std::string& out) const {
  if (record.size() < min_record_) return false;
  const std::size_t start = out.size();
  PrintRenderer renderer(*this, record, symbols, out);
  for (const Piece& piece : pieces_) {
    renderer.piece(piece);
    if (out.size() - start > kMaxEventText) {
      out.resize(start + kMaxEventText);
      break;
    }
  }
  if (mode == TextMode::kTerminal) make_terminal_safe(out, start);
  return true;
}

std::size_t PrintProgram::memory_bytes() const {
  return pieces_.capacity() * sizeof(Piece) + code_.capacity() * sizeof(Instruction) +
         texts_.capacity() * sizeof(TextSource) + entries_.capacity() * sizeof(NamedValue) +
         literals_.capacity();
}

namespace {

/// True when a byte of `word` is a control, DEL, a backslash or not ASCII; may also be true for others.
/// The classic carry tricks: x - n borrows into the high bit of each byte that is below n.
bool needs_care(std::uint64_t word) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHigh = 0x8080808080808080;
  const auto has_zero = [](std::uint64_t x) { return (x - kOnes) & ~x & kHigh; };
  const std::uint64_t control = (word - kOnes * 0x20) & ~word & kHigh;
  return (control | (word & kHigh) | has_zero(word ^ kOnes * 0x7f) | has_zero(word ^ kOnes * '\\')) != 0;
}

}  // namespace

void make_terminal_safe(std::string& out, std::size_t from) {
  while (out.size() > from && out.back() == '\n') out.pop_back();
  std::size_t clean = from;
  for (; clean + 8 <= out.size(); clean += 8) {
    std::uint64_t word;
    std::memcpy(&word, out.data() + clean, sizeof word);
    if (needs_care(word)) break;
  }
  while (clean < out.size() && out[clean] >= 0x20 && out[clean] != 0x7f && out[clean] != '\\') ++clean;
  if (clean == out.size()) return;
  const std::string rest = out.substr(clean);
  out.resize(clean);
  append_terminal_safe(out, rest);
}

}  // namespace ivtrace::decode
