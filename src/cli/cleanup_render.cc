#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/cleanup_view.h"

namespace ivtrace::cli {
namespace {

void append_line(std::string& out, const std::string& text) {
  append_terminal_safe(out, text);
  out += '\n';
}

}  // namespace

std::string cleanup_text(const record::CleanupReport& report) {
  std::string out;
  for (const record::CleanupReport::Salvaged& saved : report.salvaged) {
    append_line(out, fmt::format("salvaged {} of recorder {} into {}", format_size(saved.bytes), saved.pid,
                                 saved.run));
  }
  for (const std::string& instance : report.removed_instances)
    append_line(out, "removed tracing instance " + instance);
  for (const std::string& probe : report.removed_probes) append_line(out, "removed probe " + probe);
  for (const std::string& ring : report.removed_rings) append_line(out, "removed ring file " + ring);
  for (const std::string& problem : report.problems) append_line(out, "problem: " + problem);
  if (report.running_pid != 0) {
    append_line(out, fmt::format("recorder {} is alive and was left alone", report.running_pid));
  }
  if (report.nothing()) out += "Nothing was left behind.\n";
  return out;
}

std::string cleanup_json(const record::CleanupReport& report) {
  using Json = nlohmann::ordered_json;
  Json salvaged = Json::array();
  for (const record::CleanupReport::Salvaged& saved : report.salvaged) {
    salvaged.push_back({{"run", saved.run}, {"pid", saved.pid}, {"bytes", saved.bytes}});
  }
  const Json document = {{"salvaged", std::move(salvaged)},
                         {"removed_instances", report.removed_instances},
                         {"removed_probes", report.removed_probes},
                         {"removed_rings", report.removed_rings},
                         {"problems", report.problems},
                         {"running_pid", report.running_pid}};
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace ivtrace::cli
