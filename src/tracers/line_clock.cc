#include "tracers/line_clock.h"

#include <algorithm>
#include <charconv>

#include "clock/anchors.h"

namespace ivtrace::tracers {
namespace {

constexpr std::int64_t kInterval = 100'000'000;
constexpr std::size_t kPairs = 100;  // 10 s: bpftrace hands its lines over at once
/// A pair takes some microseconds to make: a line's time may lie just behind the last one.
constexpr int kTries = 4;

}  // namespace

std::optional<std::uint64_t> leading_nanoseconds(std::string_view line) {
  if (line.starts_with('[')) line.remove_prefix(1);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (error != std::errc() || end == line.data()) return std::nullopt;
  const char after = end == line.data() + line.size() ? ' ' : *end;
  const bool part_of_more = after == '.' || after == '_' || (after >= '0' && after <= '9') ||
                            (after >= 'a' && after <= 'z') || (after >= 'A' && after <= 'Z');
  if (part_of_more) return std::nullopt;
  return value;
}

LineClock::LineClock() {
  tick();
  first_ = pairs_.front().monotonic;
}

void LineClock::tick() {
  const clock::Anchor anchor = clock::sample_anchor(kTries);
  if (!pairs_.empty() && anchor.monotonic.value - pairs_.back().monotonic < kInterval) return;
  add({anchor.monotonic.value, anchor.tsc.value});
}

void LineClock::add(Pair pair) {
  pairs_.push_back(pair);
  if (pairs_.size() > kPairs) pairs_.pop_front();
}

std::optional<std::uint64_t> LineClock::tsc_at(std::uint64_t nanoseconds) {
  if (nanoseconds > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  const auto monotonic = static_cast<std::int64_t>(nanoseconds);
  if (monotonic < first_) return std::nullopt;
  const clock::Anchor now = clock::sample_anchor(kTries);
  if (monotonic > now.monotonic.value) return std::nullopt;
  // The rate comes of a span that is long against the pairs' own error.
  if (now.monotonic.value - pairs_.back().monotonic >= kInterval) {
    add({now.monotonic.value, now.tsc.value});
  } else if (pairs_.size() == 1) {
    pairs_.push_back({now.monotonic.value, now.tsc.value});
    const std::optional<std::uint64_t> tsc = between(monotonic);
    pairs_.pop_back();
    return tsc;
  }
  return between(monotonic);
}

std::optional<std::uint64_t> LineClock::between(std::int64_t monotonic) const {
  auto right = std::lower_bound(pairs_.begin(), pairs_.end(), monotonic,
                                [](const Pair& pair, std::int64_t time) { return pair.monotonic < time; });
  right = std::clamp(right, pairs_.begin() + 1, pairs_.end() - 1);
  const Pair& from = *(right - 1);
  const std::int64_t span = right->monotonic - from.monotonic;
  if (span <= 0) return from.tsc;
  const auto ticks = static_cast<__int128>(right->tsc - from.tsc);
  return from.tsc + static_cast<std::uint64_t>(ticks * (monotonic - from.monotonic) / span);
}

}  // namespace ivtrace::tracers
