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

Json undeployed_object(const attach::Undeployed& result) {
  return {{"was_there", result.was_there}, {"directory", result.directory}};
}

std::string served_line(const attach::Attached& result, const MaybeDeployed& deployed) {
  if (deployed && !deployed->was_there) {
    return "ivtrace-agent serves it: " + format_size(deployed->bytes) + ", copied to " + deployed->directory +
           " in the guest.";
  }
  if (deployed) return "ivtrace-agent serves it already: none was deployed.";
  return result.agent_alive
             ? "ivtrace-agent serves it."
             : "No agent serves it yet: start ivtrace-agent as root in the guest, or bring it in "
               "with --deploy.";
}

}  // namespace

std::string attached_text(const std::string& guest, const attach::Attached& result,
                          const MaybeDeployed& deployed) {
  const std::string ring = format_size(result.bytes) + " at " + result.path;
  return line(result.was_there ? guest + " has a ring already: " + ring
                               : guest + " has a ring now: " + ring + ", on " + result.bus) +
         line(served_line(result, deployed));
}

std::string attached_json(const std::string& guest, const attach::Attached& result,
                          const MaybeDeployed& deployed) {
  Json document = {{"guest", guest},    {"path", result.path},           {"bytes", result.bytes},
                   {"bus", result.bus}, {"was_there", result.was_there}, {"agent_alive", result.agent_alive}};
  if (deployed) {
    document["deployed"] = {{"was_there", deployed->was_there},
                            {"directory", deployed->directory},
                            {"bytes", deployed->bytes},
                            {"process", deployed->process}};
  }
  return dump(document);
}

std::string detached_text(const std::string& guest, const attach::Detached& result,
                          const MaybeUndeployed& undeployed) {
  const std::string ring =
      !result.had_ring ? line(guest + " has no ring: nothing to detach.")
                       : line(guest + " has no ring any more; " +
                              (result.agent_let_go ? "its agent let go of it first." : result.note + "."));
  return ring + (undeployed ? undeployed_text(guest, *undeployed) : "");
}

std::string detached_json(const std::string& guest, const attach::Detached& result,
                          const MaybeUndeployed& undeployed) {
  Json document = {{"guest", guest},
                   {"had_ring", result.had_ring},
                   {"agent_let_go", result.agent_let_go},
                   {"note", result.note}};
  if (undeployed) document["undeployed"] = undeployed_object(*undeployed);
  return dump(document);
}

std::string undeployed_text(const std::string& guest, const attach::Undeployed& result) {
  return line(result.was_there ? "The agent in " + guest + " was ended, and " + result.directory + " removed."
                               : guest + " has no agent of a deploy: nothing to remove.");
}

std::string undeployed_json(const std::string& guest, const attach::Undeployed& result) {
  Json document = {{"guest", guest}};
  document.update(undeployed_object(result));
  return dump(document);
}

}  // namespace ivtrace::cli
