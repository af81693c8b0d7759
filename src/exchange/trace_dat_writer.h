// Writing a trace.dat of version 7 (format/trace_dat.h), uncompressed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/append_value.h"
#include "base/file_writer.h"
#include "format/trace_dat.h"
#include "run/page_encoder.h"

namespace ivtrace::exchange {

/// Numbers and texts one after the other, as sections and options are made of.
class TraceDatBytes {
 public:
  template <class T>
  TraceDatBytes& number(T value) {
    append_value(bytes_, value);
    return *this;
  }
  TraceDatBytes& text(std::string_view piece) {
    bytes_.append(piece);
    return *this;
  }
  /// With its NUL; cut at one of its own.
  TraceDatBytes& string(std::string_view piece) {
    return text(piece.substr(0, piece.find('\0'))).number('\0');
  }
  std::string_view view() const { return bytes_; }

 private:
  std::string bytes_;
};

/// Format texts by system; ftrace's own are told from the rest by the writer.
using FormatTexts = std::map<std::string, std::vector<std::string_view>>;

/// Writes one file from its beginning to its end: the sections in any order, buffers one after the other,
/// then close(). The main buffer must be among them. The first failure is told by close(). One thread.
class TraceDatWriter {
 public:
  /// `page_size` is that of all sub-buffers: a power of two, and a multiple of the machine's pages.
  static Result<TraceDatWriter> create(const std::string& path, std::uint32_t page_size);

  void header_info(std::string_view header_page, std::string_view header_event);
  void formats(const FormatTexts& texts);
  void kallsyms(std::string_view text) { sized_text<std::uint32_t>(format::trace_dat::kKallsyms, text); }
  void printk_formats(std::string_view text) {
    sized_text<std::uint32_t>(format::trace_dat::kPrintkFormats, text);
  }
  void cmdlines(std::string_view text) { sized_text<std::uint64_t>(format::trace_dat::kCmdlines, text); }
  void option(std::uint16_t id, std::string_view data);

  /// `name` is empty for the main buffer. CPUs come in any order, each once.
  void begin_buffer(std::string_view name, std::string_view clock);
  void begin_cpu(std::uint32_t cpu);
  void page(std::uint64_t timestamp, std::span<const std::byte> events, const run::Missed& missed) {
    run::append_page(out_.text(), page_size_, timestamp, events, missed);
    out_.spill();
  }
  void end_cpu();
  void end_buffer();

  std::uint32_t page_size() const { return page_size_; }
  const Status& status() const { return out_.status(); }
  Status close();

 private:
  struct Cpu {
    std::uint32_t cpu = 0;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
  };

  TraceDatWriter(FileWriter out, std::uint32_t page_size) : out_(std::move(out)), page_size_(page_size) {}
  /// Gives where the section is; its size is set by end_section().
  std::uint64_t begin_section(std::uint16_t id);
  void end_section(std::uint64_t offset);
  void section(std::uint16_t id, std::string_view data);
  template <class Size>
  void sized_text(std::uint16_t id, std::string_view text) {
    section(id, TraceDatBytes().number(static_cast<Size>(text.size())).text(text).view());
  }
  std::uint32_t describe(std::uint16_t id);

  FileWriter out_;
  std::uint32_t page_size_;
  std::uint64_t first_options_ = 0;  ///< where the offset of the options is
  std::string strings_;
  TraceDatBytes options_;
  std::uint64_t buffer_ = 0;  ///< the section that is being written
  std::string buffer_name_;
  std::string buffer_clock_;
  std::vector<Cpu> cpus_;
};

}  // namespace ivtrace::exchange
