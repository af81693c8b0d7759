#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/io_view.h"
#include "cli/text_table.h"

namespace ivtrace::cli {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t kLoadsShown = 4;
constexpr auto kRight = TextTable::Align::kRight;

std::string moment(std::int64_t ns) { return fmt::format("{:.6f}", static_cast<double>(ns) / 1e9); }
std::string percent(double share) { return fmt::format("{:.1f} %", share * 100); }

std::string load_text(const std::vector<IoLoadView>& load) {
  std::string text;
  for (std::size_t i = 0; i < std::min(load.size(), kLoadsShown); ++i) {
    const std::string who = load[i].task.empty() ? load[i].owner : load[i].owner + ": " + load[i].task;
    text +=
        fmt::format("{}{} ({}) {}", i == 0 ? "" : ", ", who, load[i].direction, percent(load[i].bytes_share));
  }
  if (load.size() > kLoadsShown) text += fmt::format(", {} more", load.size() - kLoadsShown);
  return text;
}

std::string tie_text(const IoTieView& tie) {
  if (tie.tie == "address") return fmt::format("{} tied to the host's by address", grouped(tie.count));
  if (tie.tie == "order") return fmt::format("{} tied by QEMU's system call", grouped(tie.count));
  if (tie.tie == "qemu") return fmt::format("{} tied to QEMU's requests by its probes", grouped(tie.count));
  if (tie.tie == "no-host-io") return fmt::format("{} served without host I/O", grouped(tie.count));
  if (tie.tie == "lost") return fmt::format("{} while host events were lost", grouped(tie.count));
  return fmt::format("{} untied", grouped(tie.count));
}

void append_line(std::string& out, std::string_view indent, const std::string& text) {
  out += indent;
  append_terminal_safe(out, text);
  out += '\n';
}

void append_group(std::string& out, const IoGroupView& group) {
  append_line(
      out, "",
      fmt::format("{} {} {}: {} {}s, {}; mean {}, p50 {}, p99 {}, max {} at {}", group.machine, group.device,
                  group.image.empty() ? "(disk not known)" : group.image, grouped(group.count),
                  group.direction, format_size(group.bytes), format_duration(group.mean_ns),
                  format_duration(group.p50_ns), format_duration(group.p99_ns), format_duration(group.max_ns),
                  moment(group.longest_at_ns)));
  std::string ties;
  for (const IoTieView& tie : group.ties) ties += (ties.empty() ? "" : ", ") + tie_text(tie);
  append_line(out, "  ", ties + "; " + percent(group.unattributed_share) + " of the time unattributed");
  TextTable table({{"PHASE"},
                   {"SHARE", kRight},
                   {"MEAN", kRight},
                   {"P99", kRight},
                   {"MAX", kRight},
                   {"AT (s)", kRight},
                   {"REQUESTS", kRight}});
  for (const IoPhaseView& phase : group.phases) {
    table.add_row({phase.phase, percent(phase.share), format_duration(phase.mean_ns),
                   format_duration(phase.p99_ns), format_duration(phase.max_ns), moment(phase.longest_at_ns),
                   grouped(phase.count)});
  }
  table.append_to(out, "  ");
  if (!group.load.empty())
    append_line(out, "  ", "in flight on the host's device meanwhile, by bytes: " + load_text(group.load));
}

void append_request(std::string& out, const IoRequestView& request) {
  append_line(out, "  ",
              fmt::format("{} {} {} of {} bytes at sector {} on {} by {}-{}: {}", moment(request.at_ns),
                          request.machine, request.direction, request.bytes, request.sector, request.device,
                          request.comm, request.tid, format_duration(request.took_ns)));
  for (const IoStepView& step : request.steps) {
    append_line(out, "    ",
                fmt::format("+{:<10} {:<17} {:>10}", format_duration(step.from_ns), step.phase,
                            format_duration(step.took_ns)));
  }
  if (request.host_requests > 0) {
    append_line(out, "    ",
                fmt::format("tie: {}; as {} on {} by thread {}; in flight there meanwhile: {}", request.tie,
                            request.host_requests == 1 ? "one request"
                                                       : fmt::format("{} requests", request.host_requests),
                            request.host_device, request.host_thread, load_text(request.load)));
  } else {
    append_line(out, "    ", "tie: " + request.tie);
  }
}

Json load_json(const std::vector<IoLoadView>& load) {
  Json list = Json::array();
  for (const IoLoadView& one : load) {
    list.push_back({{"owner", one.owner},
                    {"task", one.task},
                    {"direction", one.direction},
                    {"bytes_share", one.bytes_share},
                    {"requests_share", one.requests_share}});
  }
  return list;
}

Json group_json(const IoGroupView& group) {
  Json ties = Json::object();
  for (const IoTieView& tie : group.ties) ties[tie.tie] = tie.count;
  Json phases = Json::array();
  for (const IoPhaseView& phase : group.phases) {
    phases.push_back({{"phase", phase.phase},
                      {"requests", phase.count},
                      {"total_ns", phase.total_ns},
                      {"share", phase.share},
                      {"mean_ns", phase.mean_ns},
                      {"p99_ns", phase.p99_ns},
                      {"max_ns", phase.max_ns},
                      {"longest_at_ns", phase.longest_at_ns}});
  }
  return {{"machine", group.machine},
          {"device", group.device},
          {"disk", group.disk},
          {"image", group.image},
          {"direction", group.direction},
          {"requests", group.count},
          {"bytes", group.bytes},
          {"mean_ns", group.mean_ns},
          {"p50_ns", group.p50_ns},
          {"p99_ns", group.p99_ns},
          {"max_ns", group.max_ns},
          {"longest_at_ns", group.longest_at_ns},
          {"unattributed_share", group.unattributed_share},
          {"ties", std::move(ties)},
          {"phases", std::move(phases)},
          {"load", load_json(group.load)}};
}

Json request_json(const IoRequestView& request) {
  Json steps = Json::array();
  for (const IoStepView& step : request.steps) {
    steps.push_back({{"phase", step.phase}, {"from_ns", step.from_ns}, {"took_ns", step.took_ns}});
  }
  return {{"machine", request.machine},
          {"device", request.device},
          {"direction", request.direction},
          {"sector", request.sector},
          {"bytes", request.bytes},
          {"tid", request.tid},
          {"comm", request.comm},
          {"at_ns", request.at_ns},
          {"took_ns", request.took_ns},
          {"tie", request.tie},
          {"host_device", request.host_device},
          {"host_requests", request.host_requests},
          {"host_thread", request.host_thread},
          {"steps", std::move(steps)},
          {"load", load_json(request.load)}};
}

}  // namespace

std::string io_text(const IoView& io) {
  std::string out;
  for (const IoGroupView& group : io.groups) {
    if (!out.empty()) out += '\n';
    append_group(out, group);
  }
  if (io.groups.empty()) out += "No disk request of a guest completed.\n";
  if (io.unfinished > 0) append_line(out, "", fmt::format("{} requests did not complete", io.unfinished));
  if (!io.slowest.empty()) out += "\nThe slowest:\n";
  for (const IoRequestView& request : io.slowest) append_request(out, request);
  return out;
}

std::string io_json(const IoView& io) {
  Json groups = Json::array();
  for (const IoGroupView& group : io.groups) groups.push_back(group_json(group));
  Json slowest = Json::array();
  for (const IoRequestView& request : io.slowest) slowest.push_back(request_json(request));
  const Json document = {
      {"groups", std::move(groups)}, {"slowest", std::move(slowest)}, {"unfinished", io.unfinished}};
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace ivtrace::cli
