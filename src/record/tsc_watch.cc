#include "record/tsc_watch.h"

#include <unistd.h>

#include <array>

#include "base/text.h"

namespace ivtrace::record {
namespace {

/// The number behind `key` ("next=").
Result<std::uint64_t> number_after(std::string_view text, std::string_view key) {
  const std::size_t at = text.find(key);
  if (at == std::string_view::npos) return Error(ErrorCode::kCorrupt, "no " + std::string(key));
  text.remove_prefix(at + key.size());
  return parse_u64(text.substr(0, text.find_first_not_of("0123456789")));
}

}  // namespace

// "     CPU 0/KVM-4711    [001] d..1. 123456789012: kvm_write_tsc_offset: vcpu=0 prev=1
// next=18446744073709551615". The task's name comes first and may hold anything, so everything is found from
// the right.
std::optional<TscOffsetWrite> parse_tsc_offset_line(std::string_view line) {
  constexpr std::string_view kName = ": kvm_write_tsc_offset: ";
  const std::size_t name = line.rfind(kName);
  if (name == std::string_view::npos) return std::nullopt;
  const std::string_view fields = line.substr(name + kName.size());
  const std::string_view head = line.substr(0, name);
  const std::size_t blank = head.rfind(' ');
  const std::size_t cpu = head.rfind(" [");
  if (blank == std::string_view::npos || cpu == std::string_view::npos) return std::nullopt;
  const std::string_view task = trim(head.substr(0, cpu));
  const std::size_t dash = task.rfind('-');
  if (dash == std::string_view::npos) return std::nullopt;
  auto thread = parse_u64(task.substr(dash + 1));
  auto at = parse_u64(head.substr(blank + 1));
  auto vcpu = number_after(fields, "vcpu=");
  auto next = number_after(fields, "next=");
  if (!thread || !at || !vcpu || !next) return std::nullopt;
  return TscOffsetWrite{Tid(static_cast<std::int32_t>(*thread)), static_cast<std::uint32_t>(*vcpu),
                        static_cast<std::int64_t>(*next), HostTsc(*at)};
}

Result<std::unique_ptr<TscWatch>> TscWatch::create(const tracefs::TraceDir& dir, const std::string& name) {
  IVT_ASSIGN_OR_RETURN(tracefs::Instance instance, tracefs::Instance::create(dir, name));
  IVT_RETURN_IF_ERROR(instance.set_clock("x86-tsc"));
  IVT_RETURN_IF_ERROR(instance.set_buffer_kb(64));
  const std::vector<std::string> events = {kEvent};
  if (const auto refused = instance.set_events(events); !refused.empty()) {
    return Error(ErrorCode::kUnsupported, refused.front());
  }
  IVT_ASSIGN_OR_RETURN(UniqueFd pipe, open_at(instance.dir_fd(), "trace_pipe", O_RDONLY | O_NONBLOCK));
  IVT_RETURN_IF_ERROR(instance.set_tracing(true));
  return std::unique_ptr<TscWatch>(new TscWatch(std::move(instance), std::move(pipe)));
}

std::vector<TscOffsetWrite> TscWatch::take() {
  std::vector<TscOffsetWrite> writes;
  std::array<char, 4096> block;
  for (int i = 0; i < 256; ++i) {
    const ssize_t got = ::read(pipe_.get(), block.data(), block.size());
    if (got <= 0) break;
    rest_.append(block.data(), static_cast<std::size_t>(got));
    std::size_t begin = 0;
    for (std::size_t end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n', begin)) {
      if (auto write = parse_tsc_offset_line(std::string_view(rest_).substr(begin, end - begin)))
        writes.push_back(*write);
      begin = end + 1;
    }
    rest_.erase(0, begin);
  }
  return writes;
}

Status TscWatch::remove() {
  pipe_.reset();
  return instance_.remove();
}

}  // namespace ivtrace::record
