#include "record/host_capture.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

#include "tracefs/events.h"
#include "tracefs/printk_dest.h"

namespace ivtrace::record {
namespace {

constexpr std::chrono::milliseconds kLongestWait{200};
constexpr std::chrono::seconds kFlushInterval{1};
constexpr unsigned kWakePercent = 25;

}  // namespace

// ---- HostBuffer

Result<std::unique_ptr<HostBuffer>> HostBuffer::open(tracefs::Instance instance, const std::string& buffer,
                                                     RunLog& log) {
  std::unique_ptr<HostBuffer> opened(new HostBuffer(std::move(instance), buffer, log));
  IVT_ASSIGN_OR_RETURN(const std::vector<CpuId> cpus, opened->instance_.cpus());
  for (const CpuId cpu : cpus) {
    IVT_ASSIGN_OR_RETURN(auto stream, HostStream::open(opened->instance_, cpu, buffer, log));
    opened->streams_.push_back(std::move(stream));
  }
  return opened;
}

HostBuffer::~HostBuffer() { join(); }

void HostBuffer::join() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

Status HostBuffer::start() {
  for (std::size_t first = 0; first < streams_.size(); first += kStreamsPerThread) {
    const std::size_t last = std::min(first + kStreamsPerThread, streams_.size());
    threads_.emplace_back([this, first, last] { serve(first, last); });
  }
  return instance_.set_tracing(true);
}

void HostBuffer::serve(std::size_t first, std::size_t last) {
  std::vector<pollfd> waits;
  for (std::size_t i = first; i < last; ++i) waits.push_back({streams_[i]->poll_fd(), POLLIN, 0});
  auto flushed = std::chrono::steady_clock::now();
  while (!stopping_) {
    // The kernel wakes us when a buffer is kWakePercent full; the time limit is for the flush and for the
    // end.
    ::poll(waits.data(), waits.size(), static_cast<int>(kLongestWait.count()));
    if (log_.space().tripped()) {
      std::this_thread::sleep_for(kLongestWait);
      continue;
    }
    const auto now = std::chrono::steady_clock::now();
    const bool flush = now - flushed >= kFlushInterval;
    if (flush) flushed = now;
    for (std::size_t i = first; i < last; ++i) {
      while (streams_[i]->move(flush) && !stopping_) continue;
    }
  }
}

Status HostBuffer::stop() {
  Status off = instance_.set_tracing(false);
  join();
  for (const auto& stream : streams_) {
    while (stream->move(true)) continue;
  }
  journal_counters(true);
  return off;
}

Status HostBuffer::remove() {
  join();
  streams_.clear();
  return instance_.remove();
}

std::vector<format::CpuCounters> HostBuffer::counters() const {
  std::vector<format::CpuCounters> all;
  for (const auto& stream : streams_) {
    auto counters = instance_.counters(stream->cpu());
    if (!counters) continue;
    counters->cpu = stream->cpu().value;
    counters->bytes = stream->moved();
    all.push_back(*counters);
  }
  return all;
}

void HostBuffer::journal_counters(bool final_counters) {
  for (const format::CpuCounters& counters : this->counters()) {
    log_.put(run::CountersRecord{format::kHostMachine, buffer_, 0, final_counters, counters});
  }
}

// ---- HostCapture

Result<tracefs::Instance> HostCapture::main_instance(const tracefs::TraceDir& dir,
                                                     const HostSettings& settings,
                                                     const Registered& registered) {
  const bool sent_to_us = settings.printk && tracefs::has_printk_dest(dir);
  if (settings.printk && !sent_to_us) {
    IVT_RETURN_IF_ERROR(registered(tracefs::kTopLevelName, ""));
    return tracefs::take_top_level(dir, settings.top_level_state);
  }
  IVT_RETURN_IF_ERROR(registered(settings.name, ""));
  IVT_ASSIGN_OR_RETURN(tracefs::Instance instance, tracefs::Instance::create(dir, settings.name));
  if (sent_to_us) IVT_RETURN_IF_ERROR(tracefs::send_printk_to(dir, instance));
  return instance;
}

Result<std::unique_ptr<HostCapture>> HostCapture::create(const tracefs::TraceDir& dir,
                                                         const HostSettings& settings,
                                                         const Registered& registered) {
  std::unique_ptr<HostCapture> capture(new HostCapture);
  std::vector<std::string> main;
  for (const std::string& event : settings.events) {
    (tracefs::is_syscall_event(event) ? capture->syscalls_ : main).push_back(event);
  }
  const auto prepare = [&](tracefs::Instance instance, const std::string& buffer,
                           const std::vector<std::string>& events) -> Status {
    IVT_RETURN_IF_ERROR(instance.set_tracing(false));
    IVT_RETURN_IF_ERROR(instance.set_clock("x86-tsc"));
    IVT_RETURN_IF_ERROR(instance.set_buffer_kb(settings.buffer_kb));
    // Old kernels have no such file and wake at the first full page.
    if (Status percent = instance.set_buffer_percent(kWakePercent);
        !percent && percent.error().code != ErrorCode::kNotFound) {
      return percent;
    }
    for (const auto& [event, filter] : settings.filters) {
      if (std::find(events.begin(), events.end(), event) == events.end()) continue;
      IVT_RETURN_IF_ERROR(instance.set_filter(event, filter));
    }
    capture->prepared_.push_back({std::move(instance), buffer, events});
    return {};
  };
  IVT_ASSIGN_OR_RETURN(tracefs::Instance instance, main_instance(dir, settings, registered));
  IVT_RETURN_IF_ERROR(prepare(std::move(instance), "", main));
  if (!capture->syscalls_.empty()) {
    const std::string name = settings.name + "-sys";
    IVT_RETURN_IF_ERROR(registered(name, "sys"));
    IVT_ASSIGN_OR_RETURN(tracefs::Instance own, tracefs::Instance::create(dir, name));
    IVT_RETURN_IF_ERROR(prepare(std::move(own), "sys", capture->syscalls_));
  }
  for (Prepared& prepared : capture->prepared_) {
    // "sys" gets its events with the first thread to follow: an empty list of threads would mean all of them.
    if (!prepared.buffer.empty()) continue;
    capture->rejected_ = prepared.instance.set_events(prepared.events);
    capture->enabled_ = prepared.instance.events();
  }
  capture->enabled_.insert(capture->enabled_.end(), capture->syscalls_.begin(), capture->syscalls_.end());
  return capture;
}

HostCapture::~HostCapture() = default;

Status HostCapture::start(RunLog& log) {
  log_ = &log;
  for (Prepared& prepared : prepared_) {
    IVT_ASSIGN_OR_RETURN(auto buffer, HostBuffer::open(std::move(prepared.instance), prepared.buffer, log));
    buffers_.push_back(std::move(buffer));
  }
  prepared_.clear();
  for (const auto& buffer : buffers_) IVT_RETURN_IF_ERROR(buffer->start());
  return {};
}

void HostCapture::set_qemu_threads(std::vector<Tid> threads) {
  std::sort(threads.begin(), threads.end());
  if (threads == threads_ || log_ == nullptr) return;
  for (const auto& buffer : buffers_) {
    if (buffer->buffer() != "sys") continue;
    tracefs::Instance& instance = buffer->instance();
    const bool was_empty = threads_.empty();
    if (threads.empty()) {
      instance.set_events({});
    } else if (std::includes(threads_.begin(), threads_.end(), threads.begin(), threads.end())) {
      continue;  // some ended, which the kernel sees by itself
    } else if (Status set = instance.add_event_pids(threads); !set) {
      log_->note(format::kHostMachine,
                 "system calls of new QEMU threads are not recorded: " + set.error().message);
      return;
    } else if (was_empty) {
      // A thread made by one of these is followed from its first system call on.
      if (Status follow = instance.set_option("event-fork", true); !follow) {
        log_->note(format::kHostMachine,
                   "new QEMU threads are followed with delay: " + follow.error().message);
      }
      for (const std::string& refused : instance.set_events(syscalls_)) rejected_.push_back(refused);
    }
  }
  threads_ = std::move(threads);
}

Status HostCapture::stop() {
  Status first;
  for (const auto& buffer : buffers_) {
    if (Status stopped = buffer->stop(); !stopped && first) first = std::move(stopped);
  }
  return first;
}

Status HostCapture::remove() {
  Status first;
  for (Prepared& prepared : prepared_) {
    if (Status removed = prepared.instance.remove(); !removed && first) first = std::move(removed);
  }
  prepared_.clear();
  for (const auto& buffer : buffers_) {
    if (Status removed = buffer->remove(); !removed && first) first = std::move(removed);
  }
  buffers_.clear();
  return first;
}

}  // namespace ivtrace::record
