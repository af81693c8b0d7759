#include "mark/options.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace ivtrace::mark {
namespace {

constexpr const char* kAbout = "Marks the trace of this machine from scripts and by hand";

struct Flag {
  const char* name;
  const char* value;  // "" when it takes none
  const char* help;
};

constexpr Flag kFlags[] = {
    {"--begin", "TEXT", "begin a slice of that name"},
    {"--end", "", "end the slice that was begun last"},
    {"--counter", "TEXT VALUE", "say that a counter has this value from now on"},
    {"--run", "TEXT", "run the command behind -- as a slice of that name, and exit as it does"},
    {"--pid", "PID", "whose mark it is, instead of the calling shell's"},
    {"--quiet", "", "say nothing and exit with 0 when nothing records"},
    {"--version", "", "print the version"},
    {"--help", "", "print this"},
};

Error usage(std::string what) { return Error(ErrorCode::kInvalid, std::move(what), "try --help"); }

/// Walks over the arguments and keeps what they say.
class Parser {
 public:
  explicit Parser(const std::vector<std::string>& arguments) : arguments_(arguments) {}

  Result<Options> parse() {
    while (at_ < arguments_.size()) IVT_RETURN_IF_ERROR(take(arguments_[at_++]));
    if (!action_) return usage("a text to mark the trace with is missing");
    options_.action = *action_;
    if (*action_ == Action::kRun && options_.command.empty()) return usage("--run needs a command behind --");
    if (*action_ != Action::kRun && !options_.command.empty()) return usage("a command is for --run");
    return options_;
  }

 private:
  Status take(const std::string& argument) {
    if (argument == "--quiet") return options_.quiet = true, Status();
    if (argument == "--pid") return take_pid();
    if (argument == "--") return take_rest();
    if (argument == "--help") return act(Action::kHelp);
    if (argument == "--version") return act(Action::kVersion);
    if (argument == "--end") return act(Action::kEnd);
    if (argument == "--begin") return take_name(Action::kBegin, argument);
    if (argument == "--run") return take_name(Action::kRun, argument);
    if (argument == "--counter") return take_counter();
    if (argument == "-") return act(Action::kLines);
    if (argument.starts_with("-")) return usage("unknown argument " + argument);
    options_.name = argument;
    return act(Action::kInstant);
  }

  Status act(Action action) {
    if (action_ && *action_ != Action::kHelp) return usage("one mark at a time");
    action_ = action;
    return {};
  }

  Status take_name(Action action, const std::string& option) {
    if (at_ == arguments_.size()) return usage(option + " needs a name");
    options_.name = arguments_[at_++];
    return act(action);
  }

  Status take_counter() {
    IVT_RETURN_IF_ERROR(take_name(Action::kCounter, "--counter"));
    const auto value = at_ < arguments_.size() ? parse_i64(arguments_[at_++]) : parse_i64("");
    if (!value) return usage("--counter needs a name and a whole number");
    options_.value = *value;
    return {};
  }

  Status take_pid() {
    const auto pid = at_ < arguments_.size() ? parse_u64(arguments_[at_++]) : parse_u64("");
    if (!pid || *pid == 0 || *pid > INT32_MAX) return usage("--pid needs a process' number");
    options_.pid = static_cast<std::int32_t>(*pid);
    return {};
  }

  /// The command of --run, or a text that begins with a dash.
  Status take_rest() {
    if (action_ != Action::kRun && at_ + 1 == arguments_.size()) {
      options_.name = arguments_[at_++];
      return act(Action::kInstant);
    }
    options_.command.assign(arguments_.begin() + static_cast<std::ptrdiff_t>(at_), arguments_.end());
    at_ = arguments_.size();
    return {};
  }

  const std::vector<std::string>& arguments_;
  std::size_t at_ = 0;
  std::optional<Action> action_;
  Options options_;
};

}  // namespace

Result<Options> parse_options(const std::vector<std::string>& arguments) { return Parser(arguments).parse(); }

std::string help_text() {
  std::string text = std::string(kAbout) +
                     "\n\nusage: ivtrace-mark [options] TEXT\n"
                     "       ivtrace-mark [options] -          (each line of standard input)\n"
                     "       ivtrace-mark [options] --begin TEXT | --end | --counter TEXT VALUE\n"
                     "       ivtrace-mark [options] --run TEXT -- COMMAND...\n\n";
  for (const Flag& flag : kFlags) {
    std::string left =
        std::string("  ") + flag.name + (*flag.value != 0 ? std::string(" ") + flag.value : "");
    left.resize(std::max<std::size_t>(left.size() + 2, 25), ' ');
    text += left + flag.help + "\n";
  }
  return text + "\nExit status: 0 marked, 1 nothing records here, 2 usage; with --run the command's own.\n";
}

std::string declaration() {
  using Json = nlohmann::ordered_json;
  Json options = Json::array();
  for (const Flag& flag : kFlags) {
    options.push_back({{"names", {flag.name}},
                       {"value", flag.value},
                       {"help", flag.help},
                       {"required", false},
                       {"repeated", false}});
  }
  options.push_back({{"names", Json::array()},
                     {"value", "TEXT"},
                     {"help", "something that happened now; - for each line of standard input"},
                     {"required", false},
                     {"repeated", false}});
  const Json declared = {{"name", "ivtrace-mark"},     {"about", kAbout},    {"footer", ""},
                         {"version", IVTRACE_VERSION}, {"options", options}, {"takes_program", true},
                         {"commands", Json::array()}};
  return declared.dump() + "\n";
}

}  // namespace ivtrace::mark
