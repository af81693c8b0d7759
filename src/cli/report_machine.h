// What a report knows of one machine while it walks its events: thread names so far, and how to show each
// event.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/record_json.h"
#include "decode/comm_source.h"
#include "decode/comm_table.h"
#include "decode/format_file.h"
#include "decode/print_event.h"

namespace ivtrace::cli {

/// How one event of one machine is shown; made at its first occurrence. Borrows the format.
struct EventKind {
  const decode::EventFormat* format = nullptr;  ///< null: the run has no format for it
  bool wanted = true;                           ///< passes --event
  std::string text_name;                        ///< "sched_switch: ", safe for a terminal
  std::string json_name;                        ///< "event":"sched_switch","system":"sched","fields":
  std::optional<RecordJson> json;
  std::vector<decode::CommSource> comms;
};

/// Does --event's pattern mean that event?
bool means_event(const std::string& glob, const decode::EventFormat& format);

/// One machine of a report. Borrows the format table. One thread.
class ReportMachine {
 public:
  /// `symbols` are the machine's; `event_globs` what --event asks for, empty means all.
  ReportMachine(std::string name, const decode::FormatTable* formats, decode::Symbols symbols,
                std::vector<std::string> event_globs);

  const std::string& name() const { return name_; }
  decode::CommTable& comms() { return comms_; }
  decode::EventPrinter& printer() { return printer_; }

  const EventKind& kind(std::uint16_t id) {
    if (id < kinds_.size() && kinds_[id] != nullptr) return *kinds_[id];
    return make_kind(id);
  }
  /// Learns the names that count from this event on, or from the next one on.
  void learn(const EventKind& kind, decode::RecordBytes record, bool afterwards) {
    decode::learn_comms(comms_, kind.comms, record, afterwards);
  }

 private:
  const EventKind& make_kind(std::uint16_t id);

  std::string name_;
  const decode::FormatTable* formats_;
  std::vector<std::string> event_globs_;
  decode::CommTable comms_;
  decode::EventPrinter printer_;
  std::vector<std::unique_ptr<EventKind>> kinds_;  // by id
};

}  // namespace ivtrace::cli
