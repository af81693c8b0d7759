// ivtrace-agent: looks for a ring, serves it, and looks again when it is gone.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/capture.h"
#include "agent/facts.h"
#include "agent/options.h"
#include "agent/ring_source.h"
#include "agent/service.h"
#include "tracefs/cpus.h"
#include "tracefs/mount.h"

namespace ivtrace::agent {
namespace {

constexpr auto kLookAgain = std::chrono::seconds(2);

std::atomic<bool> stop_asked{false};
static_assert(std::atomic<bool>::is_always_lock_free);

/// Where a person finds what the agent has to say: standard error, or the kernel log once it is in the
/// background.
class Voice {
 public:
  void say(const std::string& line) {
    if (line == last_) return;  // waiting for a device is told once, not every two seconds
    last_ = line;
    const std::string text = "ivtrace-agent: " + line + "\n";
    if (::write(fd_, text.data(), text.size()) < 0) return;  // nobody is left to tell
  }
  void go_to_kernel_log() {
    if (Result<UniqueFd> log = open_file("/dev/kmsg", O_WRONLY)) {
      kernel_log_ = std::move(*log);
      fd_ = kernel_log_.get();
    }
  }

 private:
  UniqueFd kernel_log_;
  int fd_ = STDERR_FILENO;
  std::string last_;
};

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_asked.store(true, std::memory_order_relaxed); };
  for (const int signal_number : {SIGTERM, SIGINT, SIGHUP}) ::sigaction(signal_number, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

Result<RingMemory> open_ring(const Options& options, const std::optional<MemoryId>& let_go) {
  return options.ring_file.empty() ? open_ivshmem(options.device, let_go)
                                   : open_ring_file(options.ring_file, let_go);
}

/// What cannot get better by waiting ends an agent that is just being started, where a person sees it; a
/// device may still be plugged in, another agent may end. Later, devices come and go: whatever one of them is
/// like, the next may be good.
bool worth_waiting(const Error& error) {
  return error.code == ErrorCode::kNotFound || error.code == ErrorCode::kBusy;
}

/// Serves one ring until it is lost, asked for by the host, or the agent is asked to stop.
Result<Service::End> serve(const tracefs::TraceDir& dir, const RingMemory& memory,
                           const TscFrequency& frequency, Voice& voice) {
  IVT_ASSIGN_OR_RETURN(const std::vector<CpuId> cpus, tracefs::possible_cpus());
  if (cpus.empty()) return Error(ErrorCode::kIo, "the list of this machine's CPUs is empty");
  IVT_ASSIGN_OR_RETURN(
      ring::Producer producer,
      ring::Producer::format(memory.mapping.bytes(), cpus.back().value + 1, ring::random_nonce()));
  voice.say("serving " + memory.name);
  Service service(dir, producer, memory.name, frequency,
                  [&voice](const std::string& line) { voice.say(line); });
  const Service::End end = service.run(stop_asked);
  if (end == Service::End::kRingLost) voice.say(memory.name + " is gone; looking for another");
  if (end == Service::End::kDetached) voice.say(memory.name + " is given back to the host");
  return end;
}

/// False when something is still there.
bool clean_up(const tracefs::TraceDir& dir, Voice& voice) {
  const std::vector<std::string> left = remove_leftovers(dir);
  for (const std::string& line : left) voice.say(line);
  return left.empty();
}

int run(const Options& options) {
  Voice voice;
  const auto fail = [&voice](const Error& error) {
    voice.say(error.to_string());
    return 1;
  };
  Result<tracefs::TraceDir> dir = tracefs::TraceDir::open();
  if (!dir) return fail(dir.error());
  if (options.cleanup) return clean_up(*dir, voice) ? 0 : 1;
  std::optional<MemoryId> let_go;
  Result<RingMemory> memory = open_ring(options, let_go);
  if (!memory && !worth_waiting(memory.error())) return fail(memory.error());
  if (!options.foreground) {
    // Locks of an open file description and mappings live on in the child.
    if (::daemon(0, 0) != 0) return fail(errno_error(errno, "cannot go to the background"));
    voice.go_to_kernel_log();
  }
  const TscFrequency frequency;
  clean_up(*dir, voice);
  const auto wait_after = [&voice](const Error& error) {
    voice.say(error.to_string() + "; waiting");
    std::this_thread::sleep_for(kLookAgain);
  };
  bool just_started = true;
  while (!stop_asked.load(std::memory_order_relaxed)) {
    if (memory) {
      const Result<Service::End> served = serve(*dir, *memory, frequency, voice);
      if (!served && just_started) return fail(served.error());
      if (!served) wait_after(served.error());  // a ring too small for the CPUs, say: another may be attached
      if (served && *served == Service::End::kDetached) let_go = memory->id;
    } else {
      wait_after(memory.error());
    }
    just_started = false;
    if (stop_asked.load(std::memory_order_relaxed)) break;
    memory = Error(ErrorCode::kNotFound, "");  // gives lock and mapping back before they are taken again
    memory = open_ring(options, let_go);
  }
  return 0;
}

}  // namespace
}  // namespace ivtrace::agent

int main(int argc, char** argv) {
  using namespace ivtrace::agent;
  const auto options = parse_options(std::vector<std::string>(argv + 1, argv + argc));
  if (!options) {
    std::fprintf(stderr, "ivtrace-agent: %s\n", options.error().to_string().c_str());
    return 2;
  }
  if (options->help || options->version) {
    const std::string text = options->help ? help_text() : std::string("ivtrace-agent " IVTRACE_VERSION "\n");
    std::fputs(text.c_str(), stdout);
    return 0;
  }
  catch_signals();
  return run(*options);
}
