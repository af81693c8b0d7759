#include "format/disk_limits.h"

#include <algorithm>

#include "base/text.h"

namespace ivtrace::format {
namespace {

/// Is one of the limits that hold one of its own?
bool counts(const DiskLimits& one, const DiskLimits& held) {
  return std::ranges::any_of(kLimitFields,
                             [&](auto field) { return one.*field != 0 && one.*field == held.*field; });
}

void append_part(std::string& text, const std::string& part) {
  if (part.empty()) return;
  text += (text.empty() ? "" : ", ") + part;
}

}  // namespace

bool DiskLimits::any() const {
  return std::ranges::any_of(kLimitFields, [this](auto field) { return this->*field != 0; });
}

DiskLimits tightest(const DiskLimits& a, const DiskLimits& b) {
  DiskLimits held;
  for (const auto field : kLimitFields)
    held.*field =
        a.*field == 0 || b.*field == 0 ? std::max(a.*field, b.*field) : std::min(a.*field, b.*field);
  if (counts(a, held)) held.by = a.by;
  if (counts(b, held) && b.by != held.by) append_part(held.by, b.by);
  return held;
}

std::string limits_text(const DiskLimits& limits) {
  if (!limits.any()) return {};
  std::string text;
  const auto requests = [&](std::uint64_t limit, const char* of) {
    if (limit != 0) append_part(text, std::to_string(limit) + " " + of + "/s");
  };
  const auto bytes = [&](std::uint64_t limit, const char* of) {
    if (limit != 0) append_part(text, format_size(limit) + "/s" + of);
  };
  requests(limits.iops, "requests");
  requests(limits.iops_read, "reads");
  requests(limits.iops_write, "writes");
  bytes(limits.bps, "");
  bytes(limits.bps_read, " of reads");
  bytes(limits.bps_write, " of writes");
  return text + " (" + limits.by + ")";
}

}  // namespace ivtrace::format
