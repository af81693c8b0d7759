// From what a person asked for to what the kernel is told, on the machine where the probe is set.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "probes/btf.h"
#include "probes/elf_file.h"
#include "probes/kernel_functions.h"
#include "probes/spec.h"

namespace ivtrace::probes {

/// One place of an event.
struct Site {
  std::string place;                ///< "vfs_read+0x10", "/bin/x:0x1139(0x4010)"
  std::vector<std::string> fields;  ///< "count=%dx:u64"
};

/// One event to be made. USDT probes may have several places.
struct Definition {
  Kind kind = Kind::kKprobe;
  bool at_return = false;
  std::string event;  ///< the name that it should have
  std::vector<Site> sites;
  std::string function;  ///< of the kernel
};

/// More events of one spec, or places of one event, than anybody looks at.
inline constexpr std::size_t kMaxDefinitions = 128;

/// Looks up functions, parameters and files; what it has read once it keeps. One thread at a time.
class Resolver {
 public:
  /// What a spec means here: one definition, or, where USDT's names are globs, one for each match.
  Result<std::vector<Definition>> resolve(const Spec& spec);
  /// Whether the kernel has a function of that name; else kNotFound with the nearest ones. The kernel itself
  /// looks when a probe is made: its whole table, seconds of an emulated guest, is read only to say what was
  /// perhaps meant.
  Status require_function(const std::string& name);

 private:
  Result<std::vector<Definition>> resolve_kernel(const Spec& spec);
  Result<std::vector<Definition>> resolve_user(const Spec& spec);
  Result<std::vector<Definition>> resolve_usdt(const Spec& spec);
  Result<FunctionType> kernel_function(const std::string& name);
  Result<const ElfFile*> file(const std::string& path);

  std::optional<KernelFunctions> functions_;
  std::optional<Btf> btf_;
  std::map<std::string, ElfFile> files_;
};

}  // namespace ivtrace::probes
