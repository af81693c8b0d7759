#include "cli/tracers_view.h"

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/text_table.h"

namespace ivtrace::cli {
namespace {

std::string output_path(const run::TracerRecord& tracer, const std::string& run) {
  return tracer.output.empty() ? "" : run + "/" + tracer.machine + "/" + tracer.output;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : " ") + name;
  return text;
}

void append_line(std::string& out, const std::string& text) {
  append_terminal_safe(out, text);
  out += '\n';
}

}  // namespace

std::vector<run::TracerRecord> tracers_in(const run::RunReader& run) {
  std::vector<run::TracerRecord> all;
  for (const run::Machine& machine : run.machines())
    all.insert(all.end(), machine.tracers.begin(), machine.tracers.end());
  return all;
}

std::string tracers_text(const std::vector<run::TracerRecord>& tracers, const std::string& run) {
  if (tracers.empty()) return {};
  constexpr auto kRight = TextTable::Align::kRight;
  TextTable table(
      {{"TRACER"}, {"MACHINE"}, {"STATE"}, {"LINES", kRight}, {"LOST", kRight}, {"SET BY"}, {"GIVES"}});
  for (const run::TracerRecord& tracer : tracers) {
    table.add_row({tracer.kind, tracer.machine, tracer.state, std::to_string(tracer.lines),
                   std::to_string(tracer.lost), tracer.source, joined(tracer.events)});
  }
  std::string out = "\n";
  table.append_to(out);
  for (const run::TracerRecord& tracer : tracers) {
    const std::string name = tracer.machine + ": " + tracer.kind + " " + tracer.name;
    if (!tracer.detail.empty()) {
      append_line(out, name + ": " + tracer.detail + (tracer.hint.empty() ? "" : " (" + tracer.hint + ")"));
    }
    if (!tracer.output.empty())
      append_line(out, name + ": its last output is in " + output_path(tracer, run));
  }
  return out;
}

nlohmann::ordered_json tracers_json(const std::vector<run::TracerRecord>& tracers, const std::string& run) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const run::TracerRecord& tracer : tracers) {
    list.push_back({{"machine", tracer.machine},
                    {"kind", tracer.kind},
                    {"name", tracer.name},
                    {"source", tracer.source},
                    {"state", tracer.state},
                    {"detail", tracer.detail},
                    {"hint", tracer.hint},
                    {"events", tracer.events},
                    {"lines", tracer.lines},
                    {"lost", tracer.lost},
                    {"output", output_path(tracer, run)}});
  }
  return list;
}

}  // namespace ivtrace::cli
