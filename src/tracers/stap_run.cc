#include "tracers/stap_run.h"

#include <string_view>
#include <utility>

#include "base/text.h"
#include "tracers/quiet_run.h"

namespace ivtrace::tracers {
namespace {

/// What the tapset's and the script's lines mean. Events themselves do not come this way but through the
/// kernel's ring.
class StapModule : public Tracer {
 public:
  StapModule(std::uint32_t id, std::unique_ptr<Program> program) : Tracer(id, std::move(program)) {}

 protected:
  void understand(PrintedLine line) override {
    if (line.is_error) {
      if (const std::uint64_t skipped = skipped_probes_of(line.text); skipped != 0) add_lost(skipped);
      return complain(std::move(line));
    }
    const std::string_view text = line.text;
    if (text == kArmedLine) return arm();
    if (text.starts_with(kLostLine)) {
      if (const auto lost = parse_u64(text.substr(std::string_view(kLostLine).size()))) set_lost(*lost);
      return;
    }
    keep(std::move(line));
  }
};

Error no_staprun() {
  return Error(ErrorCode::kNotFound, "there is no staprun on this machine",
               "apt-get install systemtap-runtime there");
}

}  // namespace

std::uint64_t skipped_probes_of(std::string_view line) {
  constexpr std::string_view kSkipped = "skipped probes: ";
  const std::size_t at = line.find(kSkipped);
  if (!line.starts_with("WARNING: ") || at == line.npos) return 0;
  line.remove_prefix(at + kSkipped.size());
  const auto count = parse_u64(line.substr(0, line.find_first_not_of("0123456789")));
  return count ? *count : 0;
}

Result<std::unique_ptr<Tracer>> start_stap_module(const TracerSpec& spec) {
  const std::string staprun = find_program("staprun");
  if (staprun.empty()) return no_staprun();
  std::vector<std::string> arguments = {staprun};
  arguments.insert(arguments.end(), spec.arguments.begin(), spec.arguments.end());
  arguments.push_back(spec.file);
  IVT_ASSIGN_OR_RETURN(auto program, Program::start(arguments));
  return std::unique_ptr<Tracer>(std::make_unique<StapModule>(spec.id, std::move(program)));
}

}  // namespace ivtrace::tracers
