#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/checks_view.h"

namespace ivtrace::cli {

bool nothing_missing(const std::vector<CheckedMachine>& machines) {
  return std::all_of(machines.begin(), machines.end(), [](const CheckedMachine& machine) {
    return std::none_of(machine.checks.begin(), machine.checks.end(),
                        [](const format::Check& check) { return check.state == "missing"; });
  });
}

std::string checks_text(const std::vector<CheckedMachine>& machines) {
  std::string out;
  for (const CheckedMachine& machine : machines) {
    std::size_t width = 0;
    for (const format::Check& check : machine.checks) width = std::max(width, check.name.size());
    append_terminal_safe(out, machine.name);
    out += '\n';
    for (const format::Check& check : machine.checks) {
      std::string name = check.name;
      name.resize(width, ' ');
      const char* const mark = check.state == "ok"        ? "ok     "
                               : check.state == "warning" ? "warning"
                                                          : "MISSING";
      out += std::string("  ") + mark + "  ";
      append_terminal_safe(out, check.detail.empty() ? check.name : name + "  " + check.detail);
      out += '\n';
      if (check.state != "ok" && !check.hint.empty()) {
        out += "           " + std::string(width, ' ') + "-> ";
        append_terminal_safe(out, check.hint);
        out += '\n';
      }
    }
  }
  return out;
}

std::string checks_json(const std::vector<CheckedMachine>& machines) {
  using Json = nlohmann::ordered_json;
  Json list = Json::array();
  for (const CheckedMachine& machine : machines) {
    Json checks = Json::array();
    for (const format::Check& check : machine.checks) {
      checks.push_back(
          {{"name", check.name}, {"state", check.state}, {"detail", check.detail}, {"hint", check.hint}});
    }
    list.push_back({{"name", machine.name}, {"checks", std::move(checks)}});
  }
  return Json{{"ok", nothing_missing(machines)}, {"machines", std::move(list)}}.dump(
             -1, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

}  // namespace ivtrace::cli
