// For tests, benchmarks and fuzzers: the event formats of real kernels, and records made for them.
#pragma once

#include <array>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "decode/event_format.h"
#include "decode/field.h"
#include "decode/format_file.h"

namespace ivtrace::decode::testing {

/// Kernels whose formats are in testdata/formats: Debian 12's 6.1 and 6.12 with all modules that have events,
/// and the 6.18 of a microVM.
inline constexpr std::array<const char*, 3> kKernels = {"6.1", "6.12", "6.18"};

/// The formats of one of kKernels, uncompressed by zstd(1). Empty when there is no such program, or outside
/// the checkout's root.
inline std::string load_formats(const std::string& kernel) {
  const std::string path = "src/decode/testdata/formats/" + kernel + ".formats.zst";
  std::string text;
  std::FILE* pipe = ::popen(("zstd -dcq '" + path + "' 2>/dev/null").c_str(), "r");
  if (pipe == nullptr) return text;
  std::array<char, 65536> buffer;
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe))
    text.append(buffer.data(), got);
  ::pclose(pipe);
  return text;
}

/// What a made record's numbers look like.
enum class RecordStyle {
  kTame,   ///< 0…3: safe as lengths, indexes and divisors of the reference
  kPlain,  ///< non-negative, of every magnitude, and often a single bit
  kWild,   ///< any bits
};

/// Makes records of a format: every field filled, dynamic arrays placed behind the fixed part, texts
/// terminated.
class RecordMaker {
 public:
  explicit RecordMaker(std::uint32_t seed) : random_(seed) {}

  std::vector<std::byte> make(const EventFormat& format, RecordStyle style) {
    std::size_t fixed = 8;
    for (const auto* fields : {&format.common, &format.fields}) {
      for (const Field& field : *fields) fixed = std::max<std::size_t>(fixed, field.offset + field.size);
    }
    record_.assign((fixed + 3) & ~std::size_t{3}, std::byte{0});
    for (const Field& field : format.common) fill_numbers(field, field.size, style);
    std::memcpy(record_.data(), &format.id, sizeof format.id);
    for (const Field& field : format.fields) fill(field, style);
    return record_;
  }

 private:
  std::uint64_t number(std::size_t bytes, RecordStyle style) {
    const std::uint64_t bits = random_();
    const unsigned width = static_cast<unsigned>(bytes * 8 - 1);
    switch (style) {
      case RecordStyle::kTame:
        return bits % 4;
      case RecordStyle::kPlain:
        if (bits % 3 == 0) return std::uint64_t{1} << (bits >> 8) % width;
        return random_() >> (64 - width) >> (bits >> 8) % width;
      case RecordStyle::kWild:
        return bits;
    }
    return 0;
  }

  void fill_at(std::size_t offset, std::size_t size, std::size_t element, RecordStyle style) {
    if (element != 1 && element != 2 && element != 4 && element != 8) element = 1;
    for (std::size_t i = 0; i + element <= size; i += element) {
      const std::uint64_t value = number(element, style);
      std::memcpy(record_.data() + offset + i, &value, element);
    }
  }
  void fill_numbers(const Field& field, std::size_t size, RecordStyle style) {
    fill_at(field.offset, size, field.element_size, style);
  }
  void fill_text(std::size_t offset, std::size_t size) {
    if (size == 0) return;
    const std::size_t length = random_() % size;
    for (std::size_t i = 0; i < length; ++i)
      record_[offset + i] = static_cast<std::byte>('a' + random_() % 26);
    record_[offset + length] = std::byte{0};
  }

  void fill(const Field& field, RecordStyle style) {
    if (field.kind == FieldKind::kTail || field.is_dynamic()) {
      const bool text = field.is_text || field.kind == FieldKind::kTail;
      const std::size_t size = text ? 1 + random_() % 24 : 64;
      const std::size_t offset = field.kind == FieldKind::kTail ? field.offset : record_.size();
      record_.resize(std::max(record_.size(), (offset + size + 3) & ~std::size_t{3}));
      if (text) {
        fill_text(offset, size);
      } else {
        fill_at(offset, size, field.element_size, style);
      }
      if (field.kind == FieldKind::kTail) return;
      const std::size_t base = field.kind == FieldKind::kRelLoc ? field.offset + field.size : 0;
      const auto locator = static_cast<std::uint32_t>(size << 16 | (offset - base));
      std::memcpy(record_.data() + field.offset, &locator, sizeof locator);
    } else if (field.kind == FieldKind::kCharArray) {
      fill_text(field.offset, field.size);
    } else {
      fill_numbers(field, field.size, style);
    }
  }

  std::mt19937_64 random_;
  std::vector<std::byte> record_;
};

}  // namespace ivtrace::decode::testing
