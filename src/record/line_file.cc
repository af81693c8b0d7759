#include "record/line_file.h"

#include <algorithm>
#include <cstring>

#include "base/append_value.h"
#include "run/page_encoder.h"

namespace ivtrace::record {
namespace {

constexpr std::size_t kPageBytes = 16384;
constexpr std::size_t kMaxHeldBytes = 16u << 20;
/// A machine that is up for longer than centuries does not exist; a guest may say what it likes.
constexpr std::uint64_t kLastTsc = 1ull << 62;
/// ftrace's own print event (kernel/trace/trace.h, enum trace_type: TRACE_PRINT); part of what every trace
/// reader knows.
constexpr std::uint16_t kPrintId = 5;

/// struct print_entry: the common fields, an address, the text with its NUL.
std::string print_record(const std::string& text) {
  std::string record;
  append_value<std::uint16_t>(record, kPrintId);
  append_value<std::uint16_t>(record, 0);  // flags, preempt count
  append_value<std::int32_t>(record, 0);   // the task that printed is not the one that was traced
  append_value<std::uint64_t>(record, 0);
  record += text;
  record.append(4 - record.size() % 4, '\0');
  return record;
}

}  // namespace

void LineFile::add(std::uint64_t tsc, std::string text) {
  if (tsc > kLastTsc || held_bytes_ + text.size() + sizeof(Line) > kMaxHeldBytes) {
    ++lost_;
    return;
  }
  held_bytes_ += text.size() + sizeof(Line);
  held_.push_back({tsc, std::move(text)});
}

void LineFile::write_before(std::uint64_t tsc) {
  const auto middle =
      std::stable_partition(held_.begin(), held_.end(), [tsc](const Line& line) { return line.tsc < tsc; });
  std::stable_sort(held_.begin(), middle, [](const Line& a, const Line& b) { return a.tsc < b.tsc; });
  run::PageEncoder page(kPageBytes);
  std::uint64_t in_page = 0;
  const auto turn = [&] {
    if (in_page > 0 && !write_page(page.timestamp(), page.events())) lost_ += in_page;
    page.clear();
    in_page = 0;
  };
  for (auto line = held_.begin(); line != middle; ++line) {
    held_bytes_ -= line->text.size() + sizeof(Line);
    const std::string record = print_record(line->text);
    const auto bytes = std::as_bytes(std::span(record));
    last_tsc_ = std::max(last_tsc_, line->tsc);
    if (!page.fits(last_tsc_, bytes)) turn();
    if (page.add(last_tsc_, bytes)) {
      ++in_page;
    } else {
      ++lost_;
    }
  }
  turn();
  held_.erase(held_.begin(), middle);
}

Status LineFile::open() {
  if (file_) return {};
  IVT_ASSIGN_OR_RETURN(UniqueFd fd, log_.writer().open_pages(machine_, kLineBuffer, 0));
  const std::string what = machine_ + "/" + format::pages_file_name(kLineBuffer, 0);
  IVT_ASSIGN_OR_RETURN(run::PackedFileWriter file, run::PackedFileWriter::create(std::move(fd), what));
  run::SegmentRecord segment;
  segment.machine = machine_;
  segment.buffer = kLineBuffer;
  segment.offset = file.start_segment();
  segment.layout = format::PageLayout::kPacked;
  segment.generation = generation_;
  IVT_RETURN_IF_ERROR(log_.writer().append(segment));
  file_ = std::move(file);
  return {};
}

Status LineFile::write_page(std::uint64_t timestamp, std::span<const std::byte> events) {
  IVT_RETURN_IF_ERROR(open());
  std::string image;
  run::append_page(image, format::kSubBufferHeader + events.size(), timestamp, events, {});
  SpaceBudget& space = log_.space();
  const std::uint64_t cost = image.size() + sizeof(format::PackedPage);
  if (bytes_ + cost > space.guest_share() || !space.take(cost))
    return Error(ErrorCode::kExhausted, "the run's size limit leaves no room for it");
  const auto written = file_->add({page_++, 0, std::as_bytes(std::span(image)), false, {}});
  if (!written) return written.error();
  bytes_ += cost;
  return {};
}

std::string line_format(const std::string& name, std::uint16_t id) {
  return "name: " + name + "\nID: " + std::to_string(id) +
         "\nformat:\n"
         "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
         "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
         "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
         "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n"
         "\n"
         "\tfield:__data_loc char[] text;\toffset:8;\tsize:4;\tsigned:0;\n"
         "\tfield:u8 arrival;\toffset:12;\tsize:1;\tsigned:0;\n"
         "\n"
         "print fmt: \"%s%s\", __get_str(text), REC->arrival ? \" (time of arrival)\" : \"\"\n";
}

std::string line_text(const std::string& event, const std::string& line, bool arrival) {
  std::string text = event + (arrival ? " arrival=1" : " arrival=0") + " text=\"";
  for (const char c : line) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  text += '"';
  return text;
}

}  // namespace ivtrace::record
