#include "model/qemu_probe_events.h"

#include <algorithm>
#include <string_view>

namespace ivtrace::model {
namespace {

using Step = QemuProbeEvents::Step;

struct Function {
  std::string_view name;
  Step step;
  IoDirection direction;
};
constexpr Function kFunctions[] = {{"blk_aio_preadv", Step::kEnter, IoDirection::kRead},
                                   {"blk_aio_pwritev", Step::kEnter, IoDirection::kWrite},
                                   {"blk_aio_pdiscard", Step::kEnter, IoDirection::kDiscard},
                                   {"blk_aio_flush", Step::kEnter, IoDirection::kFlush},
                                   {"virtqueue_push", Step::kPush, IoDirection::kOther},
                                   {"virtio_notify", Step::kNotify, IoDirection::kOther},
                                   {"virtio_notify_irqfd", Step::kNotify, IoDirection::kOther}};

/// Where several programs are probed, the events of the second are "NAME_2", and so on.
bool is_named(std::string_view event, std::string_view function) {
  if (!event.starts_with(function)) return false;
  event.remove_prefix(function.size());
  if (event.empty()) return true;
  return event.size() > 1 && event[0] == '_' &&
         std::all_of(event.begin() + 1, event.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

QemuProbeEvents::QemuProbeEvents(const decode::FormatTable* formats) {
  if (formats == nullptr) return;
  for (const decode::EventFormat* format : formats->all()) {
    if (format->system != "uprobe") continue;
    const auto function = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                       [&](const Function& one) { return is_named(format->name, one.name); });
    if (function == std::end(kFunctions)) continue;
    Known known;
    known.id = format->id;
    known.step = function->step;
    known.direction = function->direction;
    known.request = decode::IntegerReader(format->find("request"));
    known.backend = decode::IntegerReader(format->find("backend"));
    known.offset = decode::IntegerReader(format->find("off"));
    known.bytes = decode::IntegerReader(format->find("bytes"));
    known.queue = decode::IntegerReader(format->find("queue"));
    if (!is_usable(known)) continue;
    recorded_ = recorded_ || known.step == Step::kEnter;
    known_.push_back(known);
  }
  std::sort(known_.begin(), known_.end(), [](const Known& a, const Known& b) { return a.id < b.id; });
}

/// A probe of the same function that somebody else set may have other fields.
bool QemuProbeEvents::is_usable(const Known& known) {
  switch (known.step) {
    case Step::kEnter:
      return known.request.known() && known.backend.known() &&
             (known.direction == IoDirection::kFlush || (known.offset.known() && known.bytes.known()));
    case Step::kPush:
      return known.request.known() && known.bytes.known() && known.queue.known();
    case Step::kNotify:
      return known.queue.known();
    case Step::kOther:
      break;
  }
  return false;
}

QemuProbeEvents::Seen QemuProbeEvents::read(const Known& known, decode::RecordBytes record) {
  const auto number = [&](const decode::IntegerReader& field) {
    return field.known() ? static_cast<std::uint64_t>(field.read(record, 0)) : 0;
  };
  Seen seen;
  seen.step = known.step;
  seen.direction = known.direction;
  seen.thread = decode::event_pid(record);
  seen.request = number(known.request);
  seen.backend = number(known.backend);
  seen.offset = number(known.offset);
  seen.bytes = number(known.bytes);
  seen.queue = number(known.queue);
  return seen;
}

}  // namespace ivtrace::model
