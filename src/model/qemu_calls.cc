#include "model/qemu_calls.h"

#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "model/vcpu_events.h"

namespace ivtrace::model {
namespace {

constexpr std::size_t kMaxOpen = 65536;  // threads at a time

struct KnownCall {
  std::string_view name;
  std::int64_t number;
};
constexpr KnownCall kCalls[] = {{"read", SYS_read},
                                {"write", SYS_write},
                                {"readv", SYS_readv},
                                {"writev", SYS_writev},
                                {"pread64", SYS_pread64},
                                {"pwrite64", SYS_pwrite64},
                                {"preadv", SYS_preadv},
                                {"pwritev", SYS_pwritev},
                                {"preadv2", SYS_preadv2},
                                {"pwritev2", SYS_pwritev2},
                                {"io_submit", SYS_io_submit},
                                {"io_getevents", SYS_io_getevents},
                                {"io_pgetevents", SYS_io_pgetevents},
                                {"io_uring_enter", SYS_io_uring_enter},
                                {"fsync", SYS_fsync},
                                {"fdatasync", SYS_fdatasync},
                                {"sync_file_range", SYS_sync_file_range},
                                {"fallocate", SYS_fallocate},
                                {"copy_file_range", SYS_copy_file_range}};

template <class Is>
std::optional<std::uint32_t> find_call(Is&& is) {
  const auto* const found = std::find_if(std::begin(kCalls), std::end(kCalls), is);
  if (found == std::end(kCalls)) return std::nullopt;
  return static_cast<std::uint32_t>(found - std::begin(kCalls));
}

}  // namespace

const char* call_name(std::uint32_t call) { return kCalls[call].name.data(); }
std::uint32_t call_count() { return std::size(kCalls); }

QemuCalls::QemuCalls(const run::RunReader& run, const merge::RunEvents& events, const ThreadOwners& owners,
                     std::function<void(const QemuCall&)> sink)
    : owners_(owners), sink_(std::move(sink)), host_(host_machine(run)) {
  const decode::FormatTable* const formats = events.formats(host_);
  if (formats == nullptr) return;
  for (const decode::EventFormat* format : formats->all()) {
    const bool raw = format->system == "raw_syscalls";
    if (!raw && format->system != "syscalls") continue;
    std::string_view name = format->name;
    Kind kind;
    kind.step = name.starts_with("sys_enter") ? Step::kEnter : Step::kExit;
    kind.number = raw ? format->find("id") : nullptr;
    kind.result = format->find("ret");
    if (!raw) {
      name.remove_prefix(std::min(name.find('_', 4) + 1, name.size()));
      const auto call = find_call([&](const KnownCall& known) { return known.name == name; });
      if (!call) continue;
      kind.call = *call;
    }
    if ((raw && kind.number == nullptr) || (kind.step == Step::kExit && kind.result == nullptr)) continue;
    if (kinds_.size() <= format->id) kinds_.resize(format->id + 1u);
    kinds_[format->id] = kind;
    recorded_ = recorded_ || kind.step == Step::kExit;
  }
}

void QemuCalls::look(const merge::MergedEvent& event) {
  if (event.stream->machine != host_) return;
  if (event.loss != nullptr) return open_.clear();
  if (event.id >= kinds_.size()) return;
  const Kind& kind = kinds_[event.id];
  if (kind.step == Step::kOther) return;
  std::uint32_t call = kind.call;
  if (kind.number != nullptr) {
    const auto number = decode::read_signed(event.record, *kind.number);
    const auto found = find_call([&](const KnownCall& known) { return known.number == number; });
    if (!found) return;
    call = *found;
  }
  if (kind.step == Step::kEnter) return enter(event, call);
  leave(event, call, *kind.result);
}

void QemuCalls::enter(const merge::MergedEvent& event, std::uint32_t call) {
  const std::int32_t thread = decode::event_pid(event.record);
  const auto machine = owners_.owner({thread, {}});
  if (!machine || open_.size() >= kMaxOpen) return;
  open_.insert_or_assign(thread, Open{*machine, call, event.time});
}

void QemuCalls::leave(const merge::MergedEvent& event, std::uint32_t call, const decode::Field& result) {
  const std::int32_t thread = decode::event_pid(event.record);
  const auto found = open_.find(thread);
  if (found == open_.end()) return;
  const Open open = found->second;
  open_.erase(found);
  if (open.call != call) return;
  sink_({open.machine, Tid(thread), call, open.from, event.time,
         decode::read_signed(event.record, result).value_or(0)});
}

}  // namespace ivtrace::model
