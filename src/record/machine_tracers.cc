#include "record/machine_tracers.h"

#include <algorithm>
#include <string_view>
#include <thread>
#include <utility>

#include "base/fd.h"
#include "base/text.h"
#include "format/run_layout.h"
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

/// What `text` says behind `word`, when it begins with it.
std::optional<std::string> behind(const std::string& text, const char* word) {
  if (!text.starts_with(word)) return std::nullopt;
  return text.substr(std::string_view(word).size());
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

std::vector<TracerRequest> tracers_of(const std::vector<TracerRequest>& requests,
                                      const std::string& machine) {
  std::vector<TracerRequest> mine;
  for (const TracerRequest& request : requests) {
    if (request.machine == machine || glob_match(request.machine, machine)) mine.push_back(request);
  }
  return mine;
}

std::string printk_note(bool to_instance) {
  return to_instance
             ? "what scripts tell (trace_printk) comes to ivtrace's own tracing instance, until it ends"
             : "what scripts tell (trace_printk) reaches only the kernel's top-level trace buffer: this "
               "recording uses that, and puts its settings back when it ends";
}

MachineTracers::MachineTracers(std::string machine, std::vector<TracerRequest> requests, RunLog& log,
                               Notice notice)
    : machine_(std::move(machine)),
      requests_(std::move(requests)),
      log_(log),
      notice_(
          [this, notice = std::move(notice)](const std::string& line) { notice(machine_ + ": " + line); }),
      formats_(machine_, log) {}

void MachineTracers::begin(TracerPort& port, const TracedMachine& machine, std::uint64_t generation) {
  if (!all_.empty()) abandon("its agent was started again");
  port_ = &port;
  more_ = false;
  formats_.clear();
  port.restart();
  if (requests_.empty()) return;
  lines_ = std::make_unique<LineFile>(machine_, generation, log_);
  const std::string symbols = log_.writer().path() + "/" + machine_ + "/" + format::kKallsymsName;
  const TracerMachine preparing{machine.kernel_release,
                                [symbols](const auto& give_up) { return await(symbols, give_up); },
                                machine.is_guest};
  for (const TracerRequest& request : requests_) {
    run::TracerRecord record;
    record.machine = machine_;
    record.id = static_cast<std::uint32_t>(all_.size() + 1);
    record.name = name_of(request);
    const TracerEntry::Earlier& earlier = earlier_[record.id];
    One one{TracerEntry(request, std::move(record), earlier, log_), std::nullopt, nullptr, {}};
    if (machine.ahead != nullptr) one.made = machine.ahead->find(one.entry.id(), machine.kernel_release);
    if (!one.made) prepare(one, preparing);
    all_.push_back(std::move(one));
  }
}

/// The script's, with a number when another script of that name is there.
std::string MachineTracers::name_of(const TracerRequest& request) const {
  const std::string wanted = script_name(request.path);
  std::string name = wanted;
  const auto taken = [&] {
    return std::any_of(all_.begin(), all_.end(), [&](const One& one) {
      return one.entry.request().kind == request.kind && one.entry.name() == name;
    });
  };
  for (unsigned number = 2; taken(); ++number) name = wanted + "_" + std::to_string(number);
  return name;
}

void MachineTracers::prepare(One& one, const TracerMachine& machine) {
  one.preparation =
      std::make_unique<TracerPreparation>(one.entry.id(), one.entry.request(), machine, notice_);
}

bool MachineTracers::want_printk() const {
  return std::any_of(requests_.begin(), requests_.end(), [](const auto& one) { return one.kind == "stap"; });
}

bool MachineTracers::busy() const {
  return std::any_of(all_.begin(), all_.end(), [](const One& one) { return one.entry.busy(); });
}

bool MachineTracers::running() const {
  return std::any_of(all_.begin(), all_.end(),
                     [](const One& one) { return one.entry.stage() == Stage::kStarted; });
}

MachineTracers::One* MachineTracers::find(std::uint32_t id) {
  const auto found =
      std::find_if(all_.begin(), all_.end(), [id](const One& one) { return one.entry.id() == id; });
  return found == all_.end() ? nullptr : &*found;
}

bool MachineTracers::tick() {
  if (all_.empty()) return true;
  for (One& one : all_) {
    if (one.entry.stage() == Stage::kPreparing) go_on(one);
  }
  bool answered = true;
  for (unsigned round = 0; round < kMaxRounds && answered && (round == 0 || more_); ++round) {
    if (!poll_due() && !more_) break;
    const auto reply = port_->poll();
    answered = reply.ok();
    if (answered) take(*reply);
  }
  write_settled_lines();
  journal_changes();
  return answered;
}

bool MachineTracers::poll_due() {
  bool due = running();
  for (One& one : all_) due |= one.preparation && one.preparation->wants_poll();
  return due;
}

/// What was printed before the last look, a second ago, will hardly be overtaken any more.
void MachineTracers::write_settled_lines() {
  if (Clock::now() < next_write_) return;
  next_write_ = Clock::now() + kLineDelay;
  lines_->write_before(settled_tsc_);
  settled_tsc_ = newest_tsc_;
}

void MachineTracers::go_on(One& one) {
  std::optional<Result<PreparedTracer>> made = std::exchange(one.made, std::nullopt);
  if (!made && one.preparation) made = one.preparation->look(*port_);
  if (!made) return;
  one.preparation.reset();
  if (!*made) return fail(one.entry, made->error());
  if (Status started = start(one, **made); !started) fail(one.entry, started.error());
}

Status MachineTracers::start(One& one, const PreparedTracer& made) {
  TracerEntry& entry = one.entry;
  if (made.kind != tracers::kScriptKind) {  // of which the machine has the file, and the module
    const std::string file = made.file_name.empty() ? entry.name() + ".bt" : made.file_name;
    IVT_RETURN_IF_ERROR(port_->put_file(entry.id(), file, made.bytes));
  }
  IVT_RETURN_IF_ERROR(port_->start(entry.id(), made.kind, made.arguments));
  entry.started(made.origin);
  return {};
}

void MachineTracers::fail(TracerEntry& entry, const Error& error) {
  entry.fail(error);
  notice_(entry.request().kind + " " + entry.request().path + ": " + one_line(error) +
          (error.hint.empty() ? "" : " (" + error.hint + ")"));
}

void MachineTracers::take(const format::Reply& reply) {
  for (const format::TracerLine& line : reply.lines) take_line(line);
  for (const format::TracerState& state : reply.tracers) {
    One* const one = find(state.tracer);
    if (one == nullptr) continue;
    if (one->preparation) one->preparation->take(state);
    if (Status alive = one->entry.take_state(state); !alive) fail(one->entry, alive.error());
  }
  more_ = reply.more;
}

void MachineTracers::take_line(const format::TracerLine& line) {
  One* const one = find(line.tracer);
  if (one == nullptr) return;
  TracerEntry& entry = one->entry;
  if (line.is_error) return entry.take_complaint(line.text);
  if (const auto declaration = behind(line.text, tracers::kEventLine)) return declare(entry, *declaration);
  if (const auto output = behind(line.text, tracers::kOutputLine)) return entry.take_output(*output);
  take_text(*one, line);
}

/// Its event is declared at the first line: a script may declare one of its own name, and most print nothing.
void MachineTracers::take_text(One& one, const format::TracerLine& line) {
  TracerEntry& entry = one.entry;
  if (one.lines_event.empty()) {
    one.lines_event = formats_.declare_lines(entry.id(), entry.request().kind, entry.name());
    entry.gives(one.lines_event);
  }
  newest_tsc_ = std::max(newest_tsc_, line.tsc);
  entry.count_line();
  lines_->add(line.tsc, line_text(one.lines_event, line.text, line.arrival));
}

void MachineTracers::declare(TracerEntry& entry, const std::string& declaration) {
  const auto event = formats_.declare_typed(entry.id(), declaration);
  if (!event) return entry.take_complaint(event.error().message);
  if (!event->empty()) entry.gives(*event);
}

void MachineTracers::give_up_preparing() {
  for (One& one : all_) {
    if (one.preparation) one.preparation->give_up();
  }
}

void MachineTracers::stop() {
  give_up_preparing();
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
  give_up_preparing();
  for (One& one : all_) {
    if (one.entry.stage() == Stage::kStarted) {
      more_ = true;  // whatever it still had to say is lost
      fail(one.entry, Error(ErrorCode::kGone, why));
    } else if (one.entry.stage() == Stage::kPreparing) {
      fail(one.entry, Error(ErrorCode::kGone, "the recording ended before it was ready"));
    }
  }
  finish();
}

void MachineTracers::finish() {
  if (lines_) lines_->finish();
  std::uint64_t unwritten = lines_ ? lines_->lost() : 0;
  for (One& one : all_) {
    one.entry.count_lost(std::exchange(unwritten, 0));
    lost_ |= one.entry.finish(more_);
    earlier_[one.entry.id()] = one.entry.so_far();
  }
  more_ = false;
  lines_.reset();
  all_.clear();
}

void MachineTracers::journal_changes() {
  for (One& one : all_) one.entry.journal();
}

}  // namespace ivtrace::record
