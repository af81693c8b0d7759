#include "record/cleanup.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <thread>

#include "base/tsc.h"
#include "probes/probe_set.h"
#include "record/guest_link.h"
#include "record/host_capture.h"
#include "record/probe_journal.h"
#include "record/registry.h"
#include "ring/mailbox.h"
#include "run/run_reader.h"
#include "tracefs/top_level.h"
#include "tracers/stap_leftovers.h"
#include "tracers/tracer_set.h"

namespace ivtrace::record {
namespace {

constexpr Nanoseconds kAnswerLimit{10'000'000'000};

/// Saves what one dead recorder's instances and rings still hold.
class Salvage {
 public:
  Salvage(const RegistryEntry& entry, const std::string& state_directory, CleanupReport& report)
      : entry_(entry), top_level_state_(top_level_state(state_directory)), report_(report) {}

  /// `dir` may be null when tracefs cannot be reached.
  void run(const tracefs::TraceDir* dir);

 private:
  bool open_run();
  void save_ring(const RegistryEntry::Ring& ring);
  bool stop_agent(GuestLink& link, const RegistryEntry::Ring& ring);
  void save_missed(const std::string& name, const std::vector<format::TracerState>& counts);
  std::optional<format::Reply> ask(GuestLink& link, format::Op op);
  void end_instance(const tracefs::TraceDir& dir, const RegistryEntry::Instance& instance);
  Result<tracefs::Instance> adopt(const tracefs::TraceDir& dir, const std::string& name) const;
  void save_instance(tracefs::Instance instance, const std::string& buffer);
  void problem(const std::string& text) {
    report_.problems.push_back("recorder " + std::to_string(entry_.pid) + ": " + text);
  }

  const RegistryEntry& entry_;
  const std::string top_level_state_;
  CleanupReport& report_;
  std::optional<run::RunReader> reader_;
  std::unique_ptr<run::RunWriter> writer_;
  std::optional<SpaceBudget> space_;
  std::optional<RunLog> log_;
  std::uint64_t saved_ = 0;
};

void Salvage::run(const tracefs::TraceDir* dir) {
  const bool has_run = open_run();
  if (has_run) {
    for (const RegistryEntry::Ring& ring : entry_.rings) save_ring(ring);
  }
  if (dir != nullptr && entry_.boot_id == current_boot_id()) {
    for (const RegistryEntry::Instance& instance : entry_.instances) end_instance(*dir, instance);
  }
  if (!has_run) return;
  if (space_->tripped()) problem(space_->detail());
  if (!reader_->end()) log_->put(run::EndRecord{HostTsc(read_tsc()), "salvaged"});
  report_.salvaged.push_back({entry_.run, entry_.pid, saved_});
}

bool Salvage::open_run() {
  // One that died before its recording began, while scripts were being compiled, has none.
  std::error_code unreadable;
  if (entry_.rings.empty() && !std::filesystem::exists(entry_.run, unreadable)) return false;
  auto reader = run::RunReader::open(entry_.run);
  if (!reader) {
    problem("its run cannot be completed: " + reader.error().message);
    return false;
  }
  auto writer = run::RunWriter::reopen(entry_.run);
  if (!writer) {
    problem("its run cannot be completed: " + writer.error().message);
    return false;
  }
  reader_.emplace(*std::move(reader));
  writer_ = *std::move(writer);
  // Once more what the dead recorder was allowed: a guest that is still recorded must not fill the disk
  // meanwhile.
  const std::uint64_t limit = reader_->manifest().max_bytes;
  auto space = SpaceBudget::create(entry_.run, limit != 0 ? limit : ~0ull, std::nullopt);
  if (!space) {
    problem(space.error().message);
    return false;
  }
  space_.emplace(*std::move(space));
  log_.emplace(*writer_, *space_);
  return true;
}

void Salvage::save_ring(const RegistryEntry::Ring& ring) {
  const auto lose = [&](const std::string& why) {
    run::LossRecord loss;
    loss.machine = ring.machine;
    loss.reason = "recorder-died";
    loss.until = HostTsc(read_tsc());
    loss.detail = why;
    log_->put(loss);
  };
  auto host = ring::HostRing::open(ring.path, ring.session);
  if (!host) return lose("its ring was not there any more: " + host.error().message);
  GuestLink link(ring.machine, *std::move(host), *log_);
  if (Status attached = link.attach(GuestLink::From::kWhereLeft); !attached)
    return lose("its ring: " + attached.error().message);
  if (link.view().generation != ring.generation)
    return lose("its agent was started again before the rest was saved");
  static const std::vector<run::PagesFile> kNoFiles;
  const run::Machine* machine = reader_->find(ring.machine);
  link.resume_recording(ring.stream_generation, machine != nullptr ? machine->files : kNoFiles);
  link.drain(std::chrono::seconds(10));
  if (!stop_agent(link, ring)) lose("its agent does not answer: what the guest's kernel still held is lost");
  link.finish();
  saved_ += link.view().bytes;
}

// One request and its reply, while the ring is drained: an agent that stops delivers the rest first and needs
// room for it.
std::optional<format::Reply> Salvage::ask(GuestLink& link, format::Op op) {
  ring::MailboxClient mailbox(link.host());
  format::Request request;
  request.op = op;
  if (!mailbox.post(request)) return std::nullopt;
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::nanoseconds(kAnswerLimit.value);
  while (link.view().agent_alive && std::chrono::steady_clock::now() < give_up) {
    const bool busy = link.poll();
    auto reply = mailbox.take();
    if (!reply) return std::nullopt;
    if (reply->has_value()) {
      link.drain(std::chrono::seconds(10));
      return (*reply)->ok ? *reply : std::nullopt;
    }
    if (!busy) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return std::nullopt;
}

// The agent may still be recording: it notices a dead recorder only after some seconds. Afterwards it still
// knows what it counted.
bool Salvage::stop_agent(GuestLink& link, const RegistryEntry::Ring& ring) {
  auto reply = ask(link, format::Op::kStop);
  if (!reply) reply = ask(link, format::Op::kStats);
  if (!reply || reply->counters.empty()) return false;
  for (const format::CpuCounters& counters : reply->counters) {
    log_->put(run::CountersRecord{ring.machine, "", ring.stream_generation, true, counters});
  }
  save_missed(ring.machine, reply->tracers);
  return true;
}

void Salvage::save_missed(const std::string& name, const std::vector<format::TracerState>& counts) {
  const run::Machine* machine = reader_->find(name);
  if (machine == nullptr) return;
  for (const run::TracerRecord& probe : machine->tracers) {
    for (const format::TracerState& count : counts) {
      if (probe.kind == "probe" && probe.id == count.tracer && count.lost_events != 0)
        log_->put(missed_hits(name, probe.name, count.lost_events));
    }
  }
}

/// kNotFound when it is gone, kBusy when somebody else has the top-level buffer meanwhile.
Result<tracefs::Instance> Salvage::adopt(const tracefs::TraceDir& dir, const std::string& name) const {
  if (name == tracefs::kTopLevelName) return tracefs::adopt_top_level(dir, top_level_state_);
  return tracefs::Instance::adopt(dir, name);
}

void Salvage::end_instance(const tracefs::TraceDir& dir, const RegistryEntry::Instance& named) {
  auto instance = adopt(dir, named.name);
  if (!instance &&
      (instance.error().code == ErrorCode::kNotFound || instance.error().code == ErrorCode::kBusy))
    return;
  if (!instance) return problem(instance.error().to_string());
  if (Status off = instance->set_tracing(false); !off) problem(off.error().to_string());
  if (named.buffer != "-" && log_.has_value() && !reader_->end()) {
    save_instance(*std::move(instance), named.buffer);
  } else if (Status removed = instance->remove(); !removed) {
    return problem(removed.error().to_string());
  }
  report_.removed_instances.push_back(named.name);
}

void Salvage::save_instance(tracefs::Instance instance, const std::string& buffer) {
  auto opened = HostBuffer::open(std::move(instance), buffer, *log_);
  if (!opened) return problem(opened.error().to_string());
  if (Status stopped = (*opened)->stop(); !stopped) problem(stopped.error().to_string());
  for (const auto& stream : (*opened)->streams()) saved_ += stream->moved();
  if (Status removed = (*opened)->remove(); !removed) problem(removed.error().to_string());
}

/// The instances that used them are gone by now.
void remove_probes(const tracefs::TraceDir& dir, CleanupReport& report) {
  probes::Leftovers left = probes::remove_leftovers(dir);
  report.removed_probes = std::move(left.removed);
  for (std::string& problem : left.problems) report.problems.push_back(std::move(problem));
}

/// Instances with a recorder's name whose process is dead: it died before it could write its entry.
void remove_orphans(const tracefs::TraceDir& dir, CleanupReport& report) {
  auto names = tracefs::Instance::list(dir);
  if (!names) return;
  for (const std::string& name : *names) {
    const std::int32_t pid = recorder_of_instance(name);
    if (pid == 0 || process_start_time(pid) != 0) continue;
    auto instance = tracefs::Instance::adopt(dir, name);
    if (!instance) continue;
    if (Status removed = instance->remove(); removed) {
      report.removed_instances.push_back(name);
    } else {
      report.problems.push_back(removed.error().to_string());
    }
  }
}

}  // namespace

Result<CleanupReport> cleanup(const std::string& state_directory) {
  if (::geteuid() != 0) return Error(ErrorCode::kPermission, "cleaning up needs root", "run it with sudo");
  CleanupReport report;
  // Held to the end, so that no recorder starts in between. A living one needs no cleanup: it did that when
  // it started.
  auto lock = HostLock::take(state_directory, &report.running_pid);
  if (lock) return cleanup_held(*lock, state_directory);
  if (lock.error().code == ErrorCode::kBusy) return report;
  return std::move(lock).error();
}

Result<CleanupReport> cleanup_held(const HostLock&, const std::string& state_directory) {
  CleanupReport report;
  auto dir = tracefs::TraceDir::open();
  for (const auto& [path, entry] : read_registry(state_directory, report.problems)) {
    if (alive(entry)) continue;
    Salvage(entry, state_directory, report).run(dir ? &*dir : nullptr);
    std::error_code ignored;
    if (dir || entry.instances.empty()) std::filesystem::remove(path, ignored);
  }
  if (!dir) return std::move(dir).error();
  tracers::remove_left_folders();
  for (std::string& problem : tracers::unload_leftover_modules())
    report.problems.push_back(std::move(problem));
  // Of one that died before it could write its entry.
  if (const auto restored = tracefs::restore_top_level(*dir, top_level_state(state_directory)); !restored) {
    report.problems.push_back(restored.error().to_string());
  } else if (*restored) {
    report.removed_instances.push_back(tracefs::kTopLevelName);
  }
  // A registry apart from the machine's own answers for its own recorders only: those of others look like
  // orphans to it.
  if (state_directory == kStateDirectory) remove_orphans(*dir, report);
  remove_probes(*dir, report);
  return report;
}

}  // namespace ivtrace::record
