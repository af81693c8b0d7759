// The C subset of print fmts as a tree, and its parser, which is also the validator of untrusted text.
//
// A print fmt is what the preprocessor left of TP_printk(): a format literal and C expressions over REC,
// calls of the kernel's __print_* helpers among them. A guest may send anything in its place, so size,
// nesting and number of nodes are bounded while parsing, and only text that has passed here is compiled or
// shown to libtraceevent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ivtrace::decode {

inline constexpr std::size_t kMaxPrintText = 64u << 10;
inline constexpr std::size_t kMaxPrintNodes = 16384;
/// Parentheses, operators and calls within each other.
inline constexpr unsigned kMaxPrintNesting = 64;
/// Entries of all {value, "name"} lists of one print fmt.
inline constexpr std::size_t kMaxPrintEntries = 4096;
inline constexpr std::size_t kMaxPrintArguments = 1024;

using NodeId = std::uint32_t;

enum class NodeKind : std::uint8_t {
  kNumber,   ///< number, bytes, is_unsigned
  kString,   ///< text
  kName,     ///< name: a constant that the kernel did not resolve
  kField,    ///< REC->name
  kCall,     ///< name(kids…)
  kUnary,    ///< name is one of - + ~ ! * &
  kBinary,   ///< name is the operator
  kTernary,  ///< kids: condition, then, else
  kCast,     ///< (name, with `pointers` stars) kid
  kIndex,    ///< kids: base, index
  kSizeof,   ///< sizeof(name, with `pointers` stars)
  kEntry,    ///< { kid, text }; no kid: the end of a list, {} or { …, NULL }
};

/// One node. `name` borrows from the parsed text, or is a type's words joined in `text`.
struct Node {
  NodeKind kind = NodeKind::kNumber;
  std::uint8_t bytes = 4;
  bool is_unsigned = false;
  std::uint8_t pointers = 0;
  std::uint16_t depth = 1;  ///< longest way down to a leaf
  std::string_view name;
  std::string text;
  std::uint64_t number = 0;
  std::vector<NodeId> kids;
};

/// A parsed print fmt. Borrows from the text that it was parsed from.
struct PrintSyntax {
  std::vector<Node> nodes;
  std::string format;             ///< the format literal, unescaped
  std::vector<NodeId> arguments;  ///< what follows it

  const Node& at(NodeId id) const { return nodes[id]; }
};

/// Parses `text`, the part behind "print fmt: ". Errors are kCorrupt (no such C, or beyond a limit).
Result<PrintSyntax> parse_print_syntax(std::string_view text);

}  // namespace ivtrace::decode
