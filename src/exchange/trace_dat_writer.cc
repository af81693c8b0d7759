#include "exchange/trace_dat_writer.h"

#include <algorithm>

namespace ivtrace::exchange {
namespace {

namespace dat = format::trace_dat;

constexpr std::string_view kFtrace = "ftrace";

const char* description_of(std::uint16_t id) {
  switch (id) {
    case dat::kOptions:
      return "options";
    case dat::kBuffer:
      return "buffer flyrecord";
    case dat::kStrings:
      return "strings";
    case dat::kHeaderInfo:
      return "headers";
    case dat::kFtraceFormats:
      return "ftrace events";
    case dat::kEventFormats:
      return "events format";
    case dat::kKallsyms:
      return "kallsyms";
    case dat::kPrintkFormats:
      return "printk";
    default:
      return "command lines";
  }
}

/// Number of texts, then each behind its size.
void append_texts(TraceDatBytes& out, const std::vector<std::string_view>& texts) {
  out.number(static_cast<std::uint32_t>(texts.size()));
  for (const std::string_view text : texts) out.number(std::uint64_t{text.size()}).text(text);
}

}  // namespace

Result<TraceDatWriter> TraceDatWriter::create(const std::string& path, std::uint32_t page_size) {
  IVT_ASSIGN_OR_RETURN(FileWriter out, FileWriter::create(path));
  TraceDatWriter writer(std::move(out), page_size);
  TraceDatBytes head;
  head.text(std::string_view(dat::kMagic.data(), dat::kMagic.size())).string("7");
  head.number(dat::kLittleEndian).number(dat::kLongSize).number(page_size);
  head.string(dat::kUncompressed).string("");
  writer.first_options_ = head.view().size();
  head.number(std::uint64_t{0});
  writer.out_ << head.view();
  return writer;
}

std::uint32_t TraceDatWriter::describe(std::uint16_t id) {
  const auto offset = static_cast<std::uint32_t>(strings_.size());
  strings_ += description_of(id);
  strings_ += '\0';
  return offset;
}

std::uint64_t TraceDatWriter::begin_section(std::uint16_t id) {
  const std::uint64_t offset = out_.offset();
  out_.append_value(dat::Section{id, 0, describe(id), 0});
  return offset;
}

void TraceDatWriter::end_section(std::uint64_t offset) {
  out_.patch_value(offset + dat::kSectionSize, std::uint64_t{out_.offset() - offset - sizeof(dat::Section)});
  out_.spill();
}

void TraceDatWriter::section(std::uint16_t id, std::string_view data) {
  const std::uint64_t offset = begin_section(id);
  out_ << data;
  end_section(offset);
  option(id, TraceDatBytes().number(offset).view());
}

void TraceDatWriter::option(std::uint16_t id, std::string_view data) {
  options_.number(id).number(static_cast<std::uint32_t>(data.size())).text(data);
}

void TraceDatWriter::header_info(std::string_view header_page, std::string_view header_event) {
  TraceDatBytes data;
  data.string("header_page").number(std::uint64_t{header_page.size()}).text(header_page);
  data.string("header_event").number(std::uint64_t{header_event.size()}).text(header_event);
  section(dat::kHeaderInfo, data.view());
}

void TraceDatWriter::formats(const FormatTexts& texts) {
  const auto ftrace = texts.find(std::string(kFtrace));
  TraceDatBytes own, others;
  append_texts(own, ftrace == texts.end() ? std::vector<std::string_view>() : ftrace->second);
  section(dat::kFtraceFormats, own.view());
  others.number(static_cast<std::uint32_t>(texts.size() - texts.count(std::string(kFtrace))));
  for (const auto& [system, list] : texts) {
    if (system != kFtrace) append_texts(others.string(system), list);
  }
  section(dat::kEventFormats, others.view());
}

void TraceDatWriter::begin_buffer(std::string_view name, std::string_view clock) {
  buffer_name_ = name;
  buffer_clock_ = clock;
  cpus_.clear();
  buffer_ = begin_section(dat::kBuffer);
}

void TraceDatWriter::begin_cpu(std::uint32_t cpu) {
  const std::uint64_t over = out_.offset() % page_size_;
  if (over != 0) out_.text().append(page_size_ - over, '\0');
  cpus_.push_back({cpu, out_.offset(), 0});
}

void TraceDatWriter::end_cpu() { cpus_.back().size = out_.offset() - cpus_.back().offset; }

void TraceDatWriter::end_buffer() {
  end_section(buffer_);
  TraceDatBytes data;
  data.number(buffer_).string(buffer_name_).string(buffer_clock_).number(page_size_);
  data.number(static_cast<std::uint32_t>(cpus_.size()));
  for (const Cpu& cpu : cpus_) data.number(cpu.cpu).number(cpu.offset).number(cpu.size);
  option(dat::kBuffer, data.view());
}

Status TraceDatWriter::close() {
  option(dat::kOptions, TraceDatBytes().number(std::uint64_t{0}).view());
  const std::uint64_t options = begin_section(dat::kOptions);
  out_ << options_.view();
  end_section(options);
  const std::uint64_t strings = begin_section(dat::kStrings);
  out_ << strings_;
  end_section(strings);
  out_.patch_value(first_options_, options);
  return out_.close();
}

}  // namespace ivtrace::exchange
