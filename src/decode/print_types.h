// Integer types by name, as casts and sizeof in print fmts name them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ivtrace::decode {

/// An integer type of C on x86-64.
struct CType {
  std::uint8_t bytes = 8;
  bool is_unsigned = true;

  friend bool operator==(CType, CType) = default;
};

/// The type of that name, its words joined by one blank: C's own and the kernel's common typedefs.
std::optional<CType> find_type(std::string_view name);

/// bool is not in find_type(): a conversion to it is no cut.
inline bool is_boolean(std::string_view name) { return name == "bool" || name == "_Bool"; }

}  // namespace ivtrace::decode
