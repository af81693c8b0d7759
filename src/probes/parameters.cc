#include "probes/parameters.h"

#include <array>

namespace ivtrace::probes {
namespace {

constexpr std::array<const char*, 6> kRegisters{"%di", "%si", "%dx", "%cx", "%r8", "%r9"};
constexpr unsigned kSseRegisters = 8;

std::string type_of(const Value& value) {
  if (value.is_pointer || (value.bytes != 1 && value.bytes != 2 && value.bytes != 4 && value.bytes != 8))
    return "x64";
  return (value.is_signed ? "s" : "u") + std::to_string(8 * value.bytes);
}

/// "string" is at the address that the value is.
std::string typed(const std::string& place, std::string_view type) {
  if (type.starts_with("string") || type.starts_with("ustring"))
    return "+0(" + place + "):" + std::string(type);
  return place + ":" + std::string(type);
}

/// Goes through the parameters in their order and tells where each of them is.
class Places {
 public:
  explicit Places(Style style) : style_(style) {}

  /// Empty: nobody can tell, or it is no place that the kernel reads.
  std::string next(const Value& value) {
    const unsigned words = value.bytes > 8 ? static_cast<unsigned>((value.bytes + 7) / 8) : 1;
    if (!known_) return "";
    switch (value.passing) {
      case Passing::kInteger:
        if (words <= 2 && registers_ + words <= kRegisters.size()) {
          registers_ += words;
          return words == 1 ? in_register(registers_ - 1) : "";
        }
        return on_stack(words);
      case Passing::kSse:
        if (++vectors_ > kSseRegisters) known_ = false;
        return "";
      case Passing::kMemory:
        return on_stack(words);
      case Passing::kUnknown:
        known_ = false;
        return "";
    }
    return "";
  }

 private:
  std::string in_register(unsigned index) const {
    return style_ == Style::kRegisters ? kRegisters[index] : "$arg" + std::to_string(index + 1);
  }
  std::string on_stack(unsigned words) {
    const unsigned slot = stack_;
    stack_ += words;
    // $stack0 is the return address.
    return words == 1 && style_ == Style::kRegisters ? "$stack" + std::to_string(slot + 1) : "";
  }

  Style style_;
  bool known_ = true;
  unsigned registers_ = 0;
  unsigned vectors_ = 0;
  unsigned stack_ = 0;
};

std::string names_of(const FunctionType& function) {
  std::string names;
  for (const Value& value : function.parameters) names += (names.empty() ? "" : ", ") + value.name;
  return names.empty() ? "it has none" : "it has " + names;
}

}  // namespace

Result<std::string> fetch_parameter(const FunctionType& function, std::string_view name,
                                    std::string_view type, Style style) {
  Places places(style);
  for (const Value& value : function.parameters) {
    const std::string place = places.next(value);
    if (value.name != name) continue;
    if (place.empty()) {
      return Error(ErrorCode::kUnsupported, "the parameter " + value.name +
                                                " is in no register or word of the stack "
                                                "that the kernel can be told of");
    }
    return typed(place, type.empty() ? type_of(value) : std::string(type));
  }
  return Error(ErrorCode::kNotFound,
               "no parameter is called " + std::string(name) + "; " + names_of(function));
}

std::string fetch_returned(const std::optional<Value>& returned, std::string_view type) {
  if (!type.empty()) return typed("$retval", type);
  return returned ? typed("$retval", type_of(*returned)) : "$retval";
}

}  // namespace ivtrace::probes
