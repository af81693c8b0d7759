#include "model/block_events.h"

#include <algorithm>
#include <cstring>

namespace ivtrace::model {

const char* to_string(IoDirection direction) {
  switch (direction) {
    case IoDirection::kRead:
      return "read";
    case IoDirection::kWrite:
      return "write";
    case IoDirection::kFlush:
      return "flush";
    case IoDirection::kDiscard:
      return "discard";
    case IoDirection::kOther:
      return "other";
  }
  return "?";
}

IoDirection direction_of(std::string_view rwbs) {
  // A leading F asks for a flush before: "FW" is a write, a lone "F" or "FF" a flush.
  std::size_t at = 0;
  while (at < rwbs.size() && rwbs[at] == 'F') ++at;
  if (at == rwbs.size()) return at == 0 ? IoDirection::kOther : IoDirection::kFlush;
  switch (rwbs[at]) {
    case 'R':
      return IoDirection::kRead;
    case 'W':
      return IoDirection::kWrite;
    case 'D':
      return IoDirection::kDiscard;
    default:
      return at > 0 ? IoDirection::kFlush : IoDirection::kOther;
  }
}

BlockEvents::BlockEvents(const decode::FormatTable* formats) {
  if (formats == nullptr) return;
  const struct {
    const char* name;
    Step step;
  } kEvents[] = {{"block_rq_issue", Step::kIssue},     {"block_rq_complete", Step::kComplete},
                 {"block_bio_queue", Step::kQueue},    {"block_rq_insert", Step::kInsert},
                 {"block_rq_requeue", Step::kRequeue}, {"block_bio_remap", Step::kRemap}};
  for (std::size_t i = 0; i < known_.size(); ++i) {
    const decode::EventFormat* format = formats->find("block", kEvents[i].name);
    if (format == nullptr) continue;
    Known& known = known_[i];
    known.id = format->id;
    known.step = kEvents[i].step;
    known.device = decode::IntegerReader(format->find("dev"));
    known.sector = decode::IntegerReader(format->find("sector"));
    known.count = decode::IntegerReader(format->find("nr_sector"));
    known.rwbs = format->find("rwbs");
    known.comm = format->find("comm");
    known.old_device = decode::IntegerReader(format->find("old_dev"));
    known.old_sector = decode::IntegerReader(format->find("old_sector"));
    known.usable = known.device.known() && known.sector.known() && known.count.known() &&
                   known.rwbs != nullptr &&
                   (known.step != Step::kRemap || (known.old_device.known() && known.old_sector.known()));
  }
}

bool BlockEvents::recorded() const { return known_[0].usable && known_[1].usable; }

BlockEvents::Seen BlockEvents::read(const Known& known, decode::RecordBytes record) {
  Seen seen;
  seen.step = known.step;
  seen.range = {static_cast<std::uint32_t>(known.device.read(record, 0)),
                static_cast<std::uint64_t>(known.sector.read(record, 0)),
                static_cast<std::uint32_t>(known.count.read(record, 0))};
  if (known.step == Step::kRemap) {
    seen.above = {static_cast<std::uint32_t>(known.old_device.read(record, 0)),
                  static_cast<std::uint64_t>(known.old_sector.read(record, 0)), seen.range.count};
  }
  seen.direction = direction_of(decode::read_string(record, *known.rwbs).value_or(""));
  seen.task.tid = decode::event_pid(record);
  if (known.comm != nullptr) {
    const std::string_view comm = decode::read_string(record, *known.comm).value_or("");
    std::memcpy(seen.task.comm.data(), comm.data(), std::min(comm.size(), seen.task.comm.size()));
  }
  return seen;
}

}  // namespace ivtrace::model
