// Small trace.dat files of both versions, for the reader's tests and fuzzer.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

#include "base/check.h"
#include "base/fd.h"
#include "decode/page_builder.h"
#include "exchange/trace_dat_writer.h"

namespace ivtrace::exchange {

inline constexpr std::string_view kSamplePage =
    "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\tfield: local_t "
    "commit;\toffset:8;\tsize:8;\tsigned:1;\n"
    "\tfield: char data;\toffset:16;\tsize:4080;\tsigned:1;\n";
inline constexpr std::string_view kSampleFormat =
    "name: sched_switch\nID: 12\nformat:\n\tfield:unsigned short "
    "common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
    "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\tfield:int "
    "x;\toffset:8;\tsize:4;\tsigned:1;\n\n"
    "print fmt: \"%d\", REC->x\n";

inline std::string sample_page(std::uint64_t time) {
  const decode::Bytes slot = decode::PageBuilder(time)
                                 .event(0, decode::make_record(12, 1, 12))
                                 .event(50, decode::make_record(12, 2, 12))
                                 .slot(4096);
  return std::string(reinterpret_cast<const char*>(slot.data()), slot.size());
}

inline std::string sample_header_info() {
  TraceDatBytes data;
  data.string("header_page").number(std::uint64_t{kSamplePage.size()}).text(kSamplePage);
  data.string("header_event").number(std::uint64_t{0});
  return std::string(data.view());
}

inline std::string sample_time_shift() {
  TraceDatBytes data;
  data.number(std::uint64_t{88}).number(std::uint32_t{0}).number(std::uint32_t{1}).number(std::uint32_t{1});
  data.number(std::uint64_t{5}).number(std::int64_t{-123}).number(std::uint64_t{1}).number(std::uint64_t{48});
  return std::string(data.view());
}
inline std::string sample_guest() {
  TraceDatBytes data;
  data.string("vm1").number(std::uint64_t{99}).number(std::uint32_t{3});
  for (const std::uint32_t cpu : {0u, 1u, 2u}) data.number(cpu).number(cpu == 1 ? 0 : 500 + cpu);
  return std::string(data.view());
}

/// Of version 7, as TraceDatWriter makes it: CPUs 0 and 3 in the main buffer, one in another.
inline std::string sample_trace_dat() {
  namespace dat = format::trace_dat;
  std::string path = std::filesystem::temp_directory_path() / "ivtrace_dat_XXXXXX";
  const UniqueFd fd(::mkstemp(path.data()));
  IVT_CHECK(fd.valid());
  TraceDatWriter out = TraceDatWriter::create(path, 4096).value();
  out.header_info(kSamplePage, "");
  const std::string print =
      "name: print\nID: 5\n" + std::string(kSampleFormat.substr(kSampleFormat.find("format:")));
  out.formats({{"ftrace", {print}}, {"sched", {kSampleFormat}}});
  out.kallsyms("ffffffff81000000 T _text\n");
  out.printk_formats("0xffffffff82000000 : \"hello\"\n");
  for (const char* buffer : {"", "sys"}) {
    out.begin_buffer(buffer, "tsc2nsec");
    for (const std::uint32_t cpu : {0u, 1u, 3u}) {
      out.begin_cpu(cpu);
      for (std::uint32_t page = 0; page < (cpu == 1 ? 0 : 1 + cpu / 2); ++page) {
        const std::string bytes = sample_page(100 + page * 1000);
        out.page(100 + page * 1000, std::as_bytes(std::span(bytes)).subspan(16, 32), {});
      }
      out.end_cpu();
    }
    out.end_buffer();
  }
  out.cmdlines("1 init\n");
  out.option(dat::kTraceId, TraceDatBytes().number(std::uint64_t{77}).view());
  out.option(dat::kCpuCount, TraceDatBytes().number(std::uint32_t{4}).view());
  out.option(dat::kOffset, TraceDatBytes().string("-5000").view());
  out.option(dat::kDate, TraceDatBytes().string("0x1000").view());
  out.option(dat::kTscToNs,
             TraceDatBytes().number(1u << 30).number(std::uint32_t{31}).number(std::uint64_t{0}).view());
  out.option(dat::kGuest, sample_guest());
  out.option(dat::kTimeShift, sample_time_shift());
  out.option(dat::kCpuStat, TraceDatBytes().string("CPU: 0\nentries: 1\n").view());
  IVT_CHECK(out.close().ok());
  std::string bytes = read_file(path).value();
  std::filesystem::remove(path);
  return bytes;
}

/// Of version 6: CPU 1 in the main buffer, and the same sub-buffer in another.
inline std::string sample_version_6() {
  namespace dat = format::trace_dat;
  constexpr std::size_t kData = 4096;
  TraceDatBytes out;
  out.text(std::string_view(dat::kMagic.data(), dat::kMagic.size())).string("6");
  out.number(dat::kLittleEndian)
      .number(dat::kLongSize)
      .number(std::uint32_t{4096})
      .text(sample_header_info());
  out.number(std::uint32_t{0}).number(std::uint32_t{1}).string("sched").number(std::uint32_t{1});
  out.number(std::uint64_t{kSampleFormat.size()}).text(kSampleFormat);
  const std::string_view symbols = "ffffffff81000000 T _text\n", names = "1 init\n";
  out.number(static_cast<std::uint32_t>(symbols.size())).text(symbols).number(std::uint32_t{0});
  out.number(std::uint64_t{names.size()}).text(names).number(std::uint32_t{2});
  // The other buffer's word is behind the data.
  constexpr std::uint64_t kOther = kData + 4096;
  out.string(dat::kOptionsWord);
  out.number(std::uint16_t{dat::kTraceId}).number(std::uint32_t{8}).number(std::uint64_t{77});
  out.number(std::uint16_t{dat::kBuffer}).number(std::uint32_t{12}).number(kOther).string("sys");
  out.number(std::uint16_t{dat::kTraceClock}).number(std::uint32_t{0}).number(std::uint16_t{0});
  const auto cpus = [&](std::string_view word) {
    out.string(word).number(std::uint64_t{kData}).number(std::uint64_t{0});
    out.number(std::uint64_t{kData}).number(std::uint64_t{4096});
  };
  cpus(dat::kFlyrecordWord);
  const std::string_view clock = "local global [x86-tsc]\n";
  out.number(std::uint64_t{clock.size()}).text(clock);
  IVT_CHECK(out.view().size() <= kData);
  out.text(std::string(kData - out.view().size(), '\0')).text(sample_page(100));
  cpus(dat::kFlyrecordWord);
  return std::string(out.view());
}

/// Of version 7 with compressed headers and one CPU whose data are `chunks`.
inline std::string compressed_trace_dat(std::string_view compression, const std::string& headers,
                                        const std::string& chunks) {
  namespace dat = format::trace_dat;
  TraceDatBytes out;
  out.text(std::string_view(dat::kMagic.data(), dat::kMagic.size())).string("7");
  out.number(dat::kLittleEndian).number(dat::kLongSize).number(std::uint32_t{4096});
  out.string(compression).string("1");
  const std::uint64_t header = out.view().size() + 8;
  const std::uint64_t buffer = header + sizeof(dat::Section) + headers.size();
  const std::uint64_t options = buffer + sizeof(dat::Section) + chunks.size();
  out.number(options);
  out.number(dat::Section{dat::kHeaderInfo, dat::kCompressed, 0, headers.size()}).text(headers);
  out.number(dat::Section{dat::kBuffer, dat::kCompressed, 0, chunks.size()}).text(chunks);
  TraceDatBytes told;
  told.number(buffer).string("").string("local").number(std::uint32_t{4096}).number(std::uint32_t{1});
  // trace-cmd does not count the number of chunks.
  told.number(std::uint32_t{0})
      .number(buffer + sizeof(dat::Section))
      .number(std::uint64_t{chunks.size()} - 4);
  out.number(dat::Section{dat::kOptions, 0, 0, 0});
  out.number(std::uint16_t{dat::kHeaderInfo}).number(std::uint32_t{8}).number(header);
  out.number(std::uint16_t{dat::kBuffer})
      .number(static_cast<std::uint32_t>(told.view().size()))
      .text(told.view());
  out.number(std::uint16_t{dat::kOptions}).number(std::uint32_t{8}).number(std::uint64_t{0});
  return std::string(out.view());
}

}  // namespace ivtrace::exchange
