// The loop sleeps 50 ms while nobody asks anything: a request waits that long at most, and an idle guest is
// woken 20 times a second. After a request it looks every 200 us for a while, as requests come in rows and
// bulk texts in many windows.
#include "agent/service.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <thread>

#include "agent/pulse.h"
#include "agent/reply.h"
#include "agent/tracer_requests.h"
#include "clock/handshake.h"
#include "tracefs/checks.h"
#include "tracefs/cpus.h"
#include "tracefs/events.h"
#include "tracefs/printk_dest.h"
#include "tracefs/probe_names.h"
#include "tracefs/texts.h"
#include "tracers/tools.h"

namespace ivtrace::agent {
namespace {

using format::Op;
using format::Reply;
using format::Request;
using std::chrono::milliseconds;

/// How often it looks whether the recorder lives: a read of the shared memory, which a guest should rarely
/// do.
constexpr auto kLookAtHost = milliseconds(250);
constexpr auto kIdleNap = milliseconds(50);
constexpr auto kBusyNap = std::chrono::microseconds(200);
constexpr auto kBusyFor = milliseconds(50);
/// A recorder tells every second that it lives; after this long without a word it does not.
constexpr auto kRecorderDead = std::chrono::seconds(10);
/// Longer: who waits for a compilation asks twice a second, but the host may prepare other things in between.
constexpr auto kPreparingDead = std::chrono::seconds(60);
/// How long an agent that is asked to end goes on delivering.
constexpr auto kLastWords = std::chrono::seconds(1);
/// The longest that one kClock may hold this thread.
constexpr std::uint64_t kMaxClockUs = 1'000'000;

/// A machine without them lacks nothing: who wants one is told what to install.
format::Check tracers_check() {
  std::string found;
  for (const std::string& tool : tracers::tracer_tools()) found += (found.empty() ? "" : ", ") + tool;
  return {"tracers", "ok", found.empty() ? "no staprun, stap or bpftrace" : found, ""};
}

Error not_recording() {
  return Error(ErrorCode::kInvalid, "this agent is not recording", "start a recording first");
}

/// Can it take seconds? The clock's exchange must have its CPU for itself, and lasts less.
bool is_long_work(Op op) {
  return op == Op::kStart || op == Op::kStop || op == Op::kEvents || op == Op::kRead;
}

}  // namespace

Service::Service(const tracefs::TraceDir& dir, ring::Producer& producer, std::string ring_name,
                 const TscFrequency& frequency, Log log)
    : dir_(&dir),
      task_names_(dir),
      producer_(&producer),
      ring_name_(std::move(ring_name)),
      frequency_(&frequency),
      log_(std::move(log)),
      mailbox_(producer.memory()) {}

Service::End Service::run(const std::atomic<bool>& stop) {
  stop_ = &stop;
  Clock::time_point busy_until{};
  while (!stop.load(std::memory_order_relaxed)) {
    beat();
    if (!producer_->intact()) {
      if (capture_) end_recording([] { return false; });
      return End::kRingLost;
    }
    if (capture_ && !recorder_lives()) {
      log_("the recorder is gone: its recording is ended");
      end_recording([] { return false; });
    }
    forget_tracers();
    if (mailbox_.poll([this](const Request& request, std::string& raw) { return handle(request, raw); })) {
      if (detached_) return End::kDetached;
      busy_until = Clock::now() + kBusyFor;
    }
    std::this_thread::sleep_for(Clock::now() < busy_until ? std::chrono::nanoseconds(kBusyNap) : kIdleNap);
  }
  if (capture_) {
    // Bounded, as whoever ends this agent (a shutdown) waits for it; a recorder that lives makes room in that
    // time.
    const Clock::time_point give_up = Clock::now() + kLastWords;
    end_recording([this, give_up] {
      beat();
      return recorder_lives() && producer_->intact() && Clock::now() < give_up;
    });
  }
  producer_->set_state(format::AgentState::kIdle);
  return End::kAsked;
}

void Service::beat() {
  const Clock::time_point now = Clock::now();
  if (now - last_beat_ >= kIdleNap) {
    last_beat_ = now;
    if (producer_->intact()) producer_->heartbeat();
  }
  if (now - last_look_ < kLookAtHost) return;
  last_look_ = now;
  if (const std::uint64_t heartbeat = producer_->host_heartbeat(); heartbeat != host_heartbeat_) {
    host_heartbeat_ = heartbeat;
    host_moved_ = now;
  }
}

bool Service::recorder_lives() const {
  // 0: it left in good order without a kStop. Another one: only one can hold the ring, so the first is gone.
  return producer_->host_session() == host_session_ && Clock::now() - host_moved_ < kRecorderDead;
}

Reply Service::handle(const Request& request, std::string& raw) {
  std::optional<Pulse> pulse;
  if (is_long_work(request.op)) pulse.emplace(*producer_);
  switch (request.op) {
    case Op::kHello:
      return hello();
    case Op::kDoctor:
      return doctor();
    case Op::kStart:
      return start(request);
    case Op::kStop:
      return stop_recording();
    case Op::kEvents:
      return change_events(request);
    case Op::kBuffer:
      return change_buffer(request);
    case Op::kStats:
      return statistics();
    case Op::kClock:
      return answer_clock(request);
    case Op::kRead:
      return read_bulk(request, raw);
    case Op::kDetach:
      return detach();
    case Op::kTracerFile:
    case Op::kTracerCompile:
    case Op::kTracerStart:
    case Op::kTracerPoll:
    case Op::kTracerStop:
      return run_tracers(request);
  }
  return failure(Error(ErrorCode::kUnsupported, "this agent does not know that request",
                       "use ivtrace and ivtrace-agent of one version"));
}

Reply Service::hello() {
  Reply reply = machine_facts(*frequency_);
  reply.recording = capture_ != nullptr;
  reply.printk_dest = tracefs::has_printk_dest(*dir_);
  if (capture_) {
    reply.feed = tracefs::to_string(capture_->feed());
    reply.page_size = capture_->sub_buffer_bytes();
  } else if (const Status probed = probe(); probed) {
    reply.feed = best_feed_;
    reply.page_size = sub_buffer_bytes_;
  } else {
    reply.message = probed.error().to_string();
  }
  return reply;
}

/// Which feed is best is found by trying, in an instance of its own, once.
Status Service::probe() {
  if (!best_feed_.empty()) return {};
  IVT_ASSIGN_OR_RETURN(const tracefs::Instance instance,
                       tracefs::Instance::create(*dir_, instance_name(::getpid()) + "-probe"));
  IVT_ASSIGN_OR_RETURN(sub_buffer_bytes_, instance.sub_buffer_bytes());
  IVT_ASSIGN_OR_RETURN(const std::vector<CpuId> online, tracefs::online_cpus());
  best_feed_ = tracefs::to_string(online.empty() ? tracefs::Feed::kRead
                                                 : tracefs::best_feed(instance, online.front()));
  return {};
}

Reply Service::start(const Request& request) {
  if (capture_) end_recording([] { return false; });
  task_names_ = tracefs::TaskNames(*dir_);
  auto capture = Capture::start(*dir_, *producer_, request);
  if (!capture) return failure(capture.error());
  capture_ = std::move(*capture);
  host_session_ = producer_->host_session();
  host_moved_ = Clock::now();
  producer_->set_state(format::AgentState::kRecording);
  Reply reply;
  reply.recording = true;
  reply.feed = tracefs::to_string(capture_->feed());
  reply.page_size = capture_->sub_buffer_bytes();
  reply.events = tracefs::recorded_events(capture_->events());
  reply.rejected = capture_->rejected();
  reply.probes = capture_->probes();
  return reply;
}

void Service::end_recording(const std::function<bool()>& keep_waiting) {
  tracers_.reset();
  producer_->set_state(format::AgentState::kStopping);
  last_events_ = capture_->events();
  last_counters_ = capture_->stop(keep_waiting);
  last_error_ = capture_->error();
  last_probes_ = capture_->probe_counts();
  if (!last_error_.empty()) log_(last_error_);
  capture_.reset();
  producer_->set_state(format::AgentState::kIdle);
}

Reply Service::stop_recording() {
  if (!capture_) return failure(not_recording());
  end_recording([this] {
    beat();
    return recorder_lives() && producer_->intact() && !stop_->load(std::memory_order_relaxed);
  });
  Reply reply;
  reply.counters = last_counters_;
  reply.tracers = last_probes_;
  reply.message = last_error_;
  return reply;
}

/// The device goes away whether or not somebody takes what is left, so nobody is waited for.
Reply Service::detach() {
  Reply reply;
  if (capture_) {
    end_recording([] { return false; });
    reply.counters = last_counters_;
  }
  detached_ = true;
  return reply;
}

Reply Service::change_events(const Request& request) {
  if (!capture_) return failure(not_recording());
  capture_->set_events(request.events, request.filters);
  Reply reply;
  reply.recording = true;
  reply.events = tracefs::recorded_events(capture_->events());
  reply.rejected = capture_->rejected();
  return reply;
}

Reply Service::change_buffer(const Request& request) {
  if (!capture_) return failure(not_recording());
  if (const Status status = capture_->set_buffer(request.buffer_kb); !status) return failure(status.error());
  Reply reply;
  reply.recording = true;
  reply.feed = tracefs::to_string(capture_->feed());
  return reply;
}

Reply Service::statistics() {
  Reply reply;
  reply.recording = capture_ != nullptr;
  reply.counters = capture_ ? capture_->counters() : last_counters_;
  reply.tracers = capture_ ? capture_->probe_counts() : last_probes_;
  return reply;
}

Reply Service::answer_clock(const Request& request) {
  const PinnedThread pinned(CpuId(request.clock_cpu));
  if (!pinned.ok()) {
    return failure(
        Error(ErrorCode::kNotFound, "CPU " + std::to_string(request.clock_cpu) + " is not online"));
  }
  const std::uint64_t limit_us = std::min(request.clock_limit_us, kMaxClockUs);
  clock::answer_pings(producer_->memory().mailbox(), Nanoseconds(static_cast<std::int64_t>(limit_us) * 1000));
  return {};
}

Result<std::string> Service::bulk_text(format::Bulk bulk) const {
  switch (bulk) {
    case format::Bulk::kFormats:
      return tracefs::formats_text(*dir_, capture_ ? capture_->events() : last_events_);
    case format::Bulk::kKallsyms:
      return tracefs::kallsyms_text();
    case format::Bulk::kCmdlines:
      return task_names_.text();
    case format::Bulk::kPrintkFormats:
      return tracefs::printk_formats_text(*dir_);
    case format::Bulk::kEventNames: {
      IVT_ASSIGN_OR_RETURN(const std::vector<std::string> events, tracefs::available_events(*dir_));
      std::string text;
      for (const std::string& event : events) text += event + "\n";
      return text;
    }
  }
  return Error(ErrorCode::kUnsupported, "this agent does not know that text");
}

/// All windows of a text come from one reading of it: it is read at offset 0 and dropped with its last
/// window.
Reply Service::read_bulk(const Request& request, std::string& raw) {
  if (request.offset == 0) {
    Result<std::string> text = bulk_text(request.bulk);
    if (!text) return failure(text.error());
    bulk_text_ = std::move(*text);
    bulk_ = request.bulk;
  } else if (bulk_ != request.bulk) {
    return failure(Error(ErrorCode::kInvalid, "a bulk text is read from its start on"));
  }
  Reply reply = ring::bulk_reply(bulk_text_, request.offset, raw);
  if (request.offset + raw.size() >= bulk_text_.size()) {
    bulk_.reset();
    bulk_text_ = std::string();
  }
  return reply;
}

/// Scripts are compiled before the recording begins; run they are during it only.
Reply Service::run_tracers(const Request& request) {
  if (!capture_ && request.op == Op::kTracerStart) return failure(not_recording());
  if (!tracers_) tracers_ = std::make_unique<tracers::TracerSet>();
  tracers_asked_ = Clock::now();
  Reply reply = answer_tracers(*tracers_, request);
  if (!capture_ && request.op == Op::kTracerStop) tracers_.reset();  // the recording will not begin
  return reply;
}

/// The recorder that had scripts compiled has died.
void Service::forget_tracers() {
  if (tracers_ && !capture_ && Clock::now() - tracers_asked_ > kPreparingDead) tracers_.reset();
}

Reply Service::doctor() const {
  Reply reply;
  reply.checks = tracefs::check_tracing(kDefaultBufferKb, instance_name(::getpid()) + "-check");
  reply.checks.push_back({"ring", "ok", ring_name_, ""});
  reply.checks.push_back(tracers_check());
  return reply;
}

}  // namespace ivtrace::agent
