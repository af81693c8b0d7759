#include "tracefs/instance.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "base/text.h"
#include "format/ivring.h"
#include "format/kernel_page.h"
#include "tracefs/lockdown.h"
#include "tracefs/mark_signal.h"

namespace ivtrace::tracefs {
namespace {

constexpr auto kRemoveLimit = std::chrono::seconds(2);
constexpr auto kRemoveRetry = std::chrono::milliseconds(20);

bool valid_name(const std::string& name) {
  return name.starts_with("ivtrace") && name.size() <= 100 &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                  c == '_' || c == '.';
         });
}

/// "events/system/name", or nothing when `event` is no "system:name" (or tries to leave the directory).
std::string event_dir(const std::string& event) {
  const std::size_t colon = event.find(':');
  if (colon == 0 || colon == event.npos || colon + 1 == event.size() || event.find('/') != event.npos ||
      event.find("..") != event.npos) {
    return {};
  }
  return "events/" + event.substr(0, colon) + "/" + event.substr(colon + 1);
}

std::string cpu_file(CpuId cpu, const char* file) {
  return "per_cpu/cpu" + std::to_string(cpu.value) + "/" + file;
}

Error no_event(const std::string& event) {
  return Error(ErrorCode::kNotFound, event + ": this kernel has no such event");
}

}  // namespace

Instance::Instance(int instances_fd, UniqueFd fd, std::string name)
    : instances_fd_(instances_fd), fd_(std::move(fd)), name_(std::move(name)) {}

Instance& Instance::operator=(Instance&& other) noexcept {
  if (this != &other) {
    static_cast<void>(remove());
    instances_fd_ = std::move(other.instances_fd_);
    fd_ = std::move(other.fd_);
    name_ = std::move(other.name_);
    events_ = std::move(other.events_);
    filtered_ = std::move(other.filtered_);
    give_back_ = std::move(other.give_back_);
    owned_ = other.owned_;
  }
  return *this;
}

Instance::~Instance() { static_cast<void>(remove()); }

Result<Instance> Instance::create(const TraceDir& dir, const std::string& name) {
  if (!valid_name(name))
    return Error(ErrorCode::kInvalid, "\"" + name + "\" is no name for a tracing instance of ivtrace");
  IVT_ASSIGN_OR_RETURN(UniqueFd instances, open_at(dir.fd(), "instances", O_RDONLY | O_DIRECTORY));
  if (::mkdirat(instances.get(), name.c_str(), 0750) != 0) {
    const int error = errno;
    const std::string hint = error == EEXIST ? "\"ivtrace cleanup\" removes what a killed ivtrace left behind"
                             : error == ENOMEM ? "the kernel has no memory for another trace buffer"
                                               : "";
    return explain_denied(errno_error(error, "cannot make tracing instance " + name, hint));
  }
  Result<UniqueFd> fd = open_at(instances.get(), name, O_RDONLY | O_DIRECTORY);
  if (!fd) {
    ::unlinkat(instances.get(), name.c_str(), AT_REMOVEDIR);
    return fd.error();
  }
  Instance instance(instances.release(), std::move(*fd), name);
  IVT_RETURN_IF_ERROR(instance.set_tracing(false));
  return instance;
}

Result<Instance> Instance::adopt(const TraceDir& dir, const std::string& name) {
  if (!valid_name(name))
    return Error(ErrorCode::kInvalid, "\"" + name + "\" is no tracing instance of ivtrace");
  IVT_ASSIGN_OR_RETURN(UniqueFd instances, open_at(dir.fd(), "instances", O_RDONLY | O_DIRECTORY));
  IVT_ASSIGN_OR_RETURN(UniqueFd fd, open_at(instances.get(), name, O_RDONLY | O_DIRECTORY));
  return Instance(instances.release(), std::move(fd), name);
}

Instance Instance::borrow(UniqueFd dir, const std::string& name, std::function<Status()> give_back) {
  Instance instance(-1, std::move(dir), name);
  instance.give_back_ = std::move(give_back);
  return instance;
}

Result<std::vector<std::string>> Instance::list(const TraceDir& dir) {
  return list_directory_at(dir.fd(), "instances");
}

Status Instance::remove() {
  if (!owned_ || !fd_.valid()) return {};
  static_cast<void>(set_tracing(false));
  if (give_back_) return end_loan();
  fd_.reset();
  const auto give_up = std::chrono::steady_clock::now() + kRemoveLimit;
  int error = 0;
  for (;;) {
    if (::unlinkat(instances_fd_.get(), name_.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) {
      owned_ = false;
      if (takes_marks(name_)) signal_marks();
      return {};
    }
    error = errno;
    if (error != EBUSY || std::chrono::steady_clock::now() >= give_up) break;
    std::this_thread::sleep_for(kRemoveRetry);
  }
  owned_ = false;
  return errno_error(error, "cannot remove tracing instance " + name_,
                     error == EBUSY ? "a program still reads it; then: ivtrace cleanup" : "");
}

Status Instance::end_loan() {
  owned_ = false;
  set_events({});
  for (const std::string& event : filtered_) static_cast<void>(set_filter(event, ""));
  fd_.reset();
  return give_back_();
}

Status Instance::set_clock(const std::string& clock) {
  Status status = write_control_file_at(dir_fd(), "trace_clock", clock);
  if (status || status.error().code != ErrorCode::kInvalid) return status;
  IVT_ASSIGN_OR_RETURN(const std::string offered, read_file_at(dir_fd(), "trace_clock", 4096));
  return Error(
      ErrorCode::kUnsupported,
      "this kernel does not offer the trace clock " + clock + ", only: " + std::string(trim(offered)),
      "ivtrace needs an x86 CPU with a usable TSC");
}

Status Instance::set_buffer_kb(std::uint64_t kb) {
  Status status = write_control_file_at(dir_fd(), "buffer_size_kb", std::to_string(kb));
  if (!status && status.error().code == ErrorCode::kExhausted) {
    return Error(ErrorCode::kExhausted,
                 "the kernel has no memory for trace buffers of " + std::to_string(kb) + " KiB per CPU",
                 "ask for smaller buffers");
  }
  return status;
}

Status Instance::set_buffer_percent(unsigned percent) {
  return write_control_file_at(dir_fd(), "buffer_percent", std::to_string(percent));
}

Status Instance::set_tracing(bool on) {
  IVT_RETURN_IF_ERROR(write_control_file_at(dir_fd(), "tracing_on", on ? "1" : "0"));
  if (on && takes_marks(name_)) signal_marks();
  return {};
}

Status Instance::set_option(const std::string& option, bool on) {
  if (option.find('/') != option.npos) return Error(ErrorCode::kInvalid, option + " is no trace option");
  return write_control_file_at(dir_fd(), "options/" + option, on ? "1" : "0");
}

std::vector<std::string> Instance::set_events(std::span<const std::string> events) {
  std::vector<std::string> wanted(events.begin(), events.end());
  std::vector<std::string> rejected;
  for (const std::string& event : events_) {
    if (std::find(wanted.begin(), wanted.end(), event) == wanted.end()) {
      static_cast<void>(write_control_file_at(dir_fd(), event_dir(event) + "/enable", "0"));
    }
  }
  std::vector<std::string> enabled;
  for (const std::string& event : wanted) {
    const std::string dir = event_dir(event);
    const Status status =
        dir.empty() ? Status(no_event(event)) : write_control_file_at(dir_fd(), dir + "/enable", "1");
    if (status) {
      enabled.push_back(event);
    } else if (status.error().code == ErrorCode::kNotFound) {
      rejected.push_back(no_event(event).message);
    } else {
      rejected.push_back(event + ": " + status.error().message);
    }
  }
  std::sort(enabled.begin(), enabled.end());
  enabled.erase(std::unique(enabled.begin(), enabled.end()), enabled.end());
  events_ = std::move(enabled);
  return rejected;
}

Status Instance::set_filter(const std::string& event, const std::string& expression) {
  const std::string dir = event_dir(event);
  if (dir.empty()) return no_event(event);
  Status status = write_control_file_at(dir_fd(), dir + "/filter", expression.empty() ? "0" : expression);
  if (status) {
    if (!expression.empty()) filtered_.push_back(event);
    return {};
  }
  if (status.error().code == ErrorCode::kNotFound) return no_event(event);
  if (status.error().code != ErrorCode::kInvalid) return status;
  // The file now holds the expression with the kernel's remark below it: the last line says what is wrong.
  std::string why;
  if (const auto text = read_file_at(dir_fd(), dir + "/filter", 64u << 10)) {
    for (std::string_view line : split(*text, '\n')) {
      if (const std::string_view remark = trim(line); !remark.empty() && remark != "^") why = remark;
    }
  }
  static_cast<void>(write_control_file_at(dir_fd(), dir + "/filter", "0"));
  if (why.starts_with("parse_error: ")) why.erase(0, 13);
  return Error(ErrorCode::kInvalid,
               "the kernel refuses the filter \"" + expression + "\" of " + event + ": " + why,
               "fields are in the event's format file; && || == != < > & ~ are understood");
}

Status Instance::add_event_pids(std::span<const Tid> threads) {
  // Never O_TRUNC: between the open and the first write the file would name nobody, which lets everybody's
  // events through. The kernel's parser takes a page at most at a time.
  IVT_ASSIGN_OR_RETURN(const UniqueFd fd, open_at(dir_fd(), "set_event_pid", O_WRONLY));
  std::string text;
  for (std::size_t i = 0; i < threads.size(); ++i) {
    text += std::to_string(threads[i].value) + " ";
    if (text.size() < 2048 && i + 1 < threads.size()) continue;
    IVT_RETURN_IF_ERROR(write_all(fd.get(), std::as_bytes(std::span(text)), "set_event_pid"));
    text.clear();
  }
  return {};
}

Result<std::vector<CpuId>> Instance::cpus() const {
  IVT_ASSIGN_OR_RETURN(const std::vector<std::string> names, list_directory_at(dir_fd(), "per_cpu"));
  std::vector<CpuId> cpus;
  for (const std::string& name : names) {
    if (!name.starts_with("cpu")) continue;
    const Result<std::uint64_t> number = parse_u64(std::string_view(name).substr(3));
    if (number && *number < format::kMaxCpus) cpus.emplace_back(static_cast<std::uint32_t>(*number));
  }
  std::sort(cpus.begin(), cpus.end());
  return cpus;
}

Result<UniqueFd> Instance::open_raw(CpuId cpu) const {
  return open_at(dir_fd(), cpu_file(cpu, "trace_pipe_raw"), O_RDONLY | O_NONBLOCK);
}

Result<std::uint32_t> Instance::sub_buffer_bytes() const {
  std::uint64_t bytes = 4096;  // kernels before 6.8 know no other size on x86 and have no file that says so
  const Result<std::string> text = read_file_at(dir_fd(), "buffer_subbuf_size_kb", 4096);
  if (text) {
    IVT_ASSIGN_OR_RETURN(bytes, parse_u64(trim(*text)));
    bytes *= 1024;
  } else if (text.error().code != ErrorCode::kNotFound) {
    return text.error();
  }
  if (bytes < 4096 || bytes > format::kMaxSubBuffer) {
    return Error(ErrorCode::kUnsupported,
                 "sub-buffers of " + std::to_string(bytes) + " bytes are not understood");
  }
  return static_cast<std::uint32_t>(bytes);
}

Result<format::CpuCounters> Instance::counters(CpuId cpu) const {
  IVT_ASSIGN_OR_RETURN(const std::string text, read_file_at(dir_fd(), cpu_file(cpu, "stats"), 64u << 10));
  IVT_ASSIGN_OR_RETURN(format::CpuCounters counters, parse_stats(text));
  counters.cpu = cpu.value;
  return counters;
}

Result<format::CpuCounters> parse_stats(std::string_view text) {
  format::CpuCounters counters;
  const std::pair<std::string_view, std::uint64_t*> wanted[] = {
      {"entries: ", &counters.unread},
      {"overrun: ", &counters.overrun},
      {"commit overrun: ", &counters.commit_overrun},
      {"dropped events: ", &counters.dropped},
      {"read events: ", &counters.delivered},
  };
  std::size_t found = 0;
  for (std::string_view line : split(text, '\n')) {
    for (const auto& [label, target] : wanted) {
      if (!line.starts_with(label)) continue;
      IVT_ASSIGN_OR_RETURN(*target, parse_u64(trim(line.substr(label.size()))));
      ++found;
    }
  }
  if (found != std::size(wanted))
    return Error(ErrorCode::kCorrupt, "a stats file of tracefs lacks a counter");
  return counters;
}

}  // namespace ivtrace::tracefs
