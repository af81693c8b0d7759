#include "exchange/trace_dat_reader.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <cstring>

#include "base/fd.h"
#include "decode/page_builder.h"
#include "exchange/trace_dat_test_support.h"

namespace ivtrace::exchange {
namespace {

namespace dat_format = format::trace_dat;

std::string bytes_of(const TraceDat& dat, const TraceDatBuffer& buffer, const TraceDatCpu& cpu) {
  TraceDatPieces pieces(dat, buffer, cpu);
  std::string all;
  while (true) {
    const auto piece = pieces.next().value();
    if (piece.empty()) return all;
    all.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  }
}

TEST(ReadTraceDat, GivesWhatTheWriterWasGiven) {
  const std::string file = sample_trace_dat();
  const TraceDat dat = read_trace_dat(std::as_bytes(std::span(file))).value();
  EXPECT_EQ(dat.page_size, 4096u);
  EXPECT_EQ(dat.compression, Compression::kNone);
  EXPECT_EQ(dat.kallsyms, "ffffffff81000000 T _text\n");
  EXPECT_EQ(dat.printk_formats, "0xffffffff82000000 : \"hello\"\n");
  EXPECT_EQ(dat.cmdlines, "1 init\n");
  EXPECT_EQ(dat.clock, "tsc2nsec");
  EXPECT_EQ(dat.trace_id, 77u);
  EXPECT_EQ(dat.cpu_count, 4u);
  EXPECT_EQ(dat.offset_ns, -5000);
  EXPECT_EQ(dat.date_ns, 0x1000 * 1000);
  ASSERT_TRUE(dat.speed);
  EXPECT_EQ(dat.speed->mult, 1u << 30);
  ASSERT_EQ(dat.guests.size(), 1u);
  EXPECT_EQ(dat.guests[0].name, "vm1");
  EXPECT_EQ(dat.guests[0].vcpus, (std::vector<std::pair<std::uint32_t, std::int32_t>>{{0, 500}, {2, 502}}));
  ASSERT_TRUE(dat.time_shift);
  EXPECT_EQ(dat.time_shift->peer, 88u);
  ASSERT_EQ(dat.time_shift->cpus.size(), 1u);
  EXPECT_EQ(dat.time_shift->cpus[0][0].offset, -123);
  EXPECT_EQ(dat.time_shift->cpus[0][0].frac_bits, 48u);
  EXPECT_EQ(dat.cpu_stats, std::vector<std::string>{"CPU: 0\nentries: 1\n"});
  std::string formats = dat.formats;
  EXPECT_NE(formats.find("file header_page "), std::string::npos);
  EXPECT_NE(formats.find("file ftrace/print/format "), std::string::npos);
  EXPECT_NE(formats.find("file sched/sched_switch/format "), std::string::npos);
  ASSERT_EQ(dat.buffers.size(), 2u);
  EXPECT_EQ(dat.buffers[1].name, "sys");
  ASSERT_EQ(dat.buffers[0].cpus.size(), 2u) << "those without data are left out";
  EXPECT_EQ(dat.buffers[0].cpus[1].cpu, 3u);
  const std::string pages = bytes_of(dat, dat.buffers[0], dat.buffers[0].cpus[1]);
  EXPECT_EQ(pages.size(), 2 * 4096u);
}

/// What is told of the buffer at the end of sample_version_6(), with options of its own before it.
std::string version_6_with_options(std::string_view options) {
  std::string file = sample_version_6();
  constexpr std::size_t kCpus = 2 * 2 * sizeof(std::uint64_t);
  const std::size_t word = dat_format::kFlyrecordWord.size() + 1;  // and its zero byte
  return file.insert(file.size() - kCpus - word, options);
}

TEST(ReadTraceDat, BuffersOfVersion6MayTellOfMoreBuffers) {
  // Each lies at the same place, so the first one tells of many, and so do those.
  TraceDatBytes options;
  options.string(dat_format::kOptionsWord);
  for (int i = 0; i < 100; ++i) {
    options.number(std::uint16_t{dat_format::kBuffer}).number(std::uint32_t{8 + 27});
    options.number(std::uint64_t{2 * 4096}).string("a name that is on the heap");
  }
  options.number(std::uint16_t{dat_format::kOptions});
  const std::string file = version_6_with_options(options.view());
  const auto dat = read_trace_dat(std::as_bytes(std::span(file)));
  ASSERT_FALSE(dat.ok());
  EXPECT_EQ(dat.error().code, ErrorCode::kCorrupt);
}

TEST(ReadTraceDat, Version6HasAllInOneOrder) {
  const std::string file = sample_version_6();
  const TraceDat dat = read_trace_dat(std::as_bytes(std::span(file))).value();
  EXPECT_EQ(dat.kallsyms, "ffffffff81000000 T _text\n");
  EXPECT_EQ(dat.cmdlines, "1 init\n");
  EXPECT_EQ(dat.clock, "x86-tsc");
  EXPECT_EQ(dat.trace_id, 77u);
  ASSERT_EQ(dat.buffers.size(), 2u);
  EXPECT_EQ(dat.buffers[0].name, "");
  EXPECT_EQ(dat.buffers[1].name, "sys");
  ASSERT_EQ(dat.buffers[0].cpus.size(), 1u);
  EXPECT_EQ(dat.buffers[0].cpus[0].cpu, 1u);
  EXPECT_EQ(bytes_of(dat, dat.buffers[0], dat.buffers[0].cpus[0]).size(), 4096u);
  EXPECT_EQ(bytes_of(dat, dat.buffers[1], dat.buffers[1].cpus[0]),
            bytes_of(dat, dat.buffers[0], dat.buffers[0].cpus[0]));
}

std::string packed(const char* name, const std::string& text) {
  std::string out(::compressBound(text.size()) + ::ZSTD_compressBound(text.size()), '\0');
  if (std::string_view(name) == "zlib") {
    uLongf size = out.size();
    EXPECT_EQ(::compress(reinterpret_cast<Bytef*>(out.data()), &size,
                         reinterpret_cast<const Bytef*>(text.data()), text.size()),
              Z_OK);
    out.resize(size);
  } else {
    out.resize(::ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  }
  return std::string(TraceDatBytes()
                         .number(static_cast<std::uint32_t>(out.size()))
                         .number(static_cast<std::uint32_t>(text.size()))
                         .text(out)
                         .view());
}

TEST(ReadTraceDat, CompressedSectionsAndChunksAreUnpacked) {
  for (const char* name : {"zlib", "zstd"}) {
    const std::string page = sample_page(100);
    const std::string file =
        compressed_trace_dat(name, packed(name, sample_header_info()),
                             std::string(TraceDatBytes().number(std::uint32_t{2}).view()) +
                                 packed(name, page) + packed(name, page));
    const auto dat = read_trace_dat(std::as_bytes(std::span(file)));
    ASSERT_TRUE(dat.ok()) << dat.error().message;
    EXPECT_NE(dat->formats.find("file header_page "), std::string::npos);
    ASSERT_EQ(dat->buffers.size(), 1u);
    EXPECT_EQ(bytes_of(*dat, dat->buffers[0], dat->buffers[0].cpus[0]), page + page);
  }
}

TEST(ReadTraceDat, BrokenCompressedBytesAreTold) {
  const std::string file = compressed_trace_dat("zstd", packed("zstd", sample_header_info()),
                                                std::string(TraceDatBytes()
                                                                .number(std::uint32_t{1})
                                                                .number(std::uint32_t{4})
                                                                .number(~std::uint32_t{0})
                                                                .text("abcd")
                                                                .view()));
  const TraceDat dat = read_trace_dat(std::as_bytes(std::span(file))).value();
  TraceDatPieces pieces(dat, dat.buffers[0], dat.buffers[0].cpus[0]);
  EXPECT_EQ(pieces.next().error().code, ErrorCode::kCorrupt);
}

TEST(ReadTraceDat, WhatIsNoneOrOfAnotherKindIsRefused) {
  const auto error_of = [](const std::string& file) {
    const auto dat = read_trace_dat(std::as_bytes(std::span(file)));
    return dat ? std::string() : dat.error().message;
  };
  EXPECT_EQ(error_of("\x7f"
                     "ELF and so on, and on"),
            "not a recording of trace-cmd");
  std::string file = sample_trace_dat();
  file[10] = '8';
  EXPECT_EQ(error_of(file), "its format is of version 8");
  file = sample_trace_dat();
  file[12] = 1;
  EXPECT_EQ(error_of(file), "it is not of a little-endian 64-bit machine");
  file = sample_trace_dat();
  file[13] = 4;
  EXPECT_EQ(error_of(file), "it is not of a little-endian 64-bit machine");
  file = sample_trace_dat();
  file[14] = 1;
  EXPECT_EQ(error_of(file), "its sub-buffers have 4097 bytes");
  EXPECT_EQ(error_of(compressed_trace_dat("lz4", "", "    ")), "it is compressed with lz4");
}

TEST(ReadTraceDat, OptionsThatGoRoundEnd) {
  std::string file = sample_trace_dat();
  std::uint64_t options = 0;
  std::memcpy(&options, file.data() + 24, sizeof options);  // behind "none", its version's NUL
  // The last option of the section is the link to the next one.
  const std::string end =
      std::string(TraceDatBytes().number(std::uint16_t{0}).number(std::uint32_t{8}).view());
  const std::size_t link = file.find(end, static_cast<std::size_t>(options) + 16);
  ASSERT_NE(link, std::string::npos);
  std::memcpy(file.data() + link + 6, &options, sizeof options);
  const auto dat = read_trace_dat(std::as_bytes(std::span(file)));
  ASSERT_FALSE(dat.ok());
  EXPECT_EQ(dat.error().message, "its options go round in a circle");
}

TEST(ReadTraceDat, CutAnywhereItTellsSoOrGivesWhatIsWhole) {
  for (const std::string& whole : {sample_trace_dat(), sample_version_6()}) {
    for (std::size_t size = 0; size < whole.size(); size += size < 4000 ? 1 : 61) {
      const std::string file = whole.substr(0, size);
      const auto dat = read_trace_dat(std::as_bytes(std::span(file)));
      if (!dat) continue;
      for (const TraceDatBuffer& buffer : dat->buffers) {
        for (const TraceDatCpu& cpu : buffer.cpus) EXPECT_EQ(bytes_of(*dat, buffer, cpu).size(), cpu.size);
      }
    }
  }
}

}  // namespace
}  // namespace ivtrace::exchange
