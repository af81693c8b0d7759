// The lines of a report, as text or as JSON.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/report_machine.h"
#include "clock/clock_map.h"
#include "merge/merger.h"

namespace ivtrace::cli {

/// Appends the line of each event and hole to a string. Borrows the machines, indexed as StreamInfo::machine
/// (entries may be null for machines that are not shown), and the clock. One thread.
class ReportWriter {
 public:
  enum class Format { kText, kJson };
  ReportWriter(Format format, const std::vector<std::unique_ptr<ReportMachine>>& machines,
               const clock::HostClock& clock);

  /// `kind` is the machine's of that event.
  void event(std::string& out, const merge::MergedEvent& event, const EventKind& kind);
  void loss(std::string& out, const merge::MergedEvent& event);

 private:
  void text_event(std::string& out, const merge::MergedEvent& event, const EventKind& kind);
  void json_event(std::string& out, const merge::MergedEvent& event, const EventKind& kind);
  void text_loss(std::string& out, const merge::MergedEvent& event);
  void json_loss(std::string& out, const merge::MergedEvent& event);

  Format format_;
  const std::vector<std::unique_ptr<ReportMachine>>& machines_;
  const clock::HostClock& clock_;
  std::vector<std::string> text_names_;  // padded to one width
  std::vector<std::string> json_names_;
};

}  // namespace ivtrace::cli
