// The compiler of print fmts. Internal to print*.cc; users include decode/print.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "decode/event_format.h"
#include "decode/print.h"
#include "decode/print_conversion.h"
#include "decode/print_syntax.h"
#include "decode/print_types.h"

namespace ivtrace::decode {

/// Compiles one print fmt. Borrows the format and the syntax tree while it works; use once.
class PrintCompiler {
 public:
  PrintCompiler(const EventFormat& format, const PrintSyntax& syntax) : format_(format), syntax_(syntax) {}

  Result<PrintProgram> compile();

 private:
  static constexpr NodeId kNoNode = ~NodeId{0};

  // Pieces (print_pieces.cc)
  Status piece(const Conversion& conversion);
  Status pointer_piece(const Conversion& conversion, Piece& piece);
  Result<CodeRange> argument_code();
  Result<NodeId> next_argument();
  void literal_piece(std::string_view text);
  TextRange keep(std::string_view text);
  Result<CodeRange> code_of(NodeId id);

  // Texts and bytes (print_pieces.cc)
  Result<TextId> text(NodeId id);
  Result<TextSource> text_source(NodeId id);
  Result<TextSource> call_text(const Node& node);
  Result<TextSource> named_values(const Node& node, bool flags);
  /// Whether a constant that the kernel did not resolve is part of the tree.
  Result<bool> has_unresolved(NodeId id);
  Result<TextSource> byte_list(const Node& node);
  Result<ByteSource> bytes(NodeId id);
  Result<ByteSource> field_source(const Field& field, std::string_view name);

  // Numbers (print_compile.cc): each leaves one word on the stack and tells its type.
  Result<CType> number(NodeId id);
  Result<CType> number_unfolded(NodeId id);
  Result<CType> constant(std::uint64_t value, CType type);
  Result<CType> field_value(const Node& node);
  Result<CType> call_value(const Node& node);
  Result<CType> unary(const Node& node);
  Result<CType> binary(const Node& node);
  Result<CType> ternary(const Node& node);
  Result<CType> cast(const Node& node);
  /// base[index], or *base with kNoNode.
  Result<CType> element(NodeId base, NodeId index);
  /// The element type that the format tells of the array `base`.
  Result<CType> element_type(NodeId base);
  Result<CType> resolve_type(const Node& node);

  /// Bounds the work: a local that is used twice is compiled twice.
  Status count_step();
  Status emit(Instruction step, int stack_change);
  Status narrow_to(CType type);
  /// Converts the topmost word.
  Status convert(CType from, CType to);
  /// Converts the word below the topmost one, whose code ended at `end`.
  Status convert_under(CType from, CType to, std::size_t end);
  /// Replaces the code from `first` on by its value, if it loads nothing.
  void fold(std::size_t first);
  Result<const Field*> find_field(std::string_view name);
  /// The dynamic array that a call like __get_str(name) is about.
  Result<const Field*> dynamic_field(const Node& call);

  const EventFormat& format_;
  const PrintSyntax& syntax_;
  PrintProgram program_;
  int stack_ = 0;
  std::size_t argument_ = 0;
  std::size_t steps_ = 0;
};

}  // namespace ivtrace::decode
