#include "exchange/job.h"

#include <algorithm>

namespace ivtrace::exchange {

merge::TimeRange span_of(const Job& job) {
  merge::TimeRange span = job.filter.range;
  span.from = std::max(span.from, job.run.manifest().start_tsc);
  std::uint64_t last = span.from.value;
  for (const clock::Anchor& anchor : job.run.anchors()) last = std::max(last, anchor.tsc.value);
  if (job.run.end()) last = std::max(last, job.run.end()->tsc.value);
  span.until = std::min(span.until, HostTsc(last));
  return span;
}

double share_of(const merge::TimeRange& span, HostTsc time) {
  if (time >= span.until) return 1;
  if (time <= span.from) return 0;
  return static_cast<double>(time.value - span.from.value) /
         static_cast<double>(span.until.value - span.from.value);
}

}  // namespace ivtrace::exchange
