// Units and clock domains as types: a guest's timestamp does not compile where the host's is wanted.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace ivtrace {

/// A number that is only comparable with its own kind. `Tag` names the kind.
template <class Tag, class Rep>
struct Strong {
  Rep value{};

  constexpr Strong() = default;
  constexpr explicit Strong(Rep v) : value(v) {}
  friend constexpr auto operator<=>(Strong, Strong) = default;
};

/// A time-stamp counter value as the host's CPUs count it.
using HostTsc = Strong<struct HostTscTag, std::uint64_t>;
/// A time-stamp counter value as one guest's CPUs see it.
using GuestTsc = Strong<struct GuestTscTag, std::uint64_t>;
/// Nanoseconds; what they count from is said where the value is named.
using Nanoseconds = Strong<struct NanosecondsTag, std::int64_t>;
/// Linux' number of a CPU, within one machine.
using CpuId = Strong<struct CpuIdTag, std::uint32_t>;
/// A thread of one machine (Linux' tid).
using Tid = Strong<struct TidTag, std::int32_t>;
/// A process of one machine (Linux' tgid).
using Pid = Strong<struct PidTag, std::int32_t>;

}  // namespace ivtrace

template <class Tag, class Rep>
struct std::hash<ivtrace::Strong<Tag, Rep>> {
  std::size_t operator()(ivtrace::Strong<Tag, Rep> strong) const { return std::hash<Rep>{}(strong.value); }
};
