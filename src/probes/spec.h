// What a person writes to ask for a dynamic probe: `kprobe:vfs_read count file=%di`,
// `usdt:/bin/x:provider:name`.
//
//   spec  = place { " " arg }
//   place = ("kprobe" | "kretprobe") ":" FUNCTION [ "+" OFFSET ]
//         | "fprobe" ":" FUNCTION [ "%return" ]
//         | ("uprobe" | "uretprobe") ":" PATH ":" ( SYMBOL [ "+" OFFSET ] | "0x" FILE-OFFSET )
//         | "usdt" ":" PATH ":" PROVIDER ":" NAME             shell globs in the last two
//   arg   = NAME "=" FETCHARG          as the kernel takes it (Documentation/trace/kprobetrace.rst)
//         | NAME [ ":" TYPE ]          a parameter's name; argN of a USDT probe; ret of a return
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ivtrace::probes {

enum class Kind { kKprobe, kKretprobe, kFprobe, kUprobe, kUretprobe, kUsdt };

/// "kprobe", …: also the system that the event is recorded under.
const char* to_string(Kind kind);
/// Of the program in a file, not of the kernel.
bool is_user(Kind kind);

/// One field of the event.
struct Argument {
  std::string name;
  std::string fetch;  ///< the kernel's own expression; empty: `name` is to be looked up
  std::string
      type;  ///< looked-up ones: the kernel's type that is wanted instead of the declared one; may be empty
};

/// A spec taken apart. Nothing of it has been looked up yet.
struct Spec {
  Kind kind = Kind::kKprobe;
  bool at_return = false;  ///< of a kretprobe, a uretprobe and an fprobe with %return
  std::string path;        ///< is_user()
  std::string provider;    ///< USDT, may be a glob
  std::string symbol;      ///< function, or USDT's name, which may be a glob; empty: `offset` is of the file
  std::uint64_t offset = 0;  ///< behind the symbol, or in the file
  std::vector<Argument> arguments;
};

inline constexpr std::size_t kMaxSpec = 2048;
/// The kernel takes 128 fields an event; a USDT probe has 12 arguments at most.
inline constexpr std::size_t kMaxArguments = 64;

/// kInvalid says what is not understood, with an example.
Result<Spec> parse_spec(std::string_view text);

/// `name` as the name of an event or a field: letters, digits and "_", no digit first, at most 60 of them.
std::string identifier_of(std::string_view name);

}  // namespace ivtrace::probes
