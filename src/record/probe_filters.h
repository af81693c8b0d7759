// Filters of events that dynamic probes give: they are named in full, and there is no such event until the
// probes are set.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "record/recorder.h"
#include "tracefs/events.h"

namespace ivtrace::record {

/// Whether that is the full name of an event that a probe which was asked for may give.
bool may_be_of_probe(const std::vector<ProbeRequest>& probes, const std::string& event);

/// kInvalid for a filter of events that only text tells (of SystemTap, of bpftrace, of marks): no kernel can
/// drop those.
Status refuse_text_filters(const tracefs::Filters& filters);

/// kInvalid for a filter of a probe that only the host could have, when the host has none of that name.
/// `host_events` are those of the probes that are set.
Status check_host_filters(const tracefs::Filters& of_probes, const std::vector<ProbeRequest>& probes,
                          const std::vector<std::string>& host_events);

/// One line for each filter whose event no machine has; `events` are those of all machines' probes.
std::vector<std::string> unmet_filters(const tracefs::Filters& of_probes,
                                       const std::vector<std::string>& events);

}  // namespace ivtrace::record
