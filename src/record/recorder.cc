#include "record/recorder.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <memory>
#include <set>
#include <thread>

#include "base/text.h"
#include "base/tsc.h"
#include "clock/anchors.h"
#include "clock/kvm.h"
#include "probes/probe_set.h"
#include "probes/qemu_pack.h"
#include "record/cleanup.h"
#include "record/command.h"
#include "record/guest_set.h"
#include "record/host_capture.h"
#include "record/host_texts.h"
#include "record/machine_tracers.h"
#include "record/prepared_ahead.h"
#include "record/probe_filters.h"
#include "record/probe_journal.h"
#include "record/registry.h"
#include "record/tsc_watch.h"
#include "tracefs/events.h"
#include "tracefs/printk_dest.h"
#include "tracefs/probe_filter.h"
#include "tracefs/probe_names.h"

namespace ivtrace::record {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

constexpr milliseconds kTick{50};
/// The first compilation of a script takes minutes.
constexpr std::chrono::minutes kTracersLimit{30};
constexpr unsigned kCountersEach = 5;  // seconds between counters of the host in the journal

std::string iso_now() {
  const std::time_t now = std::time(nullptr);
  struct tm parts {};
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

/// What the kernel could not keep; at the end also what nobody took out of its buffer.
std::uint64_t lost_of(const format::CpuCounters& counters, bool last) {
  return counters.overrun + counters.dropped + counters.commit_overrun + (last ? counters.unread : 0);
}

/// Scripts of SystemTap's on this host tell their events with trace_printk().
bool asks_for_printk(const RecordConfig& config) {
  return std::any_of(config.tracers.begin(), config.tracers.end(), [](const TracerRequest& tracer) {
    return tracer.kind == "stap" && glob_match(tracer.machine, format::kHostMachine);
  });
}

/// Each guest's CPUs and each of the host's take a descriptor or some: as many as this process may have.
void raise_descriptor_limit() {
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// One recording. The steps are members in the order in which record() runs them; what a step makes, the
/// later ones use.
class Recorder {
 public:
  Recorder(const RecordConfig& config, const RecordCallbacks& callbacks, const std::atomic<bool>& stop)
      : config_(config), callbacks_(callbacks), stop_(stop) {}
  ~Recorder();

  Status take_host();
  Status choose_events();
  Status choose_filters();
  Status find_guests();
  Status set_probes();
  Status prepare_host();
  Status prepare_tracers();
  Status create_run();
  Status start_host();
  void start_guests();
  Status start_command();
  void record_until_end();
  void stop_everything();
  void discard_run();
  RecordSummary summary();

 private:
  void notice(const std::string& line) const {
    if (callbacks_.notice) callbacks_.notice(line);
  }
  Result<std::vector<std::string>> host_probes() const;
  Status check_probes() const;
  bool finished();
  void tick();
  void stop_guests();
  void second();
  void anchor();
  void mark();
  void follow_qemu();
  void tell_unmet_filters();
  void wait_for_tracers();
  void watch_tsc();
  void show_progress(bool last);
  MachineProgress host_progress(std::uint64_t& delivered, bool last) const;
  void await_command();
  void remove_instances();

  const RecordConfig& config_;
  const RecordCallbacks& callbacks_;
  const std::atomic<bool>& stop_;

  std::optional<HostLock> lock_;
  std::optional<tracefs::TraceDir> tracefs_;
  std::vector<std::string> patterns_;  // for guests
  std::vector<std::string> host_events_;
  tracefs::Filters filters_;        // "system:name" → expression
  tracefs::Filters probe_filters_;  // those of filters_ whose events are probes'
  hypervisor::Watch watch_;
  std::vector<hypervisor::Guest> found_;
  std::unique_ptr<Registration> registration_;
  std::unique_ptr<probes::ProbeSet> probes_;  // goes after host_, which has them enabled
  std::optional<ProbeJournal> probe_journal_;
  std::unique_ptr<HostCapture> host_;
  std::unique_ptr<TscWatch> tsc_;
  PreparedAhead ahead_;
  LocalTracers tracer_port_;
  std::unique_ptr<MachineTracers> tracers_;
  std::optional<clock::KvmDebugfs> kvm_;
  std::unique_ptr<run::RunWriter> writer_;
  std::optional<SpaceBudget> space_;
  std::optional<RunLog> log_;
  std::unique_ptr<GuestSet> guests_;
  std::optional<Command> command_;

  run::MachineRecord host_record_;
  std::optional<HostTaskNames> task_names_;
  std::optional<clock::Anchor> first_anchor_;
  SteadyClock::time_point started_;
  SteadyClock::time_point next_second_;
  SteadyClock::time_point complete_since_;  // the guests record as well: the duration counts from here
  SteadyClock::time_point shown_;
  std::string reason_;
  std::uint64_t missed_hits_ = 0;  // of the host's probes
  unsigned seconds_ = 0;
  std::uint64_t journal_counted_ = 0;
  std::map<std::string, std::uint64_t> marked_;  // file → bytes at its last mark
  struct Shown {
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;
  };
  std::map<std::string, Shown> last_shown_;
  RecordProgress progress_;
};

Recorder::~Recorder() {
  // Also after a failed step: nothing may stay behind.
  if (guests_) guests_->stop();
  remove_instances();
  if (registration_) registration_->withdraw();
}

void Recorder::remove_instances() {
  if (host_) {
    if (Status removed = host_->remove(); !removed) notice(removed.error().to_string());
  }
  if (tsc_) {
    if (Status removed = tsc_->remove(); !removed) notice(removed.error().to_string());
  }
  tsc_.reset();
  if (probes_) {
    if (Status removed = probes_->remove(); !removed) notice(removed.error().to_string());
  }
}

// One recorder per host; what a dead one left is saved and removed first.
Status Recorder::take_host() {
  if (::geteuid() != 0) {
    return Error(ErrorCode::kPermission, "recording needs root", "run it with sudo");
  }
  IVT_ASSIGN_OR_RETURN(HostLock lock, HostLock::take(config_.state_directory));
  lock_.emplace(std::move(lock));
  if (auto report = cleanup_held(*lock_, config_.state_directory)) {
    for (const auto& salvaged : report->salvaged) {
      notice(fmt::format("saved {} bytes of the dead recorder {} into {}", salvaged.bytes, salvaged.pid,
                         salvaged.run));
    }
    for (const std::string& problem : report->problems) notice(problem);
  }
  raise_descriptor_limit();
  IVT_ASSIGN_OR_RETURN(tracefs::TraceDir dir, tracefs::TraceDir::open());
  tracefs_.emplace(std::move(dir));
  return {};
}

// What was asked for by name must exist here; a profile's events that this kernel lacks are left out.
Status Recorder::choose_events() {
  IVT_ASSIGN_OR_RETURN(const std::vector<std::string> available, tracefs::available_events(*tracefs_));
  if (!config_.events.empty()) {
    const tracefs::EventSelection chosen = tracefs::select_events(available, config_.events);
    if (!chosen.rejected.empty())
      return Error(ErrorCode::kInvalid, "no such event: " + chosen.rejected.front());
    host_events_ = chosen.events;
    patterns_ = config_.events;
    return {};
  }
  const tracefs::Profile* profile = tracefs::find_profile(config_.profile);
  if (profile == nullptr) {
    std::string names;
    for (const tracefs::Profile& one : tracefs::profiles()) names += (names.empty() ? "" : ", ") + one.name;
    return Error(ErrorCode::kInvalid, "no profile is called \"" + config_.profile + "\"",
                 "there are " + names);
  }
  patterns_ = profile->events;
  patterns_.insert(patterns_.end(), profile->syscalls.begin(), profile->syscalls.end());
  std::vector<std::string> host = patterns_;
  host.insert(host.end(), profile->host_events.begin(), profile->host_events.end());
  host_events_ = tracefs::select_events(available, host).events;
  return {};
}

// Guests get them by full names too: what a pattern means is decided here, once. Events of probes are not
// there yet: they are named in full.
Status Recorder::choose_filters() {
  IVT_RETURN_IF_ERROR(refuse_text_filters(config_.filters));
  tracefs::Filters of_events = config_.filters;
  for (const auto& [pattern, expression] : config_.filters) {
    if (!may_be_of_probe(config_.probes, pattern)) continue;
    probe_filters_.emplace(pattern, expression);
    of_events.erase(pattern);
  }
  IVT_ASSIGN_OR_RETURN(filters_, tracefs::resolve_filters(host_events_, of_events));
  filters_.insert(probe_filters_.begin(), probe_filters_.end());
  return {};
}

Status Recorder::find_guests() {
  watch_ = GuestSet::watch(config_);
  IVT_ASSIGN_OR_RETURN(found_, GuestSet::find(config_, watch_));
  return {};
}

// The host's dynamic probes are made, but nothing is recorded of them yet. Those of guests are their agents'
// business; what cannot be set there is said and recorded, as a guest may come that can.
Status Recorder::set_probes() {
  for (const ProbeRequest& request : config_.probes) {
    const auto is_meant = [&](const std::string& name) {
      return request.machine == name || glob_match(request.machine, name);
    };
    const bool known =
        is_meant(format::kHostMachine) ||
        std::any_of(found_.begin(), found_.end(), [&](const auto& guest) { return is_meant(guest.name); }) ||
        std::any_of(config_.extra_rings.begin(), config_.extra_rings.end(),
                    [&](const ExtraRing& ring) { return is_meant(ring.name); });
    if (!known)
      notice("--probe " + request.machine + ":" + request.spec + ": no such machine is recorded yet");
  }
  probes_ = std::make_unique<probes::ProbeSet>(*tracefs_, ::getpid());
  IVT_ASSIGN_OR_RETURN(const std::vector<std::string> specs, host_probes());
  probes_->add(specs);
  IVT_RETURN_IF_ERROR(check_probes());
  return check_host_filters(probe_filters_, config_.probes,
                            tracefs::recorded_events(probes_->kernel_events()));
}

// The pack for QEMU becomes its probes, for each program that runs a guest now.
Result<std::vector<std::string>> Recorder::host_probes() const {
  std::vector<std::string> specs;
  for (std::string& spec : probes_for(config_.probes, format::kHostMachine)) {
    if (spec != probes::kQemuPack) {
      specs.push_back(std::move(spec));
      continue;
    }
    std::set<std::string> programs;
    for (const hypervisor::Guest& guest : found_) {
      std::error_code unreadable;
      const std::string link = config_.inventory.proc + "/" + std::to_string(guest.pid.value) + "/exe";
      const std::filesystem::path program = std::filesystem::read_symlink(link, unreadable);
      if (!unreadable) programs.insert(program.string());
    }
    if (programs.empty()) {
      return Error(
          ErrorCode::kNotFound, "--probe host:qemu: no guest is there whose QEMU could be probed",
          "start one first, or name the program: host:uprobe:/usr/bin/qemu-system-x86_64:blk_aio_preadv");
    }
    for (const std::string& program : programs) {
      IVT_ASSIGN_OR_RETURN(const std::vector<std::string> pack, probes::qemu_pack(program));
      specs.insert(specs.end(), pack.begin(), pack.end());
    }
  }
  return specs;
}

Status Recorder::check_probes() const {
  for (const format::ProbeState& probe : probes_->states()) {
    if (!probe.error.empty())
      return Error(ErrorCode::kInvalid, "--probe host:" + probe.spec + ": " + probe.error);
  }
  return {};
}

// The instances, with tracing still off: what fails here leaves no run behind.
Status Recorder::prepare_host() {
  registration_ = std::make_unique<Registration>(config_.state_directory, config_.out);
  HostSettings settings;
  settings.name = "ivtrace-" + std::to_string(::getpid());
  settings.events = host_events_;
  settings.filters = filters_;
  for (const std::string& event : probes_->kernel_events()) {
    settings.events.push_back(event);
    const auto filter = filters_.find(tracefs::recorded_event(event));
    settings.filters[event] =
        tracefs::probe_filter(filter != filters_.end() ? filter->second : "", tracefs::own_comm());
  }
  settings.buffer_kb = config_.buffer_kb;
  settings.printk = asks_for_printk(config_);
  settings.top_level_state = top_level_state(config_.state_directory);
  IVT_ASSIGN_OR_RETURN(host_,
                       HostCapture::create(*tracefs_, settings, [this](const auto& name, const auto& buffer) {
                         return registration_->add_instance(name, buffer);
                       }));
  static_cast<void>(probes_->note_refused(host_->rejected()));
  IVT_RETURN_IF_ERROR(check_probes());
  if (!config_.use_kvm) return {};
  // Both need KVM in this kernel. Where it is missing, the handshake alone tells the clocks.
  if (auto kvm = clock::KvmDebugfs::open()) kvm_.emplace(*std::move(kvm));
  const std::string name = settings.name + "-tsc";
  IVT_RETURN_IF_ERROR(registration_->add_instance(name, "-"));
  if (auto tsc = TscWatch::create(*tracefs_, name)) tsc_ = *std::move(tsc);
  return {};
}

// Minutes, sometimes: what else could end the recording before it begins has been tried.
Status Recorder::prepare_tracers() {
  host_record_ = describe_host();
  if (!PreparedAhead::is_wanted(config_)) return {};
  IVT_RETURN_IF_ERROR(run::RunWriter::check_new(config_.out));
  ahead_.prepare(config_, host_record_.kernel_release, found_,
                 {[this](const std::string& line) { notice(line); }, [this] { return stop_.load(); }});
  if (!stop_) return {};
  return Error(ErrorCode::kGone, "ended while scripts were being compiled: nothing is recorded");
}

Status Recorder::create_run() {
  std::error_code ignored;
  const std::filesystem::path parent = std::filesystem::absolute(config_.out, ignored).parent_path();
  IVT_ASSIGN_OR_RETURN(SpaceBudget space,
                       SpaceBudget::create(parent.string(), config_.max_bytes, config_.disk_floor));
  space_.emplace(std::move(space));
  IVT_RETURN_IF_ERROR(space_->check_before_start());
  run::Manifest manifest;
  manifest.tool_version = IVTRACE_VERSION;
  manifest.created = iso_now();
  manifest.start_tsc = HostTsc(read_tsc());
  manifest.command_line = config_.command_line;
  manifest.events = config_.events;
  manifest.profile = config_.events.empty() ? config_.profile : "";
  manifest.max_bytes = config_.max_bytes;
  manifest.host_kernel = host_record_.kernel_release;
  IVT_ASSIGN_OR_RETURN(writer_, run::RunWriter::create(config_.out, manifest));
  log_.emplace(*writer_, *space_);
  return {};
}

Status Recorder::start_host() {
  host_record_.events = tracefs::recorded_events(host_->events());
  host_record_.rejected = host_->rejected();
  log_->put(host_record_);
  probe_journal_.emplace(format::kHostMachine, *log_);
  probe_journal_->begun(probes_->states());
  anchor();
  IVT_RETURN_IF_ERROR(save_host_texts(*log_, *tracefs_, host_->events()));
  IVT_RETURN_IF_ERROR(task_names_.emplace(*tracefs_).save(*log_));
  IVT_RETURN_IF_ERROR(host_->start(*log_));
  if (asks_for_printk(config_))
    log_->note(format::kHostMachine, printk_note(tracefs::has_printk_dest(*tracefs_)));
  tracers_ = std::make_unique<MachineTracers>(format::kHostMachine,
                                              tracers_of(config_.tracers, format::kHostMachine), *log_,
                                              [this](const std::string& line) { notice(line); });
  tracers_->begin(tracer_port_, {host_record_.kernel_release, false, ahead_.of_host()}, 0);
  started_ = shown_ = SteadyClock::now();
  next_second_ = started_ + std::chrono::seconds(1);
  return {};
}

void Recorder::start_guests() {
  SessionSettings settings;
  settings.events = patterns_;
  settings.filters = filters_;
  settings.buffer_kb = config_.buffer_kb;
  settings.feed = config_.feed;
  settings.probes = config_.probes;
  settings.tracers = config_.tracers;
  settings.ahead = &ahead_;
  settings.kvm = kvm_ ? &*kvm_ : nullptr;
  settings.notice = [this](const std::string& line) { notice(line); };
  guests_ = std::make_unique<GuestSet>(config_, std::move(settings), *log_, *registration_);
  guests_->start(std::move(watch_), found_);
  follow_qemu();
  guests_->wait_settled(stop_);
  tell_unmet_filters();
  wait_for_tracers();
}

// What the host alone could have was refused before.
void Recorder::tell_unmet_filters() {
  std::vector<std::string> events = tracefs::recorded_events(probes_->kernel_events());
  for (const auto& session : guests_->sessions()) {
    for (std::string& event : session->probe_events()) events.push_back(std::move(event));
  }
  for (const std::string& line : unmet_filters(probe_filters_, events)) {
    notice(line);
    log_->note("", line);
  }
}

// A duration and a command begin when all is armed; what happens meanwhile is recorded as well.
void Recorder::wait_for_tracers() {
  for (const TracerRequest& request : config_.tracers) {
    const auto sessions = guests_->sessions();
    const bool wanted = !tracers_of({request}, format::kHostMachine).empty() ||
                        std::any_of(sessions.begin(), sessions.end(), [&](const auto& session) {
                          return !tracers_of({request}, session->machine()).empty();
                        });
    if (!wanted) notice("no machine is called " + request.machine + ": " + request.path + " waits for it");
  }
  const auto limit = SteadyClock::now() + kTracersLimit;
  const auto waiting = [&] { return tracers_->busy() || guests_->tracers_busy(); };
  while (waiting() && !stop_ && !space_->tripped() && SteadyClock::now() < limit) tick();
  if (space_->tripped() && waiting()) notice("the run was full before all tracers were armed");
}

Status Recorder::start_command() {
  if (config_.command.empty() || stop_ || space_->tripped()) return {};
  auto command = Command::start(config_.command);
  if (!command) {
    reason_ = "command";
    return std::move(command).error();
  }
  command_.emplace(*std::move(command));
  return {};
}

void Recorder::record_until_end() {
  complete_since_ = SteadyClock::now();
  next_second_ = complete_since_ + std::chrono::seconds(1);
  while (!finished()) tick();
}

void Recorder::tick() {
  std::this_thread::sleep_for(kTick);
  static_cast<void>(tracers_->tick());  // in this process there is nobody who could not answer
  if (SteadyClock::now() < next_second_) return;
  next_second_ += std::chrono::seconds(1);
  second();
}

// Agents may take seconds to deliver what they hold. The host records on meanwhile, so its seconds go on as
// well.
void Recorder::stop_guests() {
  if (!guests_) return;
  watch_tsc();  // what the last second brought, while the sessions can still use it
  std::atomic<bool> stopped{false};
  std::thread stopper([&] {
    guests_->stop();
    stopped = true;
  });
  while (!stopped) tick();
  stopper.join();
}

bool Recorder::finished() {
  if (stop_) {
    reason_ = "signal";
  } else if (space_->tripped()) {
    reason_ = space_->reason();
  } else if (command_ && command_->poll()) {
    reason_ = "command";
  } else if (config_.duration && std::chrono::nanoseconds(SteadyClock::now() - complete_since_).count() >=
                                     config_.duration->value) {
    reason_ = "duration";
  }
  return !reason_.empty();
}

void Recorder::second() {
  ++seconds_;
  anchor();
  follow_qemu();
  watch_tsc();
  mark();
  if (seconds_ % kCountersEach == 0) {
    for (const auto& buffer : host_->buffers()) buffer->journal_counters(false);
  }
  const std::uint64_t journal = writer_->journal_bytes();
  space_->add(journal - journal_counted_);
  journal_counted_ = journal;
  space_->check();
  show_progress(false);
}

void Recorder::anchor() {
  const clock::Anchor anchor = clock::sample_anchor();
  log_->put(run::AnchorRecord{anchor});
  if (!first_anchor_) {
    first_anchor_ = anchor;
  } else if (host_record_.tsc_khz == 0) {
    host_record_.tsc_khz = tsc_khz_between(*first_anchor_, anchor);
    if (host_record_.tsc_khz != 0) log_->put(host_record_);
  }
}

// Sizes first, then the time: what lies before the sizes happened before it.
void Recorder::mark() {
  run::MarkRecord mark;
  for (const auto& buffer : host_->buffers()) {
    for (const auto& stream : buffer->streams()) {
      mark.files.push_back({format::kHostMachine, stream->buffer(), stream->cpu().value, stream->size()});
    }
  }
  for (const auto& session : guests_->sessions()) {
    const auto link = session->link();
    if (!link) continue;
    for (auto& file : link->view().sizes) mark.files.push_back(std::move(file));
  }
  std::erase_if(mark.files, [&](const run::MarkRecord::File& file) {
    std::uint64_t& known = marked_[file.machine + "/" + format::pages_file_name(file.buffer, file.cpu)];
    const bool same = known == file.bytes;
    known = file.bytes;
    return same;
  });
  mark.tsc = HostTsc(read_tsc());
  if (!mark.files.empty()) log_->put(mark);
}

// Who asked for system calls by name must not take an empty run for a quiet host.
void Recorder::follow_qemu() {
  const std::vector<Tid> threads = guests_->look_at_threads();
  host_->set_qemu_threads(threads);
  if (config_.events.empty() || !host_->has_syscalls() || threads.empty() == !host_record_.note.empty())
    return;
  if (!threads.empty()) {
    host_record_.note.clear();
  } else if (seconds_ == 0) {
    host_record_.note =
        "no system calls: they are recorded of QEMU's threads only, and none is recorded here";
    notice(host_record_.note);
  } else {
    return;
  }
  log_->put(host_record_);
}

void Recorder::watch_tsc() {
  if (!tsc_) return;
  for (const TscOffsetWrite& write : tsc_->take()) {
    guests_->on_tsc_write(write.thread, write.vcpu_id, write.offset, write.at);
  }
}

// Guests first: what their end makes the host do is still recorded, as their beginning was.
void Recorder::stop_everything() {
  stop_guests();
  tracers_->stop();
  if (Status stopped = host_->stop(); !stopped) log_->note(format::kHostMachine, stopped.error().to_string());
  probes_->count_missed();
  for (std::size_t i = 0; i < probes_->missed().size(); ++i) probe_journal_->counted(i, probes_->missed()[i]);
  missed_hits_ = probe_journal_->missed();
  probe_journal_->ended();
  if (Status late = task_names_->save(*log_); !late) space_->trip("disk-full", late.error().message);
  if (space_->tripped() && space_->reason() != "size-limit") {
    run::LossRecord loss;
    loss.machine = format::kHostMachine;
    loss.reason = space_->reason();
    loss.from = HostTsc(read_tsc());
    loss.detail = space_->detail();
    log_->put(loss);
  }
  anchor();
  if (guests_) mark();
  show_progress(true);
  if (space_->tripped()) log_->note("", space_->detail());
  log_->put(run::EndRecord{HostTsc(read_tsc()), reason_});
  remove_instances();
  registration_->withdraw();
  await_command();
}

// A recording that could not begin leaves no directory that a second try would stumble over.
void Recorder::discard_run() {
  guests_.reset();
  tracers_.reset();
  remove_instances();
  host_.reset();
  registration_->withdraw();
  log_.reset();
  if (Status removed = run::RunWriter::discard(std::move(writer_)); !removed)
    notice(removed.error().to_string());
}

// A recording that a limit ended does not end the command.
void Recorder::await_command() {
  if (!command_) return;
  if (reason_ == "duration" || reason_ == "signal") command_->terminate();
  const auto give_up = SteadyClock::now() + std::chrono::seconds(2);
  while (!command_->poll()) {
    const bool bounded = reason_ == "duration" || reason_ == "signal" || stop_;
    if (bounded && SteadyClock::now() > give_up) return;
    std::this_thread::sleep_for(kTick);
  }
}

MachineProgress Recorder::host_progress(std::uint64_t& delivered, bool last) const {
  MachineProgress shown;
  shown.name = format::kHostMachine;
  for (const auto& buffer : host_->buffers()) {
    for (const format::CpuCounters& counters : buffer->counters()) {
      delivered += counters.delivered;
      shown.lost += lost_of(counters, last);
    }
  }
  return shown;
}

void Recorder::show_progress(bool last) {
  const auto now = SteadyClock::now();
  const auto since = last ? started_ : shown_;
  const double span = std::max(1e-3, std::chrono::duration<double>(now - since).count());
  shown_ = now;
  RecordProgress progress;
  progress.elapsed = Nanoseconds(std::chrono::nanoseconds(now - started_).count());
  progress.bytes = space_->used();
  const auto add = [&](MachineProgress machine, Shown total) {
    const Shown before = last ? Shown{} : last_shown_[machine.name];
    last_shown_[machine.name] = total;
    machine.events_per_second =
        static_cast<double>(total.events - std::min(before.events, total.events)) / span;
    machine.bytes_per_second = static_cast<double>(total.bytes - std::min(before.bytes, total.bytes)) / span;
    progress.machines.push_back(std::move(machine));
  };
  Shown host;
  const MachineProgress host_shown = host_progress(host.events, last);
  for (const auto& buffer : host_->buffers()) {
    for (const auto& stream : buffer->streams()) host.bytes += stream->moved();
  }
  add(host_shown, host);
  if (guests_) {
    for (const auto& session : guests_->sessions()) {
      const auto link = session->link();
      add(session->progress(), {session->delivered(), link ? link->view().bytes : 0});
    }
  }
  progress_ = std::move(progress);
  if (callbacks_.progress) callbacks_.progress(progress_);
}

RecordSummary Recorder::summary() {
  RecordSummary summary;
  summary.path = config_.out;
  summary.reason = reason_;
  summary.detail = space_->detail();
  summary.elapsed = progress_.elapsed;
  summary.bytes = space_->used();
  summary.machines = progress_.machines;
  for (const MachineProgress& machine : progress_.machines) summary.lost_anything |= machine.lost > 0;
  if (guests_) {
    for (const auto& session : guests_->sessions()) summary.lost_anything |= session->lost_anything();
  }
  summary.lost_anything |= missed_hits_ > 0;
  summary.lost_anything |= tracers_->lost_anything();
  summary.lost_anything |= space_->tripped() && space_->reason() != "size-limit";
  if (command_) summary.command_status = command_->poll();
  return summary;
}

}  // namespace

Result<RecordSummary> record(const RecordConfig& config, const RecordCallbacks& callbacks,
                             const std::atomic<bool>& stop) {
  Recorder recorder(config, callbacks, stop);
  // The right to record here; what a dead recorder left is saved first.
  IVT_RETURN_IF_ERROR(recorder.take_host());
  // Patterns and profile become this kernel's events.
  IVT_RETURN_IF_ERROR(recorder.choose_events());
  // So do the names of the filters.
  IVT_RETURN_IF_ERROR(recorder.choose_filters());
  // Which QEMU processes there are, and which of them are wanted.
  IVT_RETURN_IF_ERROR(recorder.find_guests());
  // The host's dynamic probes.
  IVT_RETURN_IF_ERROR(recorder.set_probes());
  // Tracing instances, set up and still silent.
  IVT_RETURN_IF_ERROR(recorder.prepare_host());
  // SystemTap's scripts, compiled before anything is recorded.
  IVT_RETURN_IF_ERROR(recorder.prepare_tracers());
  // The run directory with its manifest.
  IVT_RETURN_IF_ERROR(recorder.create_run());
  // The host records from here on.
  if (Status started = recorder.start_host(); !started) {
    recorder.discard_run();
    return std::move(started).error();
  }
  // A session for each guest: ring, agent, clock.
  recorder.start_guests();
  // The command that is to be recorded, when there is one.
  Status command = recorder.start_command();
  // Anchors, marks, counters, limits and progress, each second.
  if (command) recorder.record_until_end();
  // Agents stop and deliver, the host stops, the journal is closed, nothing stays behind.
  recorder.stop_everything();
  if (!command) {
    recorder.discard_run();
    return std::move(command).error();
  }
  return recorder.summary();
}

}  // namespace ivtrace::record
