#include "model/syscall_events.h"

#include <algorithm>
#include <string_view>

namespace ivtrace::model {
namespace {

using Kind = SyscallEvents::Kind;

/// Calls that move bytes at a place in a file, or hand over such; `argument`: the index of the offset, or of
/// how many are handed over.
struct Call {
  std::string_view name;
  std::uint64_t number;  ///< x86-64
  Kind kind;
  std::string_view field;
  std::size_t argument;
};
constexpr Call kCalls[] = {
    {"pread64", 17, Kind::kRead, "pos", 3},     {"pwrite64", 18, Kind::kWrite, "pos", 3},
    {"preadv", 295, Kind::kRead, "pos_l", 3},   {"pwritev", 296, Kind::kWrite, "pos_l", 3},
    {"preadv2", 327, Kind::kRead, "pos_l", 3},  {"pwritev2", 328, Kind::kWrite, "pos_l", 3},
    {"io_submit", 209, Kind::kSubmit, "nr", 1}, {"io_uring_enter", 426, Kind::kSubmit, "to_submit", 1}};

void tell(const Call& call, std::uint64_t value, SyscallEvents::Seen& seen) {
  seen.kind = call.kind;
  (call.kind == Kind::kSubmit ? seen.handed : seen.offset) = value;
}

}  // namespace

SyscallEvents::SyscallEvents(const decode::FormatTable* formats) {
  if (formats == nullptr) return;
  for (const decode::EventFormat* format : formats->all()) {
    if (format->system != "syscalls" && format->system != "raw_syscalls") continue;
    if (known_.size() <= format->id) known_.resize(format->id + 1u);
    known_[format->id] = known(*format);
  }
}

SyscallEvents::Known SyscallEvents::known(const decode::EventFormat& format) {
  constexpr std::string_view kEnter = "sys_enter";
  Known known;
  known.step = format.name.starts_with(kEnter) ? Step::kEnter : Step::kExit;
  known.result = format.find("ret");
  if (format.system == "raw_syscalls") {
    known.number = format.find("id");
    known.arguments = format.find("args");
    return known;
  }
  if (known.step == Step::kExit || format.name.size() <= kEnter.size()) return known;
  const std::string_view name = std::string_view(format.name).substr(kEnter.size() + 1);
  const auto call = std::find_if(std::begin(kCalls), std::end(kCalls),
                                 [&](const Call& candidate) { return candidate.name == name; });
  if (call == std::end(kCalls)) return known;
  const decode::Field* const field = format.find(call->field);
  if (field == nullptr) return known;
  known.kind = call->kind;
  (call->kind == Kind::kSubmit ? known.handed : known.offset) = field;
  return known;
}

void SyscallEvents::read_raw(const Known& known, decode::RecordBytes record, Seen& seen) {
  const auto number = decode::read_unsigned(record, *known.number);
  const auto arguments = decode::read_array(record, *known.arguments);
  const auto call = std::find_if(std::begin(kCalls), std::end(kCalls),
                                 [&](const Call& candidate) { return candidate.number == number; });
  if (call == std::end(kCalls) || !arguments) return;
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  if (arguments->size() < (call->argument + 1) * kWord) return;
  tell(*call, decode::load_unsigned(arguments->data() + call->argument * kWord, kWord), seen);
}

SyscallEvents::Seen SyscallEvents::look(std::uint16_t id, decode::RecordBytes record) const {
  if (id >= known_.size() || known_[id].step == Step::kOther) return {};
  const Known& known = known_[id];
  Seen seen;
  seen.step = known.step;
  seen.kind = known.kind;
  seen.thread = decode::event_pid(record);
  if (known.step == Step::kExit) {
    if (known.result != nullptr) seen.result = decode::read_signed(record, *known.result).value_or(-1);
  } else if (known.number != nullptr && known.arguments != nullptr) {
    read_raw(known, record, seen);
  } else if (known.offset != nullptr) {
    seen.offset = decode::read_unsigned(record, *known.offset).value_or(0);
  } else if (known.handed != nullptr) {
    seen.handed = decode::read_unsigned(record, *known.handed).value_or(0);
  }
  return seen;
}

}  // namespace ivtrace::model
