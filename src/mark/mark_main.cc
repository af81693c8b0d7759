// ivtrace-mark: one mark, or a command with a mark around it.
#include <ivtrace/mark.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <string>

#include "mark/mark_text.h"
#include "mark/options.h"
#include "mark/run_command.h"

namespace ivtrace::mark {
namespace {

constexpr int kMarked = 0, kNothingRecords = 1, kUsage = 2;

/// Writes it to what records now; false, and said unless quiet, when nothing does.
class Marker {
 public:
  explicit Marker(bool quiet) : quiet_(quiet) {}

  void mark(const std::string& text) {
    if (ivtrace_mark_text(text.data(), static_cast<int>(text.size())) > 0 || quiet_ || missed_) return;
    missed_ = true;
    const bool readable = ::access("/sys/kernel/tracing/instances", R_OK | X_OK) == 0 ||
                          ::access("/sys/kernel/debug/tracing/instances", R_OK | X_OK) == 0;
    const char* const hint =
        ::geteuid() != 0 ? "marks need the right to write to tracefs: run it as root, or with sudo"
        : !readable      ? "tracefs is not mounted: mount -t tracefs nodev /sys/kernel/tracing"
                         : "start ivtrace record, on this host or on the host of this guest";
    std::fprintf(stderr, "ivtrace-mark: no recording took the mark (%s)\n", hint);
  }
  int exit_code() const { return missed_ ? kNothingRecords : kMarked; }

 private:
  bool quiet_;
  bool missed_ = false;
};

int run(const Options& options) {
  Marker marker(options.quiet);
  // A script's marks belong together although each is written by another process.
  const std::int32_t caller = options.pid.value_or(::getppid());
  switch (options.action) {
    case Action::kHelp:
      std::fputs(help_text().c_str(), stdout);
      return kMarked;
    case Action::kVersion:
      std::puts("ivtrace-mark " IVTRACE_VERSION);
      return kMarked;
    case Action::kInstant:
      marker.mark(mark_text("instant", caller, options.name));
      break;
    case Action::kLines:
      for (std::string line; std::getline(std::cin, line);) marker.mark(mark_text("instant", caller, line));
      break;
    case Action::kBegin:
      marker.mark(mark_text("begin", caller, options.name));
      break;
    case Action::kEnd:
      marker.mark(mark_text("end", caller, {}));
      break;
    case Action::kCounter:
      marker.mark(mark_text("counter", caller, options.name, options.value));
      break;
    case Action::kRun: {
      // A process of its own: two of them may run beside each other in one script.
      const std::int32_t self = options.pid.value_or(::getpid());
      marker.mark(mark_text("begin", self, options.name));
      const int code = run_command(options.command);
      marker.mark(mark_text("end", self, {}));
      return code;
    }
  }
  return marker.exit_code();
}

}  // namespace
}  // namespace ivtrace::mark

int main(int argc, char** argv) {
  using namespace ivtrace::mark;
  const auto options = parse_options(std::vector<std::string>(argv + 1, argv + argc));
  if (!options) {
    std::fprintf(stderr, "ivtrace-mark: %s\n", options.error().to_string().c_str());
    return kUsage;
  }
  return run(*options);
}
