#include "agent/options.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace ivtrace::agent {
namespace {

constexpr const char* kAbout = "Records this guest's kernel into shared memory, for ivtrace on the host";

struct Flag {
  const char* name;
  const char* value;  // nullptr: takes none
  const char* help;
  bool Options::*set;
  std::string Options::*text;
};

constexpr Flag kFlags[] = {
    {"--foreground", nullptr, "stay in the foreground and say on standard error what happens",
     &Options::foreground, nullptr},
    {"--device", "ADDRESS", "use this ivshmem device (0000:00:04.0) instead of the first one", nullptr,
     &Options::device},
    {"--ring", "FILE", "use a plain file as shared memory (recorder and agent on one machine)", nullptr,
     &Options::ring_file},
    {"--cleanup", nullptr, "only remove what agents that were killed left behind", &Options::cleanup,
     nullptr},
    {"--version", nullptr, "print the version", &Options::version, nullptr},
    {"--help", nullptr, "print this", &Options::help, nullptr},
};

}  // namespace

Result<Options> parse_options(const std::vector<std::string>& arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    const std::size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const Flag* found = nullptr;
    for (const Flag& flag : kFlags) {
      if (name == flag.name) found = &flag;
    }
    if (found == nullptr) return Error(ErrorCode::kInvalid, "unknown argument " + argument, "try --help");
    if (found->set != nullptr) {
      if (equals != name.npos) return Error(ErrorCode::kInvalid, name + " takes no value", "try --help");
      options.*(found->set) = true;
      continue;
    }
    const bool given = equals != argument.npos || i + 1 < arguments.size();
    if (!given) return Error(ErrorCode::kInvalid, name + " needs a value", "try --help");
    options.*(found->text) = equals != argument.npos ? argument.substr(equals + 1) : arguments[++i];
  }
  if (!options.ring_file.empty() && !options.device.empty()) {
    return Error(ErrorCode::kInvalid, "--ring and --device exclude each other", "try --help");
  }
  return options;
}

std::string help_text() {
  std::string text = std::string(kAbout) + "\n\nusage: ivtrace-agent [options]\n\n";
  for (const Flag& flag : kFlags) {
    std::string left =
        std::string("  ") + flag.name + (flag.value != nullptr ? std::string(" ") + flag.value : "");
    left.resize(std::max<std::size_t>(left.size() + 2, 22), ' ');
    text += left + flag.help + "\n";
  }
  return text + "\nWithout --foreground it goes to the background and reports to the kernel log (dmesg).\n";
}

std::string declaration() {
  using Json = nlohmann::ordered_json;
  Json options = Json::array();
  for (const Flag& flag : kFlags) {
    options.push_back({{"names", {flag.name}},
                       {"value", flag.value != nullptr ? flag.value : ""},
                       {"help", flag.help},
                       {"required", false},
                       {"repeated", false}});
  }
  const Json declared = {{"name", "ivtrace-agent"},    {"about", kAbout},    {"footer", ""},
                         {"version", IVTRACE_VERSION}, {"options", options}, {"commands", Json::array()}};
  return declared.dump() + "\n";
}

}  // namespace ivtrace::agent
