#include "cli/declaration.h"

#include <CLI/App.hpp>
#include <nlohmann/json.hpp>

namespace ivtrace::cli {
namespace {

using Json = nlohmann::ordered_json;

Json option_json(const CLI::Option& option) {
  Json names = Json::array();
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  const bool takes_value = option.get_items_expected_max() > 0;
  const bool repeated = option.get_expected_max() > 1;
  return {{"names", names},
          {"value", takes_value ? option.get_type_name() : ""},
          {"help", option.get_description()},
          {"required", option.get_required()},
          {"repeated", repeated}};
}

Json app_json(const CLI::App& app) {
  Json options = Json::array();
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_group().empty()) options.push_back(option_json(*option));
  }
  return {{"name", app.get_name()},
          {"about", app.get_description()},
          {"footer", app.get_footer()},
          {"options", options}};
}

}  // namespace

std::string declaration_json(const CLI::App& app, const std::string& takes_program) {
  Json declared = app_json(app);
  declared["version"] = IVTRACE_VERSION;
  declared["commands"] = Json::array();
  for (const CLI::App* command : app.get_subcommands({})) {
    Json one = app_json(*command);
    one["takes_program"] = command->get_name() == takes_program;
    declared["commands"].push_back(std::move(one));
  }
  return declared.dump() + "\n";
}

}  // namespace ivtrace::cli
