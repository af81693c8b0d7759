#include "exchange/trace_dat_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "base/text.h"
#include "exchange/trace_cmd_limits.h"
#include "exchange/trace_dat_input.h"
#include "exchange/trace_dat_sections.h"
#include "format/kernel_page.h"
#include "format/trace_dat.h"

namespace ivtrace::exchange {
namespace {

namespace dat_format = format::trace_dat;

// Far more than any real file has; they bound the work that a made one can cause.
constexpr std::size_t kMostBuffers = 256;
constexpr std::size_t kMostSections = 4096;
constexpr std::size_t kMostOptionBytes = 256u << 20;
constexpr std::size_t kMostOptions = 1u << 20;
// A chunk is a few sub-buffers.
constexpr std::size_t kMostChunk = 64u << 20;
constexpr std::size_t kPiece = 1u << 20;

Status check_page_size(std::uint32_t size) {
  if (size >= kLeastPage && size <= format::kMaxSubBuffer && size % kLeastPage == 0) return {};
  return Error(ErrorCode::kCorrupt, fmt::format("its sub-buffers have {} bytes", size));
}

/// Magic, version, endianness, size of long, page size. Gives the version.
Result<int> read_head(TraceDatInput& in, TraceDat& dat) {
  const std::string_view magic = in.text(dat_format::kMagic.size());
  if (!in.ok() || !std::ranges::equal(magic, dat_format::kMagic))
    return Error(ErrorCode::kInvalid, "not a recording of trace-cmd");
  const std::string_view version = in.string();
  const auto endianness = in.number<std::uint8_t>();
  const auto long_size = in.number<std::uint8_t>();
  dat.page_size = in.number<std::uint32_t>();
  if (!in.ok()) return cut_off("head");
  if (version != "6" && version != "7") {
    std::string text;
    append_terminal_safe(text, version.substr(0, 16));
    return Error(ErrorCode::kUnsupported, "its format is of version " + text, "versions 6 and 7 are read");
  }
  if (endianness != dat_format::kLittleEndian || long_size != dat_format::kLongSize)
    return Error(ErrorCode::kUnsupported, "it is not of a little-endian 64-bit machine");
  IVT_RETURN_IF_ERROR(check_page_size(dat.page_size));
  return version == "6" ? 6 : 7;
}

/// Version 6: everything in one order.
class SequentialFile {
 public:
  explicit SequentialFile(TraceDat& dat) : dat_(dat) {}

  Status read(TraceDatInput& in) {
    for (const auto part : {read_header_info, read_ftrace_formats, read_event_formats, read_kallsyms,
                            read_printk_formats, read_cmdlines})
      IVT_RETURN_IF_ERROR(part(in, dat_));
    dat_.cpu_count = in.number<std::uint32_t>();
    if (!in.ok() || dat_.cpu_count > kMostCpus) return Error(ErrorCode::kCorrupt, "it has too many CPUs");
    IVT_RETURN_IF_ERROR(read_buffer(in, ""));
    if (has_clock_) {
      const std::string_view text = in.text(in.number<std::uint64_t>());
      if (!in.ok()) return cut_off("clock");
      dat_.clock = clock_of(text);
    }
    dat_.buffers.front().clock = dat_.clock;
    // Buffers are told among the options of the main one.
    // Reading one may tell more.
    for (std::size_t i = 0; i < more_.size(); ++i) {
      const auto [offset, name] = more_[i];
      TraceDatInput at(dat_.file);
      at.seek(offset);
      IVT_RETURN_IF_ERROR(read_buffer(at, name));
      dat_.buffers.back().clock = dat_.clock;
    }
    return {};
  }

 private:
  Status read_buffer(TraceDatInput& in, const std::string& name) {
    std::string_view word = in.text(dat_format::kWordBytes);
    if (word.starts_with(dat_format::kOptionsWord)) {
      IVT_RETURN_IF_ERROR(read_options(in));
      word = in.text(dat_format::kWordBytes);
    }
    if (!in.ok()) return cut_off("options");
    if (word.starts_with(dat_format::kLatencyWord))
      return Error(ErrorCode::kUnsupported, "it holds the text of a latency tracer, not events");
    if (!word.starts_with(dat_format::kFlyrecordWord))
      return Error(ErrorCode::kCorrupt, "there is no list of CPUs where it must be");
    TraceDatBuffer buffer;
    buffer.name = name;
    buffer.page_size = dat_.page_size;
    for (std::uint32_t cpu = 0; cpu < dat_.cpu_count; ++cpu) {
      const auto offset = in.number<std::uint64_t>();
      const auto size = in.number<std::uint64_t>();
      if (!in.ok()) return cut_off("list of CPUs");
      IVT_RETURN_IF_ERROR(add_cpu(dat_, {cpu, offset, size}, buffer));
    }
    dat_.buffers.push_back(std::move(buffer));
    return {};
  }

  Status read_options(TraceDatInput& in) {
    for (std::size_t i = 0; i < kMostOptions; ++i) {
      const auto id = in.number<std::uint16_t>();
      if (!in.ok()) break;
      if (id == dat_format::kOptions) return {};
      const std::string_view data = in.text(in.number<std::uint32_t>());
      if (!in.ok()) break;
      if (id == dat_format::kTraceClock) has_clock_ = true;
      if (id == dat_format::kBuffer) {
        TraceDatInput option(data);
        const auto offset = option.number<std::uint64_t>();
        const std::string name(option.string());
        if (!option.ok() || more_.size() == kMostBuffers)
          return Error(ErrorCode::kCorrupt, "its option BUFFER makes no sense");
        more_.emplace_back(offset, name);
      } else {
        IVT_RETURN_IF_ERROR(read_option(id, data, dat_));
      }
    }
    return cut_off("options");
  }

  TraceDat& dat_;
  bool has_clock_ = false;
  std::vector<std::pair<std::uint64_t, std::string>> more_;
};

/// Version 7: sections that options point to.
class SectionedFile {
 public:
  explicit SectionedFile(TraceDat& dat) : dat_(dat) {}

  Status read(TraceDatInput& in) {
    const std::string_view compression = in.string();
    in.string();  // its version
    std::uint64_t options = in.number<std::uint64_t>();
    if (!in.ok()) return cut_off("head");
    const auto known = compression_of(compression);
    if (!known) {
      std::string name;
      append_terminal_safe(name, compression.substr(0, 16));
      return Error(ErrorCode::kUnsupported, "it is compressed with " + name, "zlib and zstd are read");
    }
    dat_.compression = *known;
    std::set<std::uint64_t> seen;
    while (options != 0) {
      if (!seen.insert(options).second || seen.size() > kMostSections)
        return Error(ErrorCode::kCorrupt, "its options go round in a circle");
      IVT_ASSIGN_OR_RETURN(options, read_options(options));
    }
    if (seen.empty()) return cut_off("options");  // trace-cmd died before it had written where they are
    for (const auto& [id, offset] : sections_) IVT_RETURN_IF_ERROR(read_section(id, offset));
    return {};
  }

 private:
  /// A section's bytes, unpacked into `unpacked` where they are compressed. To the file's end otherwise: the
  /// content tells where it ends.
  Result<TraceDatInput> open(std::uint16_t id, std::uint64_t offset, const char* what,
                             std::string& unpacked) {
    TraceDatInput in(dat_.file);
    in.seek(offset);
    const auto header = in.number<dat_format::Section>();
    if (!in.ok()) return cut_off(what);
    if (header.id != id)
      return Error(ErrorCode::kCorrupt, fmt::format("there are no {} where they must be", what));
    if ((header.flags & dat_format::kCompressed) == 0) return in;
    IVT_ASSIGN_OR_RETURN(unpacked, inflate(dat_.compression, in, left_to_inflate_));
    left_to_inflate_ -= unpacked.size();
    return TraceDatInput(std::string_view(unpacked));
  }

  /// Gives the offset of the next options, 0 for none.
  Result<std::uint64_t> read_options(std::uint64_t offset) {
    std::string unpacked;
    IVT_ASSIGN_OR_RETURN(TraceDatInput in, open(dat_format::kOptions, offset, "options", unpacked));
    while (true) {
      const auto id = in.number<std::uint16_t>();
      const std::string_view data = in.text(in.number<std::uint32_t>());
      option_bytes_ += data.size();
      if (!in.ok() || option_bytes_ > kMostOptionBytes || ++options_ > kMostOptions)
        return cut_off("options");
      TraceDatInput option(data);
      if (id == dat_format::kOptions) {
        const auto next = option.number<std::uint64_t>();
        if (!option.ok()) return cut_off("options");
        return next;
      }
      if (id == dat_format::kBuffer) {
        IVT_RETURN_IF_ERROR(read_buffer(option));
      } else if (id >= dat_format::kHeaderInfo && id <= dat_format::kCmdlines) {
        const auto at = option.number<std::uint64_t>();
        if (!option.ok() || sections_.size() == kMostSections) return cut_off("options");
        // trace-cmd may write a section anew; the last one counts.
        std::erase_if(sections_, [&](const auto& known) { return known.first == id; });
        sections_.emplace_back(id, at);
      } else {
        IVT_RETURN_IF_ERROR(read_option(id, data, dat_));
      }
    }
  }

  Status read_buffer(TraceDatInput& option) {
    TraceDatBuffer buffer;
    const auto offset = option.number<std::uint64_t>();
    buffer.name = option.string();
    buffer.clock = clock_of(option.string());
    buffer.page_size = option.number<std::uint32_t>();
    const auto cpus = option.number<std::uint32_t>();
    if (!option.ok() || cpus > kMostCpus || dat_.buffers.size() == kMostBuffers)
      return Error(ErrorCode::kCorrupt, "its option BUFFER makes no sense");
    IVT_RETURN_IF_ERROR(check_page_size(buffer.page_size));
    TraceDatInput in(dat_.file);
    in.seek(offset);
    const auto header = in.number<dat_format::Section>();
    if (!in.ok()) return cut_off("events");
    if (header.id != dat_format::kBuffer)
      return Error(ErrorCode::kCorrupt, "there are no events where they must be");
    buffer.compressed = (header.flags & dat_format::kCompressed) != 0;
    for (std::uint32_t i = 0; i < cpus; ++i) {
      TraceDatCpu cpu;
      cpu.cpu = option.number<std::uint32_t>();
      cpu.offset = option.number<std::uint64_t>();
      cpu.size = option.number<std::uint64_t>();
      if (!option.ok()) return cut_off("list of CPUs");
      IVT_RETURN_IF_ERROR(add_cpu(dat_, cpu, buffer));
    }
    if (buffer.name.empty() && !buffer.clock.empty()) dat_.clock = buffer.clock;
    dat_.buffers.push_back(std::move(buffer));
    return {};
  }

  Status read_section(std::uint16_t id, std::uint64_t offset) {
    std::string unpacked;
    IVT_ASSIGN_OR_RETURN(TraceDatInput in, open(id, offset, "texts", unpacked));
    switch (id) {
      case dat_format::kHeaderInfo:
        return read_header_info(in, dat_);
      case dat_format::kFtraceFormats:
        return read_ftrace_formats(in, dat_);
      case dat_format::kEventFormats:
        return read_event_formats(in, dat_);
      case dat_format::kKallsyms:
        return read_kallsyms(in, dat_);
      case dat_format::kPrintkFormats:
        return read_printk_formats(in, dat_);
      default:
        return read_cmdlines(in, dat_);
    }
  }

  TraceDat& dat_;
  std::size_t left_to_inflate_ = kMaxInflated;  ///< of all sections together
  std::size_t option_bytes_ = 0;
  std::size_t options_ = 0;
  std::vector<std::pair<std::uint16_t, std::uint64_t>> sections_;
};

}  // namespace

Result<TraceDat> read_trace_dat(std::span<const std::byte> file) {
  TraceDat dat;
  dat.file = file;
  TraceDatInput in(file);
  IVT_ASSIGN_OR_RETURN(const int version, read_head(in, dat));
  if (version == 6) {
    IVT_RETURN_IF_ERROR(SequentialFile(dat).read(in));
  } else {
    IVT_RETURN_IF_ERROR(SectionedFile(dat).read(in));
  }
  return dat;
}

namespace {

/// The size of compressed data is told without the number of chunks before them.
std::size_t bytes_of(const TraceDat& dat, const TraceDatBuffer& buffer, const TraceDatCpu& cpu) {
  const std::uint64_t size = cpu.size + (buffer.compressed ? sizeof(std::uint32_t) : 0);
  return static_cast<std::size_t>(std::min<std::uint64_t>(size, dat.file.size() - cpu.offset));
}

}  // namespace

TraceDatPieces::TraceDatPieces(const TraceDat& dat, const TraceDatBuffer& buffer, const TraceDatCpu& cpu)
    : in_(dat.file.subspan(static_cast<std::size_t>(cpu.offset), bytes_of(dat, buffer, cpu))),
      compression_(dat.compression),
      compressed_(buffer.compressed) {
  if (compressed_) chunks_ = in_.number<std::uint32_t>();
}

Result<std::span<const std::byte>> TraceDatPieces::next() {
  if (!compressed_) return in_.bytes(std::min<std::uint64_t>(kPiece, in_.left()));
  if (!in_.ok()) return cut_off("events");
  // An empty chunk is not the end.
  for (chunk_.clear(); chunks_ > 0 && chunk_.empty(); --chunks_) {
    IVT_ASSIGN_OR_RETURN(chunk_, inflate(compression_, in_, kMostChunk));
  }
  return std::as_bytes(std::span(chunk_));
}

}  // namespace ivtrace::exchange
