#include "record/prepared_ahead.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include "format/run_layout.h"
#include "record/machine_tracers.h"
#include "record/tracer_port.h"
#include "record/tracer_preparation.h"
#include "ring/host_ring.h"
#include "ring/mailbox.h"
#include "tracefs/texts.h"
#include "tracers/stap_compile.h"

namespace ivtrace::record {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kNap = std::chrono::milliseconds(50);
constexpr auto kAliveEach = std::chrono::seconds(10);
constexpr auto kTellEach = std::chrono::seconds(30);
constexpr auto kSilenceLimit = std::chrono::seconds(30);  // of a guest's agent
constexpr Nanoseconds kHelloLimit{5'000'000'000};
constexpr Nanoseconds kSymbolsLimit{60'000'000'000};
constexpr std::size_t kMaxSymbols = 64u << 20;

bool is_script(const TracerRequest& request) { return request.kind == "stap"; }

/// One machine that scripts are meant for.
struct Target {
  std::string name;
  std::string ring;  // "" is the host
  std::vector<TracerRequest> requests;
  AheadOfMachine made;
};

/// All preparations of a target, until each is over. Used by one thread.
class Work {
 public:
  /// `others_work`: whether the recording has to wait for other machines.
  Work(Target& target, const PreparedAhead::Callbacks& callbacks, std::function<bool()> others_work)
      : target_(target), callbacks_(callbacks), others_work_(std::move(others_work)) {}

  void on_host(const std::string& release) {
    target_.made.kernel_release = release;
    LocalTracers port;  // nothing is run through it
    run(
        port, [](const auto&) { return tracefs::kallsyms_text(); }, [] {});
  }

  /// Does nothing where no agent answers.
  void in_guest() {
    const auto host = ring::HostRing::open(target_.ring);
    if (!host) return;
    (*host)->beat();
    ring::MailboxClient mailbox(**host);
    bool stopping = false;  // the last request is heard although all is given up
    GuestTracers port([&](const format::Request& request, Nanoseconds limit) {
      return mailbox.call(request, limit, nullptr, [&] { return !stopping && callbacks_.give_up(); });
    });
    const auto hello = mailbox.call(format::Request{}, kHelloLimit, nullptr, callbacks_.give_up);
    if (!hello || !hello->ok || hello->protocol != format::kMailboxProtocol) return;
    target_.made.kernel_release = hello->kernel_release;
    Result<std::string> symbols = std::string();
    if (needs_symbols())
      symbols = mailbox.read_bulk(format::Bulk::kKallsyms, kMaxSymbols, kSymbolsLimit, callbacks_.give_up);
    const auto beat = [&host] { (*host)->beat(); };
    run(
        port, [&symbols](const auto&) { return symbols; }, beat);
    keep_alive(port, beat);
    stopping = callbacks_.give_up();
    if (stopping && is_polled_) static_cast<void>(port.stop());
  }

 private:
  using Symbols = std::function<Result<std::string>(const std::function<bool()>&)>;

  bool needs_symbols() const {
    return std::any_of(target_.requests.begin(), target_.requests.end(), [](const TracerRequest& request) {
      const auto needs = tracers::wants_kallsyms({request.path, "", request.options, ""});
      return is_script(request) && needs && *needs;
    });
  }

  void run(TracerPort& port, const Symbols& symbols, const std::function<void()>& beat) {
    const TracerMachine machine{target_.made.kernel_release, symbols, !target_.ring.empty()};
    const auto notice = [this](const std::string& line) { callbacks_.notice(target_.name + ": " + line); };
    for (std::uint32_t id = 1; id <= target_.requests.size(); ++id) {
      const TracerRequest& request = target_.requests[id - 1];
      if (is_script(request))
        waiting_[id] = std::make_unique<TracerPreparation>(id, request, machine, notice);
    }
    while (!waiting_.empty() && !is_silent()) {
      std::this_thread::sleep_for(kNap);
      beat();
      go_on(port);
    }
    waiting_.clear();  // what a silent guest has not told is prepared when it is recorded
  }

  /// The agent forgets what nobody asks for.
  void keep_alive(TracerPort& port, const std::function<void()>& beat) {
    auto next = Clock::now();
    while (is_polled_ && others_work_() && !callbacks_.give_up()) {
      std::this_thread::sleep_for(kNap);
      beat();
      if (Clock::now() < next) continue;
      next = Clock::now() + kAliveEach;
      static_cast<void>(port.poll());
    }
  }

  void go_on(TracerPort& port) {
    bool poll = false;
    for (auto at = waiting_.begin(); at != waiting_.end();) {
      if (callbacks_.give_up()) at->second->give_up();
      const auto made = at->second->look(port);
      poll |= at->second->wants_poll();
      if (made) keep(at->first, *made);
      at = made ? waiting_.erase(at) : std::next(at);
    }
    if (poll) take(port);
  }

  bool is_silent() const { return silent_since_ && Clock::now() - *silent_since_ > kSilenceLimit; }

  void take(TracerPort& port) {
    is_polled_ = true;
    const auto reply = port.poll();
    if (!reply && !silent_since_) silent_since_ = Clock::now();
    if (!reply) return;
    silent_since_.reset();
    for (const format::TracerState& state : reply->tracers) {
      if (const auto one = waiting_.find(state.tracer); one != waiting_.end()) one->second->take(state);
    }
  }

  /// What the guest's agent has compiled stays there: the recording asks for it anew and gets it at once.
  void keep(std::uint32_t id, const Result<PreparedTracer>& made) {
    const bool is_there = made && made->kind == tracers::kScriptKind;
    const bool given_up = !made && made.error().code == ErrorCode::kGone;
    if (!is_there && !given_up) target_.made.made.emplace(id, made);
  }

  Target& target_;
  const PreparedAhead::Callbacks& callbacks_;
  const std::function<bool()> others_work_;
  std::map<std::uint32_t, std::unique_ptr<TracerPreparation>> waiting_;
  std::optional<Clock::time_point> silent_since_;
  bool is_polled_ = false;  // some of it is the guest's to do
};

std::vector<Target> targets_of(const RecordConfig& config, const std::vector<hypervisor::Guest>& guests) {
  std::vector<Target> targets;
  const auto add = [&](const std::string& name, const std::string& ring) {
    std::vector<TracerRequest> mine = tracers_of(config.tracers, name);
    if (std::any_of(mine.begin(), mine.end(), is_script))
      targets.push_back({name, ring, std::move(mine), {}});
  };
  add(format::kHostMachine, "");
  for (const hypervisor::Guest& guest : guests) {
    if (!guest.rings.empty()) add(format::to_machine_name(guest.name), guest.rings.front().path);
  }
  for (const ExtraRing& ring : config.extra_rings) add(format::to_machine_name(ring.name), ring.path);
  return targets;
}

}  // namespace

std::optional<Result<PreparedTracer>> AheadOfMachine::find(std::uint32_t id,
                                                           const std::string& release) const {
  const auto one = made.find(id);
  if (one == made.end() || release != kernel_release) return std::nullopt;
  return one->second;
}

bool PreparedAhead::is_wanted(const RecordConfig& config) {
  return std::any_of(config.tracers.begin(), config.tracers.end(), is_script);
}

void PreparedAhead::prepare(const RecordConfig& config, const std::string& host_release,
                            const std::vector<hypervisor::Guest>& guests, const Callbacks& callbacks) {
  std::vector<Target> targets = targets_of(config, guests);
  std::atomic<std::size_t> busy{targets.size()};
  std::atomic<std::size_t> ended{0};
  std::vector<std::thread> threads;
  for (Target& target : targets) {
    threads.emplace_back([&] {
      bool told = false;  // that this one is done; it may wait for the others
      Work work(target, callbacks, [&] {
        if (!std::exchange(told, true)) --busy;
        return busy > 0;
      });
      target.ring.empty() ? work.on_host(host_release) : work.in_guest();
      if (!told) --busy;
      ++ended;
    });
  }
  const auto begun = Clock::now();
  auto next = begun + kTellEach;
  while (ended < targets.size()) {
    std::this_thread::sleep_for(kNap);
    if (Clock::now() < next || callbacks.give_up()) continue;
    next += kTellEach;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - begun).count();
    callbacks.notice(fmt::format(
        "scripts are being compiled for {} s; the recording begins when that is done (Ctrl-C ends it)",
        seconds));
  }
  for (std::thread& thread : threads) thread.join();
  for (Target& target : targets) machines_.emplace(target.ring, std::move(target.made));
}

const AheadOfMachine* PreparedAhead::of_ring(const std::string& path) const {
  const auto machine = machines_.find(path);
  return machine == machines_.end() ? nullptr : &machine->second;
}

}  // namespace ivtrace::record
