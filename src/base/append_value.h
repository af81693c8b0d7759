// Numbers and structs as the bytes that they are in memory.
#pragma once

#include <string>
#include <type_traits>

namespace ivtrace {

template <class T>
void append_value(std::string& out, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace ivtrace
