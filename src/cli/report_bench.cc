// The text report of a whole run against libtraceevent printing the same events in the same process.
//
// Both start from the same page files and write the same kind of lines to /dev/null: ours through the whole
// command (run reader, merge of two CPUs, clock, thread names, escaping), libtraceevent's through a bare walk
// of the pages, file after file, and tep_print_event() with the columns that trace-cmd prints. `ratio` is
// libtraceevent's time divided by ours, measured by turns within one process. The events are real ones
// (decode/testdata/pages), repeated with later times.
#include <benchmark/benchmark.h>
#include <event-parse.h>
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>

#include "base/fd.h"
#include "base/text.h"
#include "cli/cli.h"
#include "decode/page.h"
#include "run/run_reader.h"
#include "run/run_writer.h"

namespace ivtrace::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kEvents = 1'000'000;
constexpr std::size_t kSlot = 4096;
constexpr std::uint64_t kStart = 1'000'000'000'000;

std::string fixture(const char* name) { return std::string("src/decode/testdata/pages/") + name; }

/// A run of at least kEvents real events on two CPUs, removed at the end of the process.
class BenchRun {
 public:
  BenchRun() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ivtrace_bench_XXXXXX").string();
    IVT_CHECK(::mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
    formats_ = read_file(fixture("formats")).value();
    write(read_file(fixture("plain.slots")).value());
  }
  ~BenchRun() { std::filesystem::remove_all(directory_); }

  std::string path() const { return directory_ + "/run.ivt"; }
  const std::string& formats() const { return formats_; }

 private:
  /// Writes the pages again and again, each round in a stretch of time of its own.
  void write(const std::string& pages) {
    run::Manifest manifest;
    manifest.tool_version = IVTRACE_VERSION;
    manifest.start_tsc = HostTsc(kStart);
    const auto writer = run::RunWriter::create(path(), manifest).value();
    run::MachineRecord host;
    host.name = format::kHostMachine;
    host.kind = "host";
    host.tsc_khz = 1'000'000;
    host.cpu_count = 2;
    IVT_CHECK(writer->append(host).ok());
    for (const std::uint64_t second : {0, 1, 2, 3}) {
      run::AnchorRecord anchor;
      anchor.anchor.tsc = HostTsc(kStart + second * 1'000'000'000);
      anchor.anchor.monotonic_raw = Nanoseconds(static_cast<std::int64_t>(second * 1'000'000'000));
      anchor.anchor.realtime = anchor.anchor.monotonic_raw;
      IVT_CHECK(writer->append(anchor).ok());
    }
    IVT_CHECK(writer->write_text("host", format::kFormatsName, formats_).ok());
    for (const std::uint32_t cpu : {0u, 1u}) {
      run::SegmentRecord segment;
      segment.machine = "host";
      segment.cpu = cpu;
      IVT_CHECK(writer->append(segment).ok());
      const UniqueFd file = writer->open_pages("host", "", cpu).value();
      const std::string content = repeated(pages, kEvents / 2);
      IVT_CHECK(write_all(file.get(), std::as_bytes(std::span(content)), "pages").ok());
    }
  }

  static std::string repeated(const std::string& pages, std::uint64_t events) {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t count = 0;
    decode::PageWalker walker(std::as_bytes(std::span(pages)), format::PageLayout::kSlots, kSlot);
    for (decode::PageImage image; walker.next(image);) {
      if (first == 0) first = image.timestamp;
      decode::EventCursor cursor(image.timestamp, image.events);
      for (decode::RawEvent event; cursor.next(event); ++count) last = event.timestamp;
    }
    IVT_CHECK(count > 0);
    std::string content;
    for (std::uint64_t round = 0; round * count < events; ++round) {
      const std::size_t begin = content.size();
      content += pages;
      for (std::size_t at = begin; at < content.size(); at += kSlot) {
        std::uint64_t timestamp;
        std::memcpy(&timestamp, content.data() + at, sizeof timestamp);
        timestamp += kStart - first + round * (last - first + 1000);
        std::memcpy(content.data() + at, &timestamp, sizeof timestamp);
      }
    }
    return content;
  }

  std::string directory_;
  std::string formats_;
};

/// libtraceevent with the run's formats.
class Reference {
 public:
  explicit Reference(const std::string& formats) : tep_(tep_alloc()) {
    IVT_CHECK(tep_ != nullptr);
    tep_set_page_size(tep_, kSlot);
    tep_set_long_size(tep_, 8);
    std::string_view rest = formats;
    while (rest.starts_with("file ")) {
      const std::size_t line_end = rest.find('\n');
      const std::vector<std::string_view> words = split(rest.substr(0, line_end), ' ');
      const std::size_t bytes = parse_u64(words.at(2)).value();
      const std::string text(rest.substr(line_end + 1, bytes));
      const std::vector<std::string_view> parts = split(words.at(1), '/');
      if (parts.size() == 3) tep_parse_event(tep_, text.data(), text.size(), std::string(parts[0]).c_str());
      rest.remove_prefix(std::min(rest.size(), line_end + 1 + bytes + 1));
    }
    trace_seq_init(&seq_);
  }
  ~Reference() {
    trace_seq_destroy(&seq_);
    tep_free(tep_);
  }

  void print(const decode::RawEvent& event, int cpu, std::string& out) {
    tep_record record = {};
    record.ts = event.timestamp;
    record.cpu = cpu;
    record.data = const_cast<std::byte*>(event.record.data());
    record.size = static_cast<int>(event.record.size());
    trace_seq_reset(&seq_);
    tep_print_event(tep_, &seq_, &record, "%16s-%-7d [%03d] %6.1000d: %s: %s\n", TEP_PRINT_COMM,
                    TEP_PRINT_PID, TEP_PRINT_CPU, TEP_PRINT_TIME, TEP_PRINT_NAME, TEP_PRINT_INFO);
    out.append(seq_.buffer, seq_.len);
  }

 private:
  tep_handle* tep_;
  trace_seq seq_ = {};
};

std::uint64_t print_by_libtraceevent(const run::RunReader& run, Reference& reference, int fd) {
  Output out = Output::to_fd(fd);
  std::uint64_t events = 0;
  for (const run::PagesFile& file : run.machines().front().files) {
    const Mapping mapping = run.map_pages(file).value();
    decode::PageWalker walker(mapping.bytes(), format::PageLayout::kSlots, kSlot);
    for (decode::PageImage image; walker.next(image);) {
      decode::EventCursor cursor(image.timestamp, image.events);
      for (decode::RawEvent event; cursor.next(event); ++events) {
        reference.print(event, static_cast<int>(file.cpu), out.text());
        out.spill();
      }
    }
  }
  return events;
}

void report_text(benchmark::State& state) {
  const BenchRun bench;
  const run::RunReader run = run::RunReader::open(bench.path()).value();
  Reference reference(bench.formats());
  const UniqueFd null = open_file("/dev/null", O_WRONLY).value();
  const std::vector<std::string> arguments = {"report", bench.path()};
  Clock::duration own{};
  Clock::duration theirs{};
  std::uint64_t events = 0;
  for (auto _ : state) {
    const auto start = Clock::now();
    {
      Output out = Output::to_fd(null.get());
      Output err = Output::to_memory();
      Streams streams{out, err};
      if (run_cli(arguments, streams) != ExitCode::kOk) return state.SkipWithError(err.captured().c_str());
    }
    const auto middle = Clock::now();
    events += print_by_libtraceevent(run, reference, null.get());
    const auto end = Clock::now();
    own += middle - start;
    theirs += end - middle;
    state.SetIterationTime(std::chrono::duration<double>(middle - start).count());
  }
  const double own_seconds = std::chrono::duration<double>(own).count();
  const double their_seconds = std::chrono::duration<double>(theirs).count();
  state.counters["events"] = static_cast<double>(events) / static_cast<double>(state.iterations());
  state.counters["own_events_per_s"] = static_cast<double>(events) / own_seconds;
  state.counters["libtraceevent_events_per_s"] = static_cast<double>(events) / their_seconds;
  state.counters["ratio"] = their_seconds / own_seconds;
}
BENCHMARK(report_text)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(3);

}  // namespace
}  // namespace ivtrace::cli
