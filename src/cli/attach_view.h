// The renderings of what `ivtrace attach` and `ivtrace detach` did.
#pragma once

#include <string>

#include "attach/attach.h"

namespace ivtrace::cli {

std::string attached_text(const std::string& guest, const attach::Attached& result);
std::string attached_json(const std::string& guest, const attach::Attached& result);
std::string detached_text(const std::string& guest, const attach::Detached& result);
std::string detached_json(const std::string& guest, const attach::Detached& result);

}  // namespace ivtrace::cli
