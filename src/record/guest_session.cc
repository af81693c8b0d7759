#include "record/guest_session.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/text.h"
#include "base/tsc.h"

namespace ivtrace::record {
namespace {

using std::chrono::seconds;

constexpr Nanoseconds kAnswerLimit{2'000'000'000};  // hello, counters
constexpr Nanoseconds kWorkLimit{15'000'000'000};  // start and stop: a guest under TCG takes seconds for them
constexpr Nanoseconds kProbesLimit{
    60'000'000'000};                   // a start that looks up symbols and debug information first
constexpr unsigned kCountersEach = 5;  // ticks between counters in the journal
constexpr unsigned kMaxMachineRecords = 200;
constexpr std::size_t kMaxFormats = 16u << 20;
constexpr std::size_t kMaxKallsyms = 32u << 20;
constexpr std::size_t kMaxCmdlines = 8u << 20;

std::uint64_t lost_of(const format::CpuCounters& counters) {
  return counters.overrun + counters.dropped + counters.commit_overrun;
}

}  // namespace

GuestSession::GuestSession(std::string machine, std::string ring, std::optional<hypervisor::Guest> guest,
                           SessionSettings settings, RunLog& log, Registration& registration)
    : machine_(std::move(machine)),
      ring_path_(std::move(ring)),
      guest_(std::move(guest)),
      settings_(std::move(settings)),
      log_(log),
      registration_(registration),
      tracer_port_([this](const format::Request& request, Nanoseconds limit) { return ask(request, limit); }),
      tracers_(machine_, tracers_of(settings_.tracers, machine_), log,
               [this](const std::string& line) {
                 if (settings_.notice) settings_.notice(line);
               }),
      probes_(machine_, log) {
  record_.name = machine_;
  record_.kind = "guest";
  record_.ring_file = ring_path_;
  record_.host_only = true;
  if (guest_) {
    record_.uuid = guest_->uuid;
    record_.qemu_pid = guest_->pid.value;
    record_.accel = guest_->accel;
    record_.cpu_count = static_cast<std::uint32_t>(guest_->vcpus.size());
    cpu_limit_us_ = guest_->cpu_limit_us;
  }
}

GuestSession::~GuestSession() { stop(); }

void GuestSession::start() {
  journal_machine();
  tracers_busy_ = !tracers_.empty() && !ring_path_.empty();
  if (ring_path_.empty()) {
    say("has no ring (no ivshmem-plain device): seen from the host only");
    settled_ = true;
    return;
  }
  thread_ = std::thread([this] { run(); });
}

void GuestSession::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void GuestSession::end_gone(const std::string& detail) {
  const HostTsc now(read_tsc());
  gone_ = true;
  const auto ring = link();
  if (ring) ring->drain(seconds(10));
  log_.put(run::GoneRecord{machine_, "guest", now, detail});
  if (ring && ring->attached()) {
    tell_loss("qemu-gone",
              "what the guest's kernel still held when QEMU went away is lost; the ring was read to its end");
  }
  stop();
  clock_.reset();
  mailbox_.reset();
  if (ring) ring->release();
}

void GuestSession::adopt_ring(const std::string& path) {
  if (thread_.joinable() || gone_) return;
  ring_path_ = path;
  record_.ring_file = path;
  say("its ring " + path + " was seen only now");
  thread_ = std::thread([this] { run(); });
}

void GuestSession::set_cpu_limit(std::uint64_t us) {
  if (cpu_limit_us_.exchange(us) == us || thread_.joinable()) return;
  journal_machine();  // nobody else does
}

std::shared_ptr<GuestLink> GuestSession::link() const {
  const std::lock_guard lock(mutex_);
  return link_;
}

bool GuestSession::stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

bool GuestSession::lost_anything() const {
  const auto ring = link();
  return lost_ > 0 || missed_ > 0 || unknown_loss_ || tracers_lost_ || (ring && ring->view().lost_anything);
}

MachineProgress GuestSession::progress() const {
  MachineProgress shown;
  shown.name = machine_;
  shown.lost = lost_;
  shown.lost_more = lost_ == 0 ? lost_anything() : unknown_loss_.load();
  if (const auto ring = link(); ring && ring->attached()) shown.ring_fill = ring->view().fill;
  const std::lock_guard lock(mutex_);
  shown.state = note_;
  return shown;
}

void GuestSession::on_tsc_write(std::uint32_t apic_id, std::int64_t offset, HostTsc at) {
  const std::lock_guard lock(mutex_);
  if (tsc_writes_.size() < 1024) tsc_writes_.push_back({apic_id, offset, at});
}

// ---- the session's thread

void GuestSession::run() {
  while (!stopping()) {
    once_a_second();
    const auto next = std::chrono::steady_clock::now() + seconds(1);
    while (tracers_busy_ && std::chrono::steady_clock::now() < next && !stopping()) tick_tracers();
    std::unique_lock lock(mutex_);
    wake_.wait_until(lock, next, [this] { return stopping_; });
  }
  if (recording_) stop_agent();
  probes_.ended();
  tracers_.abandon("its guest did not answer at the end");
  tracers_busy_ = false;
  tracers_lost_ = tracers_.lost_anything();
  if (const auto ring = link()) ring->finish();
}

void GuestSession::once_a_second() {
  if (cpu_limit_us_ != record_.cpu_limit_us) journal_machine();
  if (!open_ring()) {
    tracers_busy_ = false;
    settled_ = true;
    return;
  }
  const GuestLink::View view = link()->view();
  if (view.lost) {
    if (recording_) lose_ring(view);
    say("its ring file " + ring_path_ + " shrank or went away: do not resize it below a running guest");
  } else if (recording_ && view.generation != ring_generation_) {
    log_.put(run::GoneRecord{machine_, "agent", HostTsc(read_tsc()), "it was started again"});
    unknown_loss_ = true;
    begin_recording();
  } else if (recording_) {
    keep_recording();
  } else {
    begin_recording();
  }
  if (!recording_) tracers_busy_ = false;
  settled_ = true;
}

bool GuestSession::open_ring() {
  if (link()) return true;
  auto host = ring::HostRing::open(ring_path_);
  if (!host) {
    say(host.error().to_string());
    return false;
  }
  auto opened = std::make_shared<GuestLink>(machine_, *std::move(host), log_);
  mailbox_.emplace(opened->host());
  const std::lock_guard lock(mutex_);
  link_ = std::move(opened);
  return true;
}

bool GuestSession::begin_recording() {
  recording_ = false;
  const auto ring = link();
  ring->host().beat();
  if (Status attached = ring->attach(GuestLink::From::kNextRecording); !attached) {
    say(attached.error().code == ErrorCode::kNotFound ? "no ivtrace-agent has run in this guest yet"
                                                      : attached.error().to_string());
    return false;
  }
  if (!hello()) return false;
  // What an earlier recording of ours left is saved; then only the new one's first chunk counts.
  if (stream_generation_ != 0) ring->drain(seconds(5));
  ring_generation_ = ring->view().generation;
  stream_generation_ = std::max(stream_generation_ + 1, ring_generation_);
  ring->expect_recording(stream_generation_);
  start_clock();
  const RegistryEntry::Ring entry{machine_, ring_path_, ring_generation_, stream_generation_,
                                  ring->host().session()};
  if (Status known = registration_.set_ring(entry); !known) {
    log_.note(machine_, "cannot be salvaged after a crash: " + known.error().message);
  }
  format::Request request;
  request.op = format::Op::kStart;
  request.events = settings_.events;
  request.filters = settings_.filters;
  request.buffer_kb = settings_.buffer_kb;
  request.feed = settings_.feed;
  request.probes = probes_for(settings_.probes, machine_);
  request.top_level = tracers_.want_printk();
  auto started = mailbox_->call(request, request.probes.empty() ? kWorkLimit : kProbesLimit);
  if (!started || !started->ok) {
    say("its agent cannot record: " +
        (started ? started->message + (started->hint.empty() ? "" : " (" + started->hint + ")")
                 : started.error().to_string()));
    return false;
  }
  recording_ = true;
  record_.host_only = false;
  record_.feed = started->feed;
  record_.events = started->events;
  record_.rejected = started->rejected;
  record_.idle_lag_ns = 100'000'000;  // the agent's idle interval and the poller's, 50 ms each
  earlier_delivered_ = delivered_;
  earlier_lost_ = lost_;
  have_formats_ = false;
  tracers_begun_ = false;
  probes_.begun(started->probes);
  keep_probe_events(started->probes);
  say("");
  journal_machine();
  if (request.top_level) log_.note(machine_, printk_note(printk_dest_));
  for (const format::ProbeState& probe : started->probes) {
    if (!probe.error.empty() && settings_.notice)
      settings_.notice(machine_ + ": --probe " + probe.spec + ": " + probe.error);
  }
  settled_ = true;
  fetch_texts(false);
  begin_tracers();
  return true;
}

void GuestSession::keep_probe_events(const std::vector<format::ProbeState>& probes) {
  const std::lock_guard lock(mutex_);
  probe_events_.clear();
  for (const format::ProbeState& probe : probes) {
    if (!probe.event.empty()) probe_events_.push_back(probe.event);
  }
}

std::vector<std::string> GuestSession::probe_events() const {
  const std::lock_guard lock(mutex_);
  return probe_events_;
}

// Before the first event, so that none is older than what is known of the clock. An agent that is asked to
// record again has the clock that it had.
void GuestSession::start_clock() {
  if (clock_ && clock_generation_ == ring_generation_) {
    clock_->set_cpus(record_.cpus);
    return clock_->tick();
  }
  const std::optional<Pid> qemu = guest_ ? std::optional(guest_->pid) : std::nullopt;
  const clock::KvmDebugfs* kvm = record_.accel == "tcg" ? nullptr : settings_.kvm;
  clock_.emplace(machine_, link()->host(), *mailbox_, log_, kvm, qemu, record_.cpus);
  clock_generation_ = ring_generation_;
  clock_->start([this] { return stopping(); });
}

/// A request during a recording: an agent that does not even beat (its guest is paused, or gone) is not
/// waited for.
Result<format::Reply> GuestSession::ask(const format::Request& request, Nanoseconds limit) {
  return mailbox_->call(request, limit, nullptr, [this] { return unreachable(); });
}

bool GuestSession::unreachable() const { return gone_ || !link()->view().agent_alive; }

// An agent that was started again has lost its tracers with its life. Their events' formats go behind the
// kernel's.
void GuestSession::begin_tracers() {
  if (tracers_.empty() || tracers_begun_ || !have_formats_) return;
  tracers_begun_ = true;
  const AheadOfMachine* ahead = settings_.ahead == nullptr ? nullptr : settings_.ahead->of_ring(ring_path_);
  tracers_.begin(tracer_port_, {record_.kernel_release, true, ahead}, stream_generation_);
  tracers_busy_ = true;
}

void GuestSession::tick_tracers() {
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  static_cast<void>(tracers_.tick());  // an agent that does not answer shows in the counters' tick
  tracers_busy_ = tracers_.busy();
}

bool GuestSession::hello() {
  format::Request request;
  request.op = format::Op::kHello;
  auto reply = mailbox_->call(request, kAnswerLimit);
  if (!reply) {
    say(reply.error().code == ErrorCode::kTimeout
            ? "its agent does not answer: is ivtrace-agent running, or the guest paused?"
            : "its agent: " + reply.error().to_string());
    return false;
  }
  if (!reply->ok || reply->protocol != format::kMailboxProtocol) {
    say("its agent is of another version (" + reply->agent_version + ", protocol " +
        std::to_string(reply->protocol) + "; this ivtrace speaks " +
        std::to_string(format::kMailboxProtocol) + "): install the agent of this version");
    return false;
  }
  record_.kernel_release = reply->kernel_release;
  record_.hostname = reply->hostname;
  if (record_.uuid.empty()) record_.uuid = reply->machine_id;
  record_.boot_id = reply->boot_id;
  record_.tsc_khz = reply->tsc_khz;
  record_.agent_version = reply->agent_version;
  record_.cpus = reply->cpus;
  record_.cpu_count = static_cast<std::uint32_t>(reply->cpus.size());
  printk_dest_ = reply->printk_dest;
  return true;
}

void GuestSession::keep_recording() {
  ++ticks_;
  const auto ring = link();
  const GuestLink::View view = ring->view();
  if (!view.agent_alive) {
    say("its agent is silent: killed, or the guest is paused");
    was_silent_ = true;
    return;
  }
  format::Request request;
  request.op = format::Op::kStats;
  auto reply = ask(request, kAnswerLimit);
  if (!reply) return;  // the silence or the new generation shows in the next tick
  if (!reply->ok || !reply->recording) {
    // The counters are those of its end.
    take_counters(reply->counters, reply->ok);
    take_probes(reply->tracers);
    tell_loss("agent-gave-up", reply->message.empty()
                                   ? "its agent saw no recorder for 10 s, and ended the recording"
                                   : reply->message);
    begin_recording();
    return;
  }
  take_counters(reply->counters, false);
  take_probes(reply->tracers);
  clock_->on_heartbeats(ring->take_heartbeats());
  if (was_silent_) {
    was_silent_ = false;
    clock_->resumed();
  } else {
    clock_->tick();
  }
  apply_tsc_writes();
  static_cast<void>(tracers_.tick());
  say(view.over_share ? "has used up its half of the run's size" : "");
  fetch_texts(true);
  begin_tracers();
}

void GuestSession::lose_ring(const GuestLink::View& view) {
  log_.put(run::GoneRecord{machine_, "ring", HostTsc(read_tsc()), view.error});
  recording_ = false;
  unknown_loss_ = true;
}

void GuestSession::stop_agent() {
  const auto ring = link();
  recording_ = false;
  const GuestLink::View view = ring->view();
  if (view.lost) return lose_ring(view);
  if (view.agent_alive && !gone_) {
    tracers_.stop();
    fetch_texts(true);
    fetch_cmdlines();
    if (clock_) {
      clock_->tick();
      apply_tsc_writes();
    }
    format::Request request;
    request.op = format::Op::kStop;
    // The poller goes on meanwhile: the agent needs room for what it still has to deliver.
    auto reply = ask(request, kWorkLimit);
    if (reply && reply->ok) {
      ring->drain(seconds(10));
      take_counters(reply->counters, true);
      take_probes(reply->tracers);
      if (!reply->message.empty()) log_.note(machine_, "its agent: " + reply->message);
      return;
    }
  }
  ring->drain(seconds(10));
  if (unknown_loss_) return;
  tell_loss("agent-gone", "the agent did not answer at the end: what the guest's kernel still held is lost");
}

void GuestSession::tell_loss(const char* reason, const std::string& detail) {
  run::LossRecord loss;
  loss.machine = machine_;
  loss.reason = reason;
  loss.until = HostTsc(read_tsc());
  loss.detail = detail;
  log_.put(loss);
  unknown_loss_ = true;
}

// Formats at once, so that a run that is cut short can be read; the large kallsyms once the recording is
// under way.
void GuestSession::fetch_texts(bool late) {
  if (!have_formats_) {
    // Without them nobody can read the guest's events: asked for again at each tick until they are there.
    have_formats_ = fetch_text(format::Bulk::kFormats, format::kFormatsName, kMaxFormats, seconds(10));
    if (!have_formats_) return;
    fetch_text(format::Bulk::kPrintkFormats, format::kPrintkFormatsName, kMaxFormats, seconds(10));
    fetch_cmdlines();
  }
  if (late && !have_kallsyms_) {
    have_kallsyms_ = true;
    fetch_text(format::Bulk::kKallsyms, format::kKallsymsName, kMaxKallsyms, seconds(15));
  }
}

bool GuestSession::fetch_text(format::Bulk bulk, const char* name, std::size_t max_bytes, seconds limit) {
  auto text = mailbox_->read_bulk(bulk, max_bytes, Nanoseconds(std::chrono::nanoseconds(limit).count()),
                                  [this] { return unreachable(); });
  if (!text) {
    const std::string why = std::string(name) + " could not be fetched: " + text.error().to_string();
    if (text_note_ != why) log_.note(machine_, why);
    text_note_ = why;
    return false;
  }
  if (text_note_.starts_with(name)) log_.note(machine_, std::string(name) + " came with a later try");
  text_note_.clear();
  save_text(name, *text);
  return true;
}

// A guest may make us fetch its texts again and again: the budget counts what stands in the run, and texts
// never take more than a quarter of what is left for events.
void GuestSession::save_text(const char* name, const std::string& text) {
  SpaceBudget& space = log_.space();
  std::uint64_t& charged = charged_[name];
  if (text.size() > charged) {
    const std::uint64_t growth = text.size() - charged;
    if (growth > space.left() / 4 || !space.take(growth)) {
      log_.note(machine_, std::string(name) + " is not saved: the run's size limit leaves no room for it");
      return;
    }
    charged = text.size();
  }
  if (Status written = log_.writer().write_text(machine_, name, text); !written) {
    log_.note(machine_, std::string(name) + " is not saved: " + written.error().message);
  }
}

// Tasks at the beginning, and those that came until the end behind them: the later line of a pid counts.
void GuestSession::fetch_cmdlines() {
  auto text = mailbox_->read_bulk(format::Bulk::kCmdlines, kMaxCmdlines, Nanoseconds{10'000'000'000},
                                  [this] { return unreachable(); });
  if (!text || cmdlines_.size() + text->size() > 2 * kMaxCmdlines) return;
  cmdlines_ += *text;
  save_text(format::kCmdlinesName, cmdlines_);
}

void GuestSession::take_probes(const std::vector<format::TracerState>& counts) {
  for (const format::TracerState& count : counts) probes_.counted(count.tracer, count.lost_events);
  missed_ = probes_.missed();
}

void GuestSession::take_counters(const std::vector<format::CpuCounters>& counters, bool final_counters) {
  std::uint64_t delivered = earlier_delivered_;
  std::uint64_t lost = earlier_lost_;
  for (const format::CpuCounters& one : counters) {
    delivered += one.delivered;
    lost += lost_of(one) + (final_counters ? one.unread : 0);
    if (final_counters || ticks_ % kCountersEach == 0) {
      log_.put(run::CountersRecord{machine_, "", stream_generation_, final_counters, one});
    }
  }
  delivered_ = delivered;
  lost_ = lost;
}

void GuestSession::apply_tsc_writes() {
  std::vector<TscWrite> writes;
  {
    const std::lock_guard lock(mutex_);
    writes.swap(tsc_writes_);
  }
  for (const TscWrite& write : writes) {
    const auto cpu = std::find_if(record_.cpus.begin(), record_.cpus.end(),
                                  [&](const format::AgentCpu& one) { return one.apic_id == write.apic_id; });
    if (cpu == record_.cpus.end()) continue;
    clock::ExactRelation exact;
    exact.relation = clock_->last_relation(write.apic_id);
    exact.relation.offset = write.offset;
    exact.source = clock::ClockSource::kKvmTracepoint;
    exact.cpu = cpu->cpu;
    exact.not_before = write.at;
    exact.not_after = write.at;
    clock_->on_tracepoint(exact);
  }
}

void GuestSession::say(const std::string& note) {
  {
    const std::lock_guard lock(mutex_);
    if (note == note_) return;
    note_ = note;
  }
  record_.note = note;
  journal_machine();
  if (!note.empty() && settings_.notice) settings_.notice(machine_ + ": " + note);
}

void GuestSession::journal_machine() {
  record_.cpu_limit_us = cpu_limit_us_;
  // What a guest tells of itself may change as often as it likes; the journal does not follow it for ever.
  if (++machine_records_ <= kMaxMachineRecords) log_.put(record_);
}

}  // namespace ivtrace::record
