// Where events tell the names of threads.
#pragma once

#include <vector>

#include "decode/comm_table.h"
#include "decode/field.h"

namespace ivtrace::decode {

/// A pair of fields: a thread's number and its name. Borrows the format.
struct CommSource {
  const Field* pid = nullptr;
  const Field* comm = nullptr;
  bool afterwards = false;  ///< the name counts from the next event on (a rename)
};

/// Those of an event; mostly none. Sources: include/trace/events/sched.h, task.h and block.h.
std::vector<CommSource> comm_sources(const EventFormat& format);

/// Learns the names that count from this record on, or from the next one on.
void learn_comms(CommTable& comms, const std::vector<CommSource>& sources, RecordBytes record,
                 bool afterwards);

}  // namespace ivtrace::decode
