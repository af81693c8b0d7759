#include "clock/wall_time.h"

#include <time.h>

#include <cctype>
#include <cstdio>

namespace ivtrace::clock {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

/// Takes the text apart from its front.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  bool at_end() const { return text_.empty(); }
  bool take(char wanted) {
    if (text_.empty() || text_.front() != wanted) return false;
    text_.remove_prefix(1);
    return true;
  }
  /// Exactly `digits` digits; -1 when there are not so many.
  int number(std::size_t digits) {
    if (text_.size() < digits) return -1;
    int value = 0;
    for (const char c : text_.substr(0, digits)) {
      if (std::isdigit(static_cast<unsigned char>(c)) == 0) return -1;
      value = value * 10 + (c - '0');
    }
    text_.remove_prefix(digits);
    return value;
  }
  /// One to nine digits behind the point, as nanoseconds; -1 when there are none or more.
  std::int64_t fraction() {
    std::int64_t value = 0;
    int digits = 0;
    while (!text_.empty() && std::isdigit(static_cast<unsigned char>(text_.front())) != 0) {
      if (++digits > 9) return -1;
      value = value * 10 + (text_.front() - '0');
      text_.remove_prefix(1);
    }
    if (digits == 0) return -1;
    for (; digits < 9; ++digits) value *= 10;
    return value;
  }

 private:
  std::string_view text_;
};

Error bad(std::string_view text) {
  return Error(ErrorCode::kInvalid, "not a time: " + std::string(text.substr(0, 64)),
               "write it as 2026-01-31T09:04:05.123Z");
}

}  // namespace

Result<Nanoseconds> parse_wall_time(std::string_view text) {
  Cursor in(text);
  tm date{};
  const int year = in.number(4);
  if (year < 1970 || year > 2200 || !in.take('-')) return bad(text);
  const int month = in.number(2);
  if (month < 1 || month > 12 || !in.take('-')) return bad(text);
  date.tm_mday = in.number(2);
  if (date.tm_mday < 1 || date.tm_mday > 31 || (!in.take('T') && !in.take(' '))) return bad(text);
  date.tm_hour = in.number(2);
  if (date.tm_hour < 0 || date.tm_hour > 23 || !in.take(':')) return bad(text);
  date.tm_min = in.number(2);
  if (date.tm_min < 0 || date.tm_min > 59 || !in.take(':')) return bad(text);
  date.tm_sec = in.number(2);
  if (date.tm_sec < 0 || date.tm_sec > 59) return bad(text);
  std::int64_t fraction = 0;
  if (in.take('.')) fraction = in.fraction();
  if (fraction < 0) return bad(text);
  std::int64_t zone = 0;
  if (!in.take('Z') && !in.at_end()) {
    const int sign = in.take('+') ? 1 : in.take('-') ? -1 : 0;
    const int hours = in.number(2);
    const bool has_colon = in.take(':');
    const int minutes = in.at_end() && !has_colon ? 0 : in.number(2);
    if (sign == 0 || hours < 0 || hours > 14 || minutes < 0 || minutes > 59) return bad(text);
    zone = sign * (hours * 3600 + minutes * 60);
  }
  if (!in.at_end()) return bad(text);
  date.tm_year = year - 1900;
  date.tm_mon = month - 1;
  const std::int64_t seconds = timegm(&date);
  if (date.tm_mon != month - 1) return bad(text);  // the 31st of a month that has 30
  return Nanoseconds((seconds - zone) * kSecond + fraction);
}

std::string format_wall_time(Nanoseconds since_epoch) {
  std::int64_t seconds = since_epoch.value / kSecond;
  std::int64_t fraction = since_epoch.value % kSecond;
  if (fraction < 0) {
    fraction += kSecond;
    --seconds;
  }
  const time_t when = seconds;
  tm date{};
  gmtime_r(&when, &date);
  char text[96];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%09lldZ", date.tm_year + 1900,
                date.tm_mon + 1, date.tm_mday, date.tm_hour, date.tm_min, date.tm_sec,
                static_cast<long long>(fraction));
  return text;
}

}  // namespace ivtrace::clock
