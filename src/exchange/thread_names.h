// One name for each thread of a machine, for formats that have no more.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/units.h"
#include "decode/comm_source.h"
#include "decode/format_file.h"

namespace ivtrace::exchange {

/// The last name that a thread had, as far as the events tell, else what the run's list of tasks says. Events
/// come in any order. Borrows the formats. One thread.
class ThreadNames {
 public:
  ThreadNames(const decode::FormatTable& formats, std::string_view cmdlines);

  void look(std::uint16_t id, decode::RecordBytes record, HostTsc time) {
    if (id < sources_.size() && !sources_[id].empty()) learn(sources_[id], record, time);
  }
  /// "tid name" lines in rising tids, names safe for a terminal; without the idle thread.
  std::string text() const;

 private:
  struct Name {
    std::string comm;
    HostTsc since;
  };
  void learn(const std::vector<decode::CommSource>& sources, decode::RecordBytes record, HostTsc time);
  void set(std::int32_t thread, std::string_view comm, HostTsc time);

  std::vector<std::vector<decode::CommSource>> sources_;  ///< by the event's id
  std::unordered_map<std::int32_t, Name> names_;
};

}  // namespace ivtrace::exchange
