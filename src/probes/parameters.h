// Where a function's parameters are when it is entered, and how the kernel is told to take them from there.
//
// x86-64 passes the first six words of class INTEGER (numbers, pointers, structs of up to 16 bytes without
// floating point) in registers and the rest on the stack above the return address (System V ABI, AMD64
// supplement, 3.2.3). The kernel is compiled without floating point, so there all structs of up to 16 bytes
// are INTEGER.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ivtrace::probes {

/// How a value is passed.
enum class Passing {
  kInteger,  ///< in one or two general registers while there are some, else on the stack
  kSse,      ///< in a vector register
  kMemory,   ///< on the stack
  kUnknown,  ///< where, and so where those behind it are, cannot be told here
};

/// A parameter or a returned value, as its type tells.
struct Value {
  std::string name;
  Passing passing = Passing::kUnknown;
  std::uint64_t bytes = 0;
  bool is_signed = false;
  bool is_pointer = false;
};

struct FunctionType {
  std::vector<Value> parameters;
  std::optional<Value> returned;
};

/// How the kernel is to be told where a parameter is.
enum class Style {
  kRegisters,  ///< "%di", "$stack1": kprobes and uprobes
  kArguments,  ///< "$arg1": fprobes
};

/// The kernel's expression with its type for the parameter `name`; `type` replaces the declared one, and
/// "string" or "ustring" follow the pointer. kNotFound names the parameters there are; kUnsupported: it is
/// not in a place that can be read.
Result<std::string> fetch_parameter(const FunctionType& function, std::string_view name,
                                    std::string_view type, Style style);
/// The same for the returned value; `returned` may be empty when nothing is known of it.
std::string fetch_returned(const std::optional<Value>& returned, std::string_view type);

}  // namespace ivtrace::probes
