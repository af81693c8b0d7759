#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/attach_view.h"

namespace ivtrace::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string line(const std::string& text) {
  std::string out;
  append_terminal_safe(out, text);
  return out + "\n";
}

std::string dump(const Json& document) {
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string attached_text(const std::string& guest, const attach::Attached& result) {
  const std::string ring = format_size(result.bytes) + " at " + result.path;
  return line(result.was_there ? guest + " has a ring already: " + ring
                               : guest + " has a ring now: " + ring + ", on " + result.bus) +
         line(result.agent_alive ? "ivtrace-agent serves it."
                                 : "No agent serves it yet: start ivtrace-agent as root in the guest.");
}

std::string attached_json(const std::string& guest, const attach::Attached& result) {
  return dump({{"guest", guest},
               {"path", result.path},
               {"bytes", result.bytes},
               {"bus", result.bus},
               {"was_there", result.was_there},
               {"agent_alive", result.agent_alive}});
}

std::string detached_text(const std::string& guest, const attach::Detached& result) {
  if (!result.had_ring) return line(guest + " has no ring: nothing to detach.");
  return line(guest + " has no ring any more; " +
              (result.agent_let_go ? "its agent let go of it first." : result.note + "."));
}

std::string detached_json(const std::string& guest, const attach::Detached& result) {
  return dump({{"guest", guest},
               {"had_ring", result.had_ring},
               {"agent_let_go", result.agent_let_go},
               {"note", result.note}});
}

}  // namespace ivtrace::cli
