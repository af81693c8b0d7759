// The kernel's own description of its functions, BTF (Documentation/bpf/btf.rst): as much of it as tells the
// parameters of a function.
//
// A reader of our own: libbpf has no static library in Debian, which the agent would need, and of it all only
// a walk over one table would be used.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "probes/parameters.h"

namespace ivtrace::probes {

/// Owns the bytes. Const functions may be called by several threads.
class Btf {
 public:
  /// Of the running kernel (/sys/kernel/btf/vmlinux); kUnsupported when it has none.
  static Result<Btf> of_kernel();
  /// kCorrupt when the bytes break the format; every reference is checked, here or when it is followed.
  static Result<Btf> parse(std::string bytes);

  /// Empty when no function has that name, or its type is not to be understood.
  std::optional<FunctionType> find_function(std::string_view name) const;

 private:
  struct Type;

  std::uint32_t word(std::uint64_t at) const;
  std::string_view name_at(std::uint32_t offset) const;
  std::optional<Type> type(std::uint32_t id) const;
  std::optional<Value> value_of(std::string_view name, std::uint32_t type_id) const;

  std::string bytes_;
  std::string_view strings_;
  std::vector<std::uint32_t> types_;  // where each type begins in bytes_; id 1 is types_[0]
};

}  // namespace ivtrace::probes
