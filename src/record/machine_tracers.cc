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
constexpr unsigned kMaxRounds = 16;  // polls in a row, so that a tracer that prints for ever does not hold us
constexpr unsigned kMaxComplaints = 20;  // of one tracer, in the journal
constexpr std::size_t kMaxOutput = 4u << 20;
constexpr std::size_t kMaxDeclared = 256;

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
  if (!all_.empty()) abandon("its agent was started again");
  port_ = &port;
  give_up_ = false;
  more_ = false;
  ids_.clear();
  port.restart();
  if (requests_.empty()) return;
  lines_ = std::make_unique<LineFile>(machine_, generation, log_);
  const std::string symbols = log_.writer().path() + "/" + machine_ + "/" + format::kKallsymsName;
  const TracerMachine machine{kernel_release,
                              [symbols](const auto& give_up) { return await(symbols, give_up); }};
  for (const TracerRequest& request : requests_) {
    const std::string name = name_of(request);
    One& one = all_.emplace_back();
    one.request = request;
    one.record.machine = machine_;
    one.record.kind = request.kind;
    one.record.id = static_cast<std::uint32_t>(all_.size());
    one.record.name = name;
    one.record.source = request.path;
    one.record.state = "starting";
    const Earlier& earlier = earlier_[one.record.id];
    one.record.lines = earlier.lines;
    one.record.lost = one.lost_before = earlier.lost;
    prepare(one, machine);
  }
}

/// The script's, with a number when another script of that name is there.
std::string MachineTracers::name_of(const TracerRequest& request) const {
  const std::string wanted = script_name(request.path);
  std::string name = wanted;
  const auto taken = [&] {
    return std::any_of(all_.begin(), all_.end(), [&](const One& one) {
      return one.request.kind == request.kind && one.record.name == name;
    });
  };
  for (unsigned number = 2; taken(); ++number) name = wanted + "_" + std::to_string(number);
  return name;
}

void MachineTracers::prepare(One& one, const TracerMachine& machine) {
  one.preparation = std::make_unique<Preparation>();
  Preparation* const preparation = one.preparation.get();
  preparation->thread = std::thread([this, preparation, request = one.request, machine] {
    preparation->made = prepare_tracer(
        request, machine, [this](const std::string& line) { notice_(machine_ + ": " + line); },
        [this] { return give_up_.load(); });
    preparation->done = true;
  });
}

bool MachineTracers::want_printk() const {
  return std::any_of(requests_.begin(), requests_.end(), [](const auto& one) { return one.kind == "stap"; });
}

bool MachineTracers::busy() const {
  return std::any_of(all_.begin(), all_.end(), [](const One& one) {
    return one.stage == Stage::kPreparing || (one.stage == Stage::kStarted && one.record.state == "starting");
  });
}

bool MachineTracers::running() const {
  return std::any_of(all_.begin(), all_.end(), [](const One& one) { return one.stage == Stage::kStarted; });
}

MachineTracers::One* MachineTracers::find(std::uint32_t id) {
  const auto found =
      std::find_if(all_.begin(), all_.end(), [id](const One& one) { return one.record.id == id; });
  return found == all_.end() ? nullptr : &*found;
}

bool MachineTracers::tick() {
  if (all_.empty()) return true;
  for (One& one : all_) {
    if (one.stage == Stage::kPreparing && one.preparation->done) start(one);
  }
  bool answered = true;
  for (unsigned round = 0; round < kMaxRounds && answered && (round == 0 || more_); ++round) {
    if (!running() && !more_) break;
    const auto reply = port_->poll();
    answered = reply.ok();
    if (answered) take(*reply);
  }
  write_settled_lines();
  journal_changes();
  return answered;
}

/// What was printed before the last look, a second ago, will hardly be overtaken any more.
void MachineTracers::write_settled_lines() {
  if (Clock::now() < next_write_) return;
  next_write_ = Clock::now() + kLineDelay;
  lines_->write_before(settled_tsc_);
  settled_tsc_ = newest_tsc_;
}

void MachineTracers::start(One& one) {
  one.preparation->thread.join();
  Result<PreparedTracer> made = std::move(one.preparation->made);
  one.preparation.reset();
  if (!made) return fail(one, made.error());
  const std::string file = made->file_name.empty() ? one.record.name + ".bt" : made->file_name;
  if (Status put = port_->put_file(one.record.id, file, made->bytes); !put) return fail(one, put.error());
  const std::string event = one.request.kind + ":" + one.record.name;
  declare(one, event, line_format(one.record.name, id_of(event)));
  if (Status started = port_->start(one.record.id, made->kind, made->arguments); !started)
    return fail(one, started.error());
  one.stage = Stage::kStarted;
  one.changed = true;
}

void MachineTracers::fail(One& one, const Error& error) {
  one.stage = Stage::kFailed;
  one.record.state = "failed";
  one.record.detail = one_line(error);
  one.record.hint = error.hint;
  one.changed = true;
  notice_(machine_ + ": " + one.request.kind + " " + one.request.path + ": " + one.record.detail +
          (error.hint.empty() ? "" : " (" + error.hint + ")"));
}

void MachineTracers::take(const format::Reply& reply) {
  for (const format::TracerLine& line : reply.lines) take_line(line);
  for (const format::TracerState& state : reply.tracers) take_state(state);
  more_ = reply.more;
}

void MachineTracers::take_state(const format::TracerState& state) {
  One* const one = find(state.tracer);
  if (one == nullptr) return;
  one->record.lost = std::max(one->record.lost, one->lost_before + state.lost_lines + state.lost_events);
  if (one->stage != Stage::kStarted || one->record.state == state.state) return;
  if (state.state == "failed") return fail(*one, Error(ErrorCode::kIo, state.message, state.hint));
  if (state.state != "armed" && state.state != "ended") return;
  one->record.state = state.state;
  one->record.detail = state.message;
  if (state.state == "ended") one->stage = Stage::kEnded;
  one->changed = true;
}

void MachineTracers::take_line(const format::TracerLine& line) {
  One* const one = find(line.tracer);
  if (one == nullptr) return;
  if (line.is_error) return take_complaint(*one, line.text);
  if (const auto declaration = behind(line.text, tracers::kEventLine))
    return declare_typed(*one, *declaration);
  if (const auto output = behind(line.text, tracers::kOutputLine)) return take_output(*one, *output);
  newest_tsc_ = std::max(newest_tsc_, line.tsc);
  ++one->record.lines;
  lines_->add(line.tsc, line_text(one->request.kind + ":" + one->record.name, line.text, line.arrival));
}

void MachineTracers::take_output(One& one, const std::string& line) {
  if (one.output.size() + line.size() < kMaxOutput) {
    one.output += line + "\n";
  } else {
    ++one.record.lost;
    ++one.lost_before;
  }
}

/// What a tracer says on its standard error belongs to the recording; a guest's may say it for ever.
void MachineTracers::take_complaint(One& one, const std::string& text) {
  const std::string who = one.request.kind + " " + one.record.name;
  if (++one.complaints <= kMaxComplaints) return log_.note(machine_, who + ": " + text);
  if (one.complaints == kMaxComplaints + 1)
    log_.note(machine_, who + " complains further, which is left out from here on");
}

void MachineTracers::tell_unwritten_complaints(const One& one) {
  if (one.complaints <= kMaxComplaints) return;
  log_.note(machine_, one.request.kind + " " + one.record.name + ": " +
                          std::to_string(one.complaints - kMaxComplaints) +
                          " lines of complaint were left out");
}

std::uint16_t MachineTracers::id_of(const std::string& event) {
  const auto next = static_cast<std::uint16_t>(format::kDeclaredEventIds + ids_.size());
  return ids_.emplace(event, next).first->second;
}

/// Appends the format to the machine's, unless it is there: an agent that was started again has the same.
void MachineTracers::declare(One& one, const std::string& event, const std::string& format_text) {
  one.declared.insert(event);
  one.record.events.push_back(event);
  one.changed = true;
  const std::size_t colon = event.find(':');
  const std::string name = event.substr(0, colon) + "/" + event.substr(colon + 1) + "/format";
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
  if (one.declared.contains(event) || ids_.size() >= kMaxDeclared) return;
  if (!format::valid_text_event_name(name) || ids_.contains(event)) {
    return take_complaint(one, "it declares an event \"" + name.substr(0, format::kMaxTextEventName) +
                                   "\", which is no name or is taken: it stays text");
  }
  const auto text = format::text_event_format(id_of(event), name, fields);
  if (!text) return take_complaint(one, event + " is not declared: " + one_line(text.error()));
  declare(one, event, *text);
}

void MachineTracers::stop() {
  give_up_ = true;
  if (all_.empty() || port_ == nullptr) return;
  const auto limit = Clock::now() + kStopLimit;
  bool asked = !running();
  while ((running() || more_) && Clock::now() < limit) {
    const auto reply = asked ? port_->poll() : port_->stop();
    asked = asked || reply.ok();
    if (reply) take(*reply);
    if (!reply || !more_) std::this_thread::sleep_for(kStopNap);
  }
  abandon("it did not end within 10 s");
}

void MachineTracers::abandon(const std::string& why) {
  give_up_ = true;
  for (One& one : all_) {
    if (one.stage == Stage::kStarted) {
      more_ = true;  // whatever it still had to say is lost
      fail(one, Error(ErrorCode::kGone, why));
    } else if (one.stage == Stage::kPreparing) {
      fail(one, Error(ErrorCode::kGone, "the recording ended before it was ready"));
    }
  }
  finish();
}

void MachineTracers::finish() {
  if (lines_) lines_->finish();
  std::uint64_t unwritten = lines_ ? lines_->lost() : 0;
  for (One& one : all_) {
    one.record.lost += std::exchange(unwritten, 0);
    save_output(one);
    tell_unwritten_complaints(one);
    one.changed = true;
    tell_loss(one);
    earlier_[one.record.id] = {one.record.lines, one.record.lost};
  }
  journal_changes();
  more_ = false;
  lines_.reset();
  all_.clear();
}

void MachineTracers::save_output(One& one) {
  if (one.output.empty()) return;
  one.record.output = one.request.kind + "-" + std::to_string(one.record.id) + ".txt";
  if (log_.space().take(one.output.size()) &&
      log_.writer().write_text(machine_, one.record.output, one.output))
    return;
  one.record.output.clear();
  log_.note(machine_, "what " + one.record.name + " printed at its end is not saved: there is no room");
}

void MachineTracers::tell_loss(One& one) {
  const bool unknown = more_ && one.stage == Stage::kFailed;
  if (one.record.lost == earlier_[one.record.id].lost && !unknown) return;
  lost_ = true;
  run::LossRecord loss;
  loss.machine = machine_;
  loss.reason = "tracer";
  if (!unknown) loss.events = one.record.lost - earlier_[one.record.id].lost;
  loss.until = HostTsc(read_tsc());
  loss.detail = one.request.kind + " " + one.record.name +
                (unknown ? " was cut off: what it still had to tell is lost" : " lost them");
  log_.put(loss);
}

void MachineTracers::journal_changes() {
  for (One& one : all_) {
    if (std::exchange(one.changed, false)) log_.put(one.record);
  }
}

}  // namespace ivtrace::record
