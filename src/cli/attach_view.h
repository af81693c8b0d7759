// The renderings of what `ivtrace attach` and `ivtrace detach` did.
#pragma once

#include <optional>
#include <string>

#include "attach/attach.h"
#include "attach/deploy.h"

namespace ivtrace::cli {

using MaybeDeployed = std::optional<attach::Deployed>;      ///< empty: it was not asked for
using MaybeUndeployed = std::optional<attach::Undeployed>;  ///< empty: it was not asked for

std::string attached_text(const std::string& guest, const attach::Attached& result,
                          const MaybeDeployed& deployed);
std::string attached_json(const std::string& guest, const attach::Attached& result,
                          const MaybeDeployed& deployed);
std::string detached_text(const std::string& guest, const attach::Detached& result,
                          const MaybeUndeployed& undeployed);
std::string detached_json(const std::string& guest, const attach::Detached& result,
                          const MaybeUndeployed& undeployed);
std::string undeployed_text(const std::string& guest, const attach::Undeployed& result);
std::string undeployed_json(const std::string& guest, const attach::Undeployed& result);

}  // namespace ivtrace::cli
