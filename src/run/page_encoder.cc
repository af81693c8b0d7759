#include "run/page_encoder.h"

#include "base/append_value.h"
#include "base/check.h"

namespace ivtrace::run {

void append_page(std::string& out, std::size_t page_size, std::uint64_t timestamp,
                 std::span<const std::byte> events, const Missed& missed) {
  std::size_t used = format::kSubBufferHeader + events.size();
  IVT_CHECK(used <= page_size && events.size() <= format::kCommitMask);
  const bool stored = missed.any && missed.count && used + sizeof(std::uint64_t) <= page_size;
  append_value(out, timestamp);
  append_value<std::uint64_t>(
      out, events.size() | (missed.any ? format::kMissedEvents : 0) | (stored ? format::kMissedStored : 0));
  out.append(reinterpret_cast<const char*>(events.data()), events.size());
  if (stored) {
    append_value<std::uint64_t>(out, *missed.count);
    used += sizeof(std::uint64_t);
  }
  out.append(page_size - used, '\0');
}

bool PageEncoder::add(std::uint64_t time, std::span<const std::byte> record) {
  if (size_of(0, record) > capacity_) return false;
  if (events_.empty()) first_ = last_ = time;
  const std::uint64_t delta = time - last_;
  IVT_CHECK(fits(time, record));
  last_ = time;
  auto short_delta = static_cast<std::uint32_t>(delta);
  if (delta >> format::kDeltaShift != 0) {
    word(format::kTypeTimeExtend | static_cast<std::uint32_t>(delta << 5));
    word(static_cast<std::uint32_t>(delta >> format::kDeltaShift));
    short_delta = 0;
  }
  const bool short_record = !record.empty() && record.size() <= 4 * format::kTypeLenData;
  if (short_record) {
    word(static_cast<std::uint32_t>(record.size() / 4) | short_delta << 5);
  } else {
    word(short_delta << 5);
    word(static_cast<std::uint32_t>(record.size()) + 4);
  }
  events_.append(reinterpret_cast<const char*>(record.data()), record.size());
  return true;
}

}  // namespace ivtrace::run
