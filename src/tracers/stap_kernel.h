// A kernel's headers as stap wants them, and SystemTap's runtime as those headers want it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace ivtrace::tracers {

/// The argument of the last -r (or --release=, "-rX") among options for stap; empty when there is none.
std::string release_option(const std::vector<std::string>& options);
/// Whether an option with an argument, like "-R", is there: alone or with its argument behind it.
bool has_option(const std::vector<std::string>& options, const std::string& name);

/// The build tree that stap will use for a kernel: of the user's -r, or /lib/modules/RELEASE/build. kNotFound
/// when it is not there, kInvalid when it is another kernel's.
Result<std::string> build_tree(const std::vector<std::string>& options, const std::string& release);

/// kUnsupported when that version of SystemTap's is known to be too old for the kernel.
Status check_version(const std::string& stap_version, const std::string& release);

/// Where SystemTap's runtime sources are that fit the build tree: empty when those that it has do. Else a
/// copy in the cache, told to `notice`, in which task_work_cancel() has the kernel's new name and kprobes
/// find functions of modules.
Result<std::string> fitting_runtime(const std::string& tree, const std::string& stap_version,
                                    const std::function<void(const std::string&)>& notice);

/// A build tree in the cache that is the other one, with a System.map beside.
Result<std::string> tree_with_symbols(const std::string& tree, const std::string& release,
                                      const std::string& system_map);

}  // namespace ivtrace::tracers
