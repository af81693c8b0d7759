// Text of events: our programs against libtraceevent, on the same records in the same process.
//
// Each benchmark's `ratio` is libtraceevent's time per event divided by ours, measured in turns within one
// run and in CPU time, so that a machine that is slow or busy slows both. `compiled_mb_s` counts the text
// made.
#include <benchmark/benchmark.h>
#include <time.h>

#include "decode/libtraceevent_printer.h"
#include "decode/print.h"
#include "decode/print_fixture.h"

namespace ivtrace::decode {
namespace {

/// Nanoseconds of CPU that this thread had: a busy machine must not decide which side looks slow.
double cpu_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

/// Events of what a report mostly consists of.
constexpr std::array<std::pair<const char*, const char*>, 14> kEvents = {
    {{"sched", "sched_switch"},
     {"sched", "sched_waking"},
     {"irq", "irq_handler_entry"},
     {"irq", "softirq_entry"},
     {"timer", "hrtimer_start"},
     {"block", "block_rq_issue"},
     {"block", "block_rq_complete"},
     {"raw_syscalls", "sys_enter"},
     {"raw_syscalls", "sys_exit"},
     {"kvm", "kvm_exit"},
     {"kvm", "kvm_entry"},
     {"kvm", "kvm_msi_set_irq"},
     {"kmem", "kmem_cache_alloc"},
     {"workqueue", "workqueue_queue_work"}}};

constexpr int kRecords = 64;

struct Case {
  const EventFormat* format;
  PrintProgram program;
  std::vector<std::vector<std::byte>> records;
};

const FormatTable& table() {
  static const FormatTable formats = FormatTable::parse(testing::load_formats("6.12"));
  return formats;
}

Case make_case(const EventFormat& format) {
  Case made{&format, *compile_print(format), {}};
  testing::RecordMaker maker(11);
  for (int i = 0; i < kRecords; ++i) made.records.push_back(maker.make(format, testing::RecordStyle::kPlain));
  return made;
}

/// Renders all cases' records by turns with both printers, and reports.
void run(benchmark::State& state, const std::vector<Case>& cases) {
  LibtraceeventPrinter reference;
  for (const Case& one : cases) {
    if (!reference.add_trusted(*one.format))
      return state.SkipWithError("libtraceevent does not know the event");
  }
  const Symbols symbols;
  std::string text;
  double own = 0;
  double theirs = 0;
  std::size_t bytes = 0;
  std::size_t events = 0;
  for (auto _ : state) {
    const double start = cpu_ns();
    for (const Case& one : cases) {
      for (const auto& record : one.records) {
        text.clear();
        one.program.render(record, symbols, TextMode::kTerminal, text);
        bytes += text.size();
        benchmark::DoNotOptimize(text.data());
      }
    }
    const double middle = cpu_ns();
    for (const Case& one : cases) {
      for (const auto& record : one.records) {
        text.clear();
        reference.render(*one.format, record, text);
        benchmark::DoNotOptimize(text.data());
      }
    }
    const double end = cpu_ns();
    own += middle - start;
    theirs += end - middle;
    events += cases.size() * kRecords;
    state.SetIterationTime((middle - start) / 1e9);
  }
  const double own_ns = own / static_cast<double>(events);
  const double their_ns = theirs / static_cast<double>(events);
  state.counters["own_ns"] = own_ns;
  state.counters["libtraceevent_ns"] = their_ns;
  state.counters["ratio"] = their_ns / own_ns;
  state.counters["compiled_mb_s"] = static_cast<double>(bytes) / static_cast<double>(events) / own_ns * 1e3;
}

void one_event(benchmark::State& state, const char* system, const char* name) {
  const EventFormat* format = table().find(system, name);
  if (format == nullptr) return state.SkipWithError("not in the fixture, or zstd is missing");
  std::vector<Case> cases;
  cases.push_back(make_case(*format));
  run(state, cases);
}

void all_of_them(benchmark::State& state) {
  std::vector<Case> cases;
  for (const auto& [system, name] : kEvents) {
    const EventFormat* format = table().find(system, name);
    if (format == nullptr) return state.SkipWithError("not in the fixture, or zstd is missing");
    cases.push_back(make_case(*format));
  }
  run(state, cases);
}

const int kRegistered = [] {
  benchmark::RegisterBenchmark("print/mixture", all_of_them)->UseManualTime();
  for (const auto& [system, name] : kEvents) {
    benchmark::RegisterBenchmark((std::string("print/") + name).c_str(), one_event, system, name)
        ->UseManualTime();
  }
  return 0;
}();

}  // namespace
}  // namespace ivtrace::decode
