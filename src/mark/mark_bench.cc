// What a mark costs, against something that everybody knows, in the same run.
//
// Off: nothing records, which is the rule. `of_call` is its time over that of a call of an empty function,
// `of_getpid` over the cheapest system call; the medians of pairs measured one after the other. Without the
// file that tells of recordings (no ivtrace ever ran here) it reads the TSC besides. On: `of_null_write` is a
// mark's time over an open, a write of as many bytes and a close of /dev/null: what the same system calls
// cost without tracing behind them; first with /dev/null in place of a trace_marker, then with a real one
// where tracefs can be reached, then with nothing that records but a probe set on the USDT point.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <link.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <vector>

#include "base/fd.h"
#include "mark/mark_fixture.h"
#include "tracefs/instance.h"
#include "tracefs/mark_signal.h"
#include "tracefs/mount.h"

namespace ivtrace::mark {
namespace {

constexpr int kPairs = 31;

[[gnu::noinline]] void empty_function(const char* name) { asm volatile("" : : "r"(name) : "memory"); }

template <class Work>
double seconds(int times, Work work) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < times; ++i) work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// The median of `work` over `yardstick`, and of the nanoseconds that `work` took.
template <class Work, class Yardstick>
void compare(benchmark::State& state, const char* counter, int times, Work work, Yardstick yardstick) {
  std::vector<double> ratios, ns;
  for (auto _ : state) {
    for (int pair = 0; pair < kPairs; ++pair) {
      const double one = seconds(times, work);
      ratios.push_back(one / seconds(times, yardstick));
      ns.push_back(one / times * 1e9);
    }
  }
  const auto median = [](std::vector<double>& values) {
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                     values.end());
    return values[values.size() / 2];
  };
  state.counters[counter] = median(ratios);
  state.counters["ns"] = median(ns);
}

void off_against_a_call(benchmark::State& state) {
  const MarkPlace place;
  tracefs::signal_marks(place.kFile);
  compare(
      state, "of_call", 200'000, [] { ivtrace_mark_instant("x"); }, [] { empty_function("x"); });
}
BENCHMARK(off_against_a_call)->Iterations(1);

void off_against_getpid(benchmark::State& state) {
  const MarkPlace place;
  tracefs::signal_marks(place.kFile);
  compare(
      state, "of_getpid", 200'000, [] { ivtrace_mark_instant("x"); }, [] { ::syscall(SYS_getpid); });
}
BENCHMARK(off_against_getpid)->Iterations(1);

void off_without_the_file_against_getpid(benchmark::State& state) {
  const MarkPlace place;
  compare(
      state, "of_getpid", 200'000, [] { ivtrace_mark_instant("x"); }, [] { ::syscall(SYS_getpid); });
}
BENCHMARK(off_without_the_file_against_getpid)->Iterations(1);

void null_write() {
  static constexpr char kText[] = "B|12345|request\n";
  const int fd = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (::write(fd, kText, sizeof kText - 1) < 0) std::abort();
  ::close(fd);
}

void on_against_a_null_write(benchmark::State& state) {
  const MarkPlace place;
  std::filesystem::create_symlink("/dev/null", place.instance("ivtrace-1") + "/trace_marker");
  tracefs::signal_marks(place.kFile);
  compare(
      state, "of_null_write", 5'000, [] { ivtrace_mark_begin("request"); }, null_write);
}
BENCHMARK(on_against_a_null_write)->Iterations(1);

void on_with_a_real_trace_marker(benchmark::State& state) {
  const auto dir = tracefs::TraceDir::open();
  if (!dir || !dir->where().starts_with('/'))
    return state.SkipWithError("tracefs is not mounted, or not for us");
  auto instance = tracefs::Instance::create(*dir, "ivtrace-bench-" + std::to_string(::getpid()));
  if (!instance) return state.SkipWithError(instance.error().message.c_str());
  if (!instance->set_tracing(true)) return state.SkipWithError("tracing cannot be switched on");
  const MarkPlace place;
  std::filesystem::create_symlink(dir->where() + "/instances/" + instance->name() + "/trace_marker",
                                  place.instance("ivtrace-1") + "/trace_marker");
  tracefs::signal_marks(place.kFile);
  if (ivtrace_mark_begin("request") != 1) return state.SkipWithError("the trace_marker takes nothing");
  compare(
      state, "of_null_write", 5'000, [] { ivtrace_mark_begin("request"); }, null_write);
}
BENCHMARK(on_with_a_real_trace_marker)->Iterations(1);

/// Where a byte of this program lies in its file.
std::uintptr_t file_offset(const void* byte) {
  struct Search {
    std::uintptr_t address, offset;
  } search{reinterpret_cast<std::uintptr_t>(byte), 0};
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* data) {
        Search& found = *static_cast<Search*>(data);
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const ElfW(Phdr)& part = info->dlpi_phdr[i];
          const std::uintptr_t begin = info->dlpi_addr + part.p_vaddr;
          if (part.p_type == PT_LOAD && found.address >= begin && found.address < begin + part.p_filesz)
            found.offset = found.address - begin + part.p_offset;
        }
        return 1;  // the program itself comes first
      },
      &search);
  return search.offset;
}

/// A uprobe on the USDT point `begin` of this program, with its semaphore, recorded by an instance of its
/// own.
class BeginProbe {
 public:
  explicit BeginProbe(const tracefs::TraceDir& dir) : dir_(dir) {
    ::prctl(PR_SET_NAME,
            "ivtrace-bench");  // a recorder that starts meanwhile leaves alone what is of its like
    const auto* nop = reinterpret_cast<const unsigned char*>(&ivtrace_mark_probe_begin_);
    while (*nop != 0x90) ++nop;
    char definition[512];
    std::snprintf(definition, sizeof definition, "p:%s/begin %s:%#zx(%#zx) name=+0(%%di):string\n",
                  group_.c_str(), std::filesystem::read_symlink("/proc/self/exe").c_str(), file_offset(nop),
                  file_offset(const_cast<const unsigned short*>(&ivtrace_begin_semaphore)));
    is_set_ = append(definition);
  }
  ~BeginProbe() {
    if (is_set_) append("-:" + group_ + "/begin\n");
  }
  BeginProbe(const BeginProbe&) = delete;
  BeginProbe& operator=(const BeginProbe&) = delete;
  bool is_set() const { return is_set_; }
  std::string event() const { return group_ + ":begin"; }

 private:
  bool append(const std::string& text) const {
    const auto file = open_at(dir_.fd(), "uprobe_events", O_WRONLY | O_APPEND);
    return file && ::write(file->get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  }

  const tracefs::TraceDir& dir_;
  std::string group_ = "ivtrace_" + std::to_string(::getpid()) + "_bench";
  bool is_set_ = false;
};

void on_with_a_probe(benchmark::State& state) {
  const auto dir = tracefs::TraceDir::open();
  if (!dir) return state.SkipWithError(dir.error().message.c_str());
  const MarkPlace place;
  tracefs::signal_marks(place.kFile);
  const BeginProbe probe(*dir);  // goes after the instance, which uses it
  auto instance = tracefs::Instance::create(*dir, "ivtrace-bench-" + std::to_string(::getpid()));
  if (!probe.is_set() || !instance) return state.SkipWithError("no uprobe can be set");
  const std::string event = probe.event();
  const bool works = instance->set_events(std::span(&event, 1)).empty() && instance->set_tracing(true).ok();
  if (!works || ivtrace_begin_semaphore == 0) return state.SkipWithError("the uprobe does nothing");
  compare(
      state, "of_null_write", 5'000, [] { ivtrace_mark_begin("request"); }, null_write);
}
BENCHMARK(on_with_a_probe)->Iterations(1);

}  // namespace
}  // namespace ivtrace::mark
