#include "record/machine_tracers.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "base/text.h"
#include "base/tsc.h"
#include "format/text_event.h"
#include "tracers/tracer.h"

namespace ivtrace::record {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kLineDelay = std::chrono::seconds(1);
constexpr auto kSymbolsLimit = std::chrono::seconds(60);
constexpr auto kSymbolsNap = std::chrono::milliseconds(100);
constexpr std::size_t kMaxSymbols = 64u << 20;
constexpr auto kStopLimit = std::chrono::seconds(10);
constexpr auto kStopNap = std::chrono::milliseconds(20);
constexpr unsigned kMaxRounds = 64;  // polls in a row, so that a tracer that prints for ever does not hold us
constexpr std::size_t kMaxOutput = 4u << 20;
constexpr std::size_t kMaxDeclared = 1024;

/// What `text` says behind `word`, when it begins with it.
std::optional<std::string> behind(const std::string& text, const char* word) {
  if (!text.starts_with(word)) return std::nullopt;
  return text.substr(std::string_view(word).size());
}

std::string one_line(const Error& error) {
  std::string text;
  append_terminal_safe(text, error.message);
  return text;
}

/// A file that the recorder writes to the run in its first seconds.
Result<std::string> await(const std::string& path, const std::function<bool()>& give_up) {
  const auto limit = Clock::now() + kSymbolsLimit;
  for (;;) {
    auto text = read_file(path, kMaxSymbols);
    if (text || text.error().code != ErrorCode::kNotFound || Clock::now() >= limit || give_up()) return text;
    std::this_thread::sleep_for(kSymbolsNap);
  }
}

}  // namespace

/// A thread of its own, as compiling takes minutes. What it made is looked at when `done` is set.
struct MachineTracers::Preparation {
  std::atomic<bool> done{false};
  Result<PreparedTracer> made = Error(ErrorCode::kGone, "it was not prepared");
  std::thread thread;
  ~Preparation() {
    if (thread.joinable()) thread.join();
  }
};

std::vector<TracerRequest> tracers_of(const std::vector<TracerRequest>& requests,
                                      const std::string& machine) {
  std::vector<TracerRequest> mine;
  for (const TracerRequest& request : requests) {
    if (request.machine == machine || glob_match(request.machine, machine)) mine.push_back(request);
  }
  return mine;
}

MachineTracers::MachineTracers(std::string machine, std::vector<TracerRequest> requests, RunLog& log,
                               Notice notice)
    : machine_(std::move(machine)), requests_(std::move(requests)), log_(log), notice_(std::move(notice)) {}

MachineTracers::~MachineTracers() { give_up_ = true; }

void MachineTracers::begin(TracerPort& port, const std::string& kernel_release, std::uint64_t generation) {
  port_ = &port;
  give_up_ = true;
  all_.clear();
  give_up_ = false;
  ids_.clear();
  port.restart();
  if (requests_.empty()) return;
  if (lines_) lines_->finish();
  lines_ = std::make_unique<LineFile>(machine_, generation, log_);
  const std::string symbols = log_.writer().path() + "/" + machine_ + "/" + format::kKallsymsName;
  const TracerMachine machine{kernel_release,
                              [symbols](const auto& give_up) { return await(symbols, give_up); }};
  std::uint32_t id = 0;
  for (const TracerRequest& request : requests_) {
    One& one = all_.emplace_back();
    one.request = request;
    one.record.machine = machine_;
    one.record.kind = request.kind;
    one.record.id = ++id;
    one.record.name = script_name(request.path);
    one.record.source = request.path;
    one.record.state = "starting";
    one.preparation = std::make_unique<Preparation>();
    Preparation* const preparation = one.preparation.get();
    preparation->thread = std::thread([this, preparation, request, machine] {
      preparation->made = prepare_tracer(
          request, machine, [this](const std::string& line) { notice_(machine_ + ": " + line); },
          [this] { return give_up_.load(); });
      preparation->done = true;
    });
  }
}

bool MachineTracers::want_printk() const {
  return std::any_of(requests_.begin(), requests_.end(), [](const auto& one) { return one.kind == "stap"; });
}

bool MachineTracers::busy() const {
  return std::any_of(all_.begin(), all_.end(), [](const One& one) {
    return one.stage == Stage::kPreparing || (one.stage == Stage::kStarted && one.record.state == "starting");
  });
}

std::string MachineTracers::summary() const {
  std::string text;
  for (const One& one : all_) {
    if (one.record.state == "armed") continue;
    text += (text.empty() ? "" : ", ") + one.record.name + ": " + one.record.state;
  }
  return text;
}

MachineTracers::One* MachineTracers::find(std::uint32_t id) {
  const auto found =
      std::find_if(all_.begin(), all_.end(), [id](const One& one) { return one.record.id == id; });
  return found == all_.end() ? nullptr : &*found;
}

bool MachineTracers::tick() {
  if (all_.empty()) return true;
  bool started = false;
  for (One& one : all_) {
    if (one.stage == Stage::kPreparing && one.preparation->done) start(one);
    started = started || one.stage == Stage::kStarted;
  }
  if (!started) return true;
  for (unsigned round = 0; round < kMaxRounds; ++round) {
    const auto reply = port_->poll();
    if (!reply) return false;
    if (!take(*reply)) break;
  }
  write_settled_lines();
  return true;
}

/// What was printed before the last look, a second ago, will hardly be overtaken any more.
void MachineTracers::write_settled_lines() {
  if (Clock::now() < next_write_) return;
  next_write_ = Clock::now() + kLineDelay;
  lines_->write_before(settled_tsc_ + 1);
  settled_tsc_ = newest_tsc_;
}

void MachineTracers::start(One& one) {
  one.preparation->thread.join();
  Result<PreparedTracer> made = std::move(one.preparation->made);
  one.preparation.reset();
  if (!made) return fail(one, made.error());
  if (Status put = port_->put_file(one.record.id, made->file_name, made->bytes); !put)
    return fail(one, put.error());
  const std::string event = one.request.kind + ":" + one.record.name;
  declare(one, event, line_format(one.record.name, id_of(event)));
  if (Status started = port_->start(one.record.id, made->kind, made->arguments); !started)
    return fail(one, started.error());
  one.stage = Stage::kStarted;
  journal(one);
}

void MachineTracers::fail(One& one, const Error& error) {
  one.stage = Stage::kFailed;
  one.record.state = "failed";
  one.record.detail = one_line(error);
  one.record.hint = error.hint;
  journal(one);
  notice_(machine_ + ": " + one.request.kind + " " + one.request.path + ": " + one.record.detail +
          (error.hint.empty() ? "" : " (" + error.hint + ")"));
}

/// True: there are more lines.
bool MachineTracers::take(const format::Reply& reply) {
  for (const format::TracerLine& line : reply.lines) take_line(line);
  for (const format::TracerState& state : reply.tracers) take_state(state);
  return reply.more && !reply.lines.empty();
}

void MachineTracers::take_state(const format::TracerState& state) {
  One* const one = find(state.tracer);
  if (one == nullptr || one->stage != Stage::kStarted) return;
  const std::uint64_t lost = state.lost_lines + state.lost_events;
  const bool changed = one->record.state != state.state;
  one->record.lost = std::max(one->record.lost, lost);
  if (!changed) return;
  if (state.state == "failed") return fail(*one, Error(ErrorCode::kIo, state.message, state.hint));
  if (state.state != "armed" && state.state != "ended") return;
  one->record.state = state.state;
  one->record.detail = state.message;
  if (state.state == "ended") one->stage = Stage::kEnded;
  journal(*one);
}

void MachineTracers::take_line(const format::TracerLine& line) {
  One* const one = find(line.tracer);
  if (one == nullptr) return;
  newest_tsc_ = std::max(newest_tsc_, line.tsc);
  if (const auto declaration = behind(line.text, tracers::kEventLine))
    return declare_typed(*one, *declaration);
  if (const auto output = behind(line.text, tracers::kOutputLine)) {
    if (one->output.size() + output->size() < kMaxOutput) one->output += *output + "\n";
    return;
  }
  ++one->record.lines;
  lines_->add(line.tsc, line_text(one->request.kind + ":" + one->record.name, line.text, line.arrival));
}

std::uint16_t MachineTracers::id_of(const std::string& event) {
  const auto next = static_cast<std::uint16_t>(format::kDeclaredEventIds + ids_.size());
  return ids_.emplace(event, next).first->second;
}

/// Appends the format to the machine's, unless it is there: an agent that was started again has the same.
void MachineTracers::declare(One& one, const std::string& event, const std::string& format_text) {
  const std::size_t colon = event.find(':');
  const std::string name = event.substr(0, colon) + "/" + event.substr(colon + 1) + "/format";
  if (one.declared.emplace(event, format_text).second) one.record.events.push_back(event);
  const std::string path = log_.writer().path() + "/" + machine_ + "/" + format::kFormatsName;
  auto formats = read_file(path, 64u << 20);
  if (!formats)
    return log_.note(machine_, "the format of " + event + " is not saved: " + formats.error().message);
  if (("\n" + *formats).find("\nfile " + name + " ") != std::string::npos) return;
  const std::string framed =
      "file " + name + " " + std::to_string(format_text.size()) + "\n" + format_text + "\n";
  if (!log_.space().take(framed.size())) return;
  if (Status saved = log_.writer().write_text(machine_, format::kFormatsName, *formats + framed); !saved)
    log_.note(machine_, "the format of " + event + " is not saved: " + saved.error().message);
}

void MachineTracers::declare_typed(One& one, const std::string& declaration) {
  const std::size_t blank = declaration.find(' ');
  const std::string name = declaration.substr(0, blank);
  const std::string fields = blank == std::string::npos ? "" : declaration.substr(blank + 1);
  const std::string event = "stap:" + name;
  const bool known = one.declared.contains(event);
  if (!known && ids_.size() >= kMaxDeclared) return;
  if (!format::valid_text_event_name(name) || (!known && ids_.contains(event))) {
    std::string told = "a script declares an event \"";
    append_terminal_safe(told, name.substr(0, format::kMaxTextEventName));
    return notice_(machine_ + ": " + told + "\", which is no name or is taken: it stays text");
  }
  const auto text = format::text_event_format(id_of(event), name, fields);
  if (!text) {
    notice_(machine_ + ": " + event + " is not declared: " + one_line(text.error()));
    return;
  }
  declare(one, event, *text);
  journal(one);
}

void MachineTracers::stop() {
  give_up_ = true;
  if (all_.empty() || port_ == nullptr) return;
  const auto running = [this] {
    return std::any_of(all_.begin(), all_.end(), [](const One& one) { return one.stage == Stage::kStarted; });
  };
  const auto limit = Clock::now() + kStopLimit;
  if (running()) {
    auto reply = port_->stop();
    while (reply && Clock::now() < limit) {
      const bool more = take(*reply);
      if (!more && !running()) break;
      if (!more) std::this_thread::sleep_for(kStopNap);
      reply = port_->poll();
    }
  }
  for (One& one : all_) {
    if (one.stage == Stage::kStarted) fail(one, Error(ErrorCode::kTimeout, "it did not end within 10 s"));
    if (one.stage == Stage::kPreparing)
      fail(one, Error(ErrorCode::kGone, "the recording ended before it was ready"));
  }
  finish();
}

void MachineTracers::abandon(const std::string& why) {
  give_up_ = true;
  for (One& one : all_) {
    if (one.stage == Stage::kStarted || one.stage == Stage::kPreparing)
      fail(one, Error(ErrorCode::kGone, why));
  }
  finish();
}

void MachineTracers::finish() {
  if (lines_) lines_->finish();
  std::uint64_t unwritten = lines_ ? lines_->lost() : 0;
  for (One& one : all_) {
    one.record.lost += std::exchange(unwritten, 0);
    if (!one.output.empty()) {
      one.record.output = one.request.kind + "-" + std::to_string(one.record.id) + ".txt";
      if (!log_.space().take(one.output.size()) ||
          !log_.writer().write_text(machine_, one.record.output, one.output)) {
        one.record.output.clear();
        log_.note(machine_, "what " + one.record.name + " printed at its end is not saved: there is no room");
      }
    }
    journal(one);
    if (one.record.lost == 0) continue;
    lost_ = true;
    run::LossRecord loss;
    loss.machine = machine_;
    loss.reason = "tracer";
    loss.events = one.record.lost;
    loss.until = HostTsc(read_tsc());
    loss.detail = one.request.kind + " " + one.record.name + " lost them";
    log_.put(loss);
  }
  all_.clear();
}

void MachineTracers::journal(One& one) { log_.put(one.record); }

}  // namespace ivtrace::record
