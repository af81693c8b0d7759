#include "tracers/stap_run.h"

#include <string_view>
#include <utility>

#include "base/text.h"

namespace ivtrace::tracers {
namespace {

/// What the tapset's and the script's lines mean. Events themselves do not come this way but through the
/// kernel's ring.
class StapModule : public Tracer {
 public:
  StapModule(std::uint32_t id, std::unique_ptr<Program> program) : Tracer(id, std::move(program)) {}

 protected:
  void understand(PrintedLine line) override {
    if (line.is_error) return complain(std::move(line.text));
    const std::string_view text = line.text;
    if (text == kArmedLine) return arm();
    if (text.starts_with(kLostLine)) {
      if (const auto lost = parse_u64(text.substr(std::string_view(kLostLine).size()))) set_lost(*lost);
      return;
    }
    keep(std::move(line));
  }
};

}  // namespace

Result<std::unique_ptr<Tracer>> start_stap_module(const TracerSpec& spec) {
  std::vector<std::string> arguments = {"staprun"};
  arguments.insert(arguments.end(), spec.arguments.begin(), spec.arguments.end());
  arguments.push_back(spec.file);
  auto program = Program::start(arguments);
  if (!program && program.error().code == ErrorCode::kNotFound) {
    return Error(ErrorCode::kNotFound, "there is no staprun on this machine",
                 "apt-get install systemtap-runtime there");
  }
  if (!program) return std::move(program).error();
  return std::unique_ptr<Tracer>(std::make_unique<StapModule>(spec.id, *std::move(program)));
}

}  // namespace ivtrace::tracers
