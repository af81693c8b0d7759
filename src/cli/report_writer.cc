#include "cli/report_writer.h"

#include <algorithm>

#include "base/line_format.h"
#include "base/text.h"
#include "cli/text_table.h"

namespace ivtrace::cli {
namespace {

constexpr std::size_t kSecondsColumn = 6;
/// Bytes of an event of unknown format that are shown.
constexpr std::size_t kMaxRawBytes = 64;

void append_cpu(std::string& out, std::uint32_t cpu) {
  out += '[';
  if (cpu < 1000) {
    append_padded(out, cpu, 3);
  } else {
    append_number(out, cpu);
  }
  out += "] ";
}

void append_raw(std::string& out, decode::RecordBytes record) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const std::byte byte : record.first(std::min(record.size(), kMaxRawBytes))) {
    out += kDigits[std::to_integer<unsigned>(byte) >> 4];
    out += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
  if (record.size() > kMaxRawBytes) out += "...";
}

}  // namespace

ReportWriter::ReportWriter(Format format, const std::vector<std::unique_ptr<ReportMachine>>& machines,
                           const clock::HostClock& clock)
    : format_(format), machines_(machines), clock_(clock) {
  std::size_t width = 0;
  for (const auto& machine : machines) {
    if (machine != nullptr) width = std::max(width, machine->name().size());
  }
  for (const auto& machine : machines) {
    std::string text = machine != nullptr ? machine->name() : "";
    text.resize(width + 1, ' ');
    text_names_.push_back(std::move(text));
    std::string json = "\"machine\":";
    append_json_string(json, machine != nullptr ? machine->name() : "");
    json_names_.push_back(json + ",\"cpu\":");
  }
}

void ReportWriter::event(std::string& out, const merge::MergedEvent& event, const EventKind& kind) {
  format_ == Format::kText ? text_event(out, event, kind) : json_event(out, event, kind);
}

void ReportWriter::loss(std::string& out, const merge::MergedEvent& event) {
  format_ == Format::kText ? text_loss(out, event) : json_loss(out, event);
}

void ReportWriter::text_event(std::string& out, const merge::MergedEvent& event, const EventKind& kind) {
  ReportMachine& machine = *machines_[event.stream->machine];
  out += text_names_[event.stream->machine];
  out += !event.aligned ? '?' : event.source->doubt() != 0 ? '~' : ' ';
  out += machine.comms().label(decode::event_pid(event.record));
  out += ' ';
  append_cpu(out, event.stream->cpu.value);
  append_seconds(out, clock_.to_ns(event.time).value, kSecondsColumn);
  out += ": ";
  out += kind.text_name;
  if (kind.format != nullptr) {
    machine.printer().render(*kind.format, event.record, decode::TextMode::kTerminal, out);
  } else {
    append_raw(out, event.record);
  }
  out += '\n';
}

void ReportWriter::json_event(std::string& out, const merge::MergedEvent& event, const EventKind& kind) {
  ReportMachine& machine = *machines_[event.stream->machine];
  const std::int32_t pid = decode::event_pid(event.record);
  out += "{\"ts_ns\":";
  append_number(out, clock_.to_ns(event.time).value);
  out += ",\"tsc\":";
  append_number(out, event.time.value);
  out += ',';
  out += json_names_[event.stream->machine];
  append_number(out, event.stream->cpu.value);
  out += ",\"pid\":";
  append_number(out, pid);
  out += ",\"comm\":";
  append_json_string(out, machine.comms().comm(pid));
  out += ',';
  out += kind.json_name;
  if (kind.json) {
    kind.json->append_fields(out, event.record);
  } else {
    out += "{\"raw\":\"";
    append_raw(out, event.record);
    out += "\"}";
  }
  if (!event.aligned) out += ",\"aligned\":false";
  if (const std::uint64_t doubt = event.source->doubt(); doubt != 0) {
    out += ",\"uncertain_ns\":";
    append_number(out, clock_.ticks_to_ns(doubt).value);
  }
  out += "}\n";
}

void ReportWriter::text_loss(std::string& out, const merge::MergedEvent& event) {
  const merge::LossMarker& loss = *event.loss;
  out += text_names_[event.stream->machine];
  out += ' ';
  out.append(decode::CommTable::kLabelColumns, ' ');
  out += ' ';
  if (loss.cpu) {
    append_cpu(out, loss.cpu->value);
  } else {
    out += "[all] ";
  }
  append_seconds(out, clock_.to_ns(event.time).value, kSecondsColumn);
  out += ": LOST ";
  out += loss.events ? grouped(*loss.events) + " events" : "an unknown number of events";
  if (loss.bytes) out += ", " + grouped(*loss.bytes) + " bytes";
  out += " (";
  append_terminal_safe(out, loss.reason);
  out += ") since ";
  append_seconds(out, clock_.to_ns(loss.from).value, 0);
  out += '\n';
}

void ReportWriter::json_loss(std::string& out, const merge::MergedEvent& event) {
  const merge::LossMarker& loss = *event.loss;
  const auto append_optional = [&out](const char* key, const std::optional<std::uint64_t>& number) {
    out += key;
    if (number) {
      append_number(out, *number);
    } else {
      out += "null";
    }
  };
  out += "{\"ts_ns\":";
  append_number(out, clock_.to_ns(event.time).value);
  out += ",\"tsc\":";
  append_number(out, event.time.value);
  out += ',';
  out += json_names_[event.stream->machine];
  if (loss.cpu) {
    append_number(out, loss.cpu->value);
  } else {
    out += "null";
  }
  append_optional(",\"lost\":", loss.events);
  append_optional(",\"lost_bytes\":", loss.bytes);
  out += ",\"reason\":";
  append_json_string(out, loss.reason);
  out += ",\"since_ns\":";
  append_number(out, clock_.to_ns(loss.from).value);
  out += "}\n";
}

}  // namespace ivtrace::cli
