#include "agent/capture.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <thread>

#include "base/process.h"
#include "base/text.h"
#include "tracefs/cpus.h"
#include "tracefs/events.h"
#include "tracefs/printk_dest.h"
#include "tracefs/probe_filter.h"
#include "tracefs/probe_names.h"
#include "tracefs/top_level.h"
#include "tracers/stap_leftovers.h"
#include "tracers/tracer_set.h"

namespace ivtrace::agent {
namespace {

constexpr const char* kInstancePrefix = "ivtrace-agent-";
/// A storm wakes the pumps when a quarter of the buffer is full: three quarters are left for their way to the
/// CPU.
constexpr unsigned kWakeAtPercent = 25;

/// The owner of "ivtrace-agent-<pid>" and "ivtrace-agent-<pid>-probe"; 0: it is no such instance.
std::int32_t owner_of(std::string_view instance) {
  constexpr std::string_view kPrefix = kInstancePrefix;
  if (!instance.starts_with(kPrefix)) return 0;
  instance.remove_prefix(kPrefix.size());
  const Result<std::uint64_t> pid = parse_u64(instance.substr(0, instance.find('-')));
  return pid && *pid <= std::numeric_limits<std::int32_t>::max() ? static_cast<std::int32_t>(*pid) : 0;
}

}  // namespace

std::string instance_name(pid_t pid) { return kInstancePrefix + std::to_string(pid); }

std::vector<std::string> remove_leftovers(const tracefs::TraceDir& dir) {
  std::vector<std::string> stuck;
  tracers::remove_left_folders();
  std::vector<std::string> modules = tracers::unload_leftover_modules();
  stuck.insert(stuck.end(), modules.begin(), modules.end());
  if (const auto restored = tracefs::restore_top_level(dir); !restored)
    stuck.push_back("the top-level trace buffer is not as it was: " + restored.error().to_string());
  const Result<std::vector<std::string>> names = tracefs::Instance::list(dir);
  if (!names) return stuck;
  for (const std::string& name : *names) {
    const std::int32_t owner = owner_of(name);
    if (owner == 0 || is_other_living_ivtrace(owner)) continue;
    Result<tracefs::Instance> leftover = tracefs::Instance::adopt(dir, name);
    if (leftover && !leftover->remove()) stuck.push_back("cannot remove the left tracing instance " + name);
  }
  for (std::string& problem : probes::remove_leftovers(dir).problems) stuck.push_back(std::move(problem));
  return stuck;
}

Capture::Capture(const tracefs::TraceDir& dir, ring::Producer& producer, tracefs::Instance instance)
    : dir_(&dir), producer_(&producer), probes_(dir, ::getpid()), instance_(std::move(instance)) {}

Capture::~Capture() {
  static_cast<void>(instance_.set_tracing(false));
  pumps_.clear();
}

Result<std::unique_ptr<Capture>> Capture::start(const tracefs::TraceDir& dir, ring::Producer& producer,
                                                const format::Request& request) {
  const bool printk = request.top_level;
  const bool sent_to_us = printk && tracefs::has_printk_dest(dir);
  IVT_ASSIGN_OR_RETURN(tracefs::Instance instance,
                       printk && !sent_to_us ? tracefs::take_top_level(dir)
                                             : tracefs::Instance::create(dir, instance_name(::getpid())));
  if (sent_to_us) IVT_RETURN_IF_ERROR(tracefs::send_printk_to(dir, instance));
  std::unique_ptr<Capture> capture(new Capture(dir, producer, std::move(instance)));
  IVT_RETURN_IF_ERROR(capture->set_up(request));
  return capture;
}

Status Capture::set_up(const format::Request& request) {
  const std::uint64_t buffer_kb = request.buffer_kb == 0 ? kDefaultBufferKb : request.buffer_kb;
  IVT_RETURN_IF_ERROR(instance_.set_clock("x86-tsc"));
  IVT_RETURN_IF_ERROR(instance_.set_buffer_kb(buffer_kb));
  // Where the kernel has no such file, poll() wakes at the first event, and the pumps know how to sleep
  // through that.
  static_cast<void>(instance_.set_buffer_percent(kWakeAtPercent));
  IVT_ASSIGN_OR_RETURN(sub_buffer_bytes_, instance_.sub_buffer_bytes());
  IVT_ASSIGN_OR_RETURN(const std::vector<CpuId> online, tracefs::online_cpus());
  if (request.feed.empty()) {
    feed_ = online.empty() ? tracefs::Feed::kRead : tracefs::best_feed(instance_, online.front());
  } else {
    IVT_ASSIGN_OR_RETURN(feed_, tracefs::parse_feed(request.feed));
    // Told now and clearly rather than by each pump later.
    if (!online.empty()) {
      if (const auto reader = tracefs::open_reader(instance_, online.front(), feed_); !reader)
        return reader.error();
    }
  }
  start_pumps(buffer_kb * 1024);
  probes_.add(request.probes);
  set_events(request.events, request.filters);
  IVT_RETURN_IF_ERROR(instance_.set_tracing(true));
  for (const auto& pump : pumps_) pump->go();
  return {};
}

void Capture::start_pumps(std::uint64_t buffer_bytes) {
  std::vector<std::unique_ptr<Lane>> lanes;
  for (std::uint32_t cpu = 0; cpu < producer_->cpu_count(); ++cpu) {
    lanes.push_back(std::make_unique<Lane>(instance_, producer_->cpu(CpuId(cpu)), feed_));
    if (lanes.size() < Pump::kLanesPerPump && cpu + 1 < producer_->cpu_count()) continue;
    pumps_.push_back(std::make_unique<Pump>(std::move(lanes), *producer_, buffer_bytes));
    lanes.clear();
  }
}

/// The filter that an event gets. Only system calls may be filtered by their caller (see is_syscall_event);
/// there, and by probes, the agent leaves itself out: its own reads and naps.
std::string Capture::filter_of(const std::string& event,
                               const std::map<std::string, std::string>& filters) const {
  const auto wanted = filters.find(tracefs::recorded_event(event));
  std::string filter = wanted == filters.end() ? "" : wanted->second;
  if (tracefs::recorded_event(event) != event) return tracefs::probe_filter(filter, tracefs::own_comm());
  if (!tracefs::is_syscall_event(event)) return filter;
  std::string not_us = "common_pid != " + std::to_string(::gettid());
  for (const auto& pump : pumps_) not_us += " && common_pid != " + std::to_string(pump->tid());
  return filter.empty() ? not_us : "(" + filter + ") && " + not_us;
}

void Capture::set_events(const std::vector<std::string>& patterns,
                         const std::map<std::string, std::string>& filters) {
  rejected_.clear();
  const Result<std::vector<std::string>> available = tracefs::available_events(*dir_);
  if (!available) {
    rejected_.push_back("all events: " + available.error().to_string());
    return;
  }
  tracefs::EventSelection selection = tracefs::select_events(*available, patterns);
  rejected_ = std::move(selection.rejected);
  for (std::string& event : probes_.kernel_events()) selection.events.push_back(std::move(event));
  std::vector<std::string> enabled;
  for (const std::string& event : selection.events) {
    const std::string filter = filter_of(event, filters);
    if (!tracefs::is_syscall_event(event) && filter.find("common_pid") != filter.npos) {
      rejected_.push_back(
          event + ": a filter on common_pid would also drop the interrupts that hit that task, uncounted");
      continue;
    }
    // An event whose filter the kernel refuses stays off: unfiltered it could be a flood nobody asked for.
    if (const Status status = instance_.set_filter(event, filter); !status) {
      rejected_.push_back(event + ": " + status.error().message);
      continue;
    }
    enabled.push_back(event);
  }
  const std::vector<std::string> refused = probes_.note_refused(instance_.set_events(enabled));
  rejected_.insert(rejected_.end(), refused.begin(), refused.end());
}

Status Capture::set_buffer(std::uint64_t kb) {
  if (kb == 0) return Error(ErrorCode::kInvalid, "a trace buffer of 0 KiB holds nothing");
  std::vector<std::unique_lock<std::mutex>> paused;
  for (const auto& pump : pumps_) paused.push_back(pump->pause());
  for (const auto& pump : pumps_) {
    for (const auto& lane : pump->lanes()) IVT_RETURN_IF_ERROR(lane->unmap());
  }
  feed_ = tracefs::Feed::kRead;
  return instance_.set_buffer_kb(kb);
}

std::vector<format::CpuCounters> Capture::counters() const {
  std::vector<format::CpuCounters> all;
  for (const auto& pump : pumps_) {
    for (const auto& lane : pump->lanes()) {
      Result<format::CpuCounters> counters = instance_.counters(lane->cpu());
      if (!counters) continue;  // a CPU that this kernel traces nothing on
      counters->bytes = lane->bytes();
      counters->stalls = lane->stalls();
      all.push_back(*counters);
    }
  }
  return all;
}

std::vector<format::TracerState> Capture::probe_counts() {
  probes_.count_missed();
  std::vector<format::TracerState> counts;
  for (const std::uint64_t missed : probes_.missed()) {
    format::TracerState count;
    count.tracer = static_cast<std::uint32_t>(counts.size());
    count.lost_events = missed;
    counts.push_back(std::move(count));
  }
  return counts;
}

void Capture::finish_pumps(const std::function<bool()>& keep_waiting) {
  for (const auto& pump : pumps_) pump->finish();
  const auto all_done = [this] {
    return std::all_of(pumps_.begin(), pumps_.end(), [](const auto& pump) { return pump->done(); });
  };
  while (!all_done() && keep_waiting()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  for (const auto& pump : pumps_) pump->abandon();
  for (const auto& pump : pumps_) {
    pump->join();
    if (error_.empty()) error_ = pump->error();
  }
}

std::vector<format::CpuCounters> Capture::stop(const std::function<bool()>& keep_waiting) {
  if (const Status off = instance_.set_tracing(false); !off) error_ = off.error().to_string();
  finish_pumps(keep_waiting);
  std::vector<format::CpuCounters> final_counters = counters();
  pumps_.clear();
  probes_.count_missed();
  if (const Status removed = instance_.remove(); !removed && error_.empty())
    error_ = removed.error().to_string();
  if (const Status removed = probes_.remove(); !removed && error_.empty())
    error_ = removed.error().to_string();
  return final_counters;
}

}  // namespace ivtrace::agent
