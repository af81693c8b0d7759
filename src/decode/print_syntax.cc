// A Pratt parser. What C leaves open without a symbol table is whether "(name)" is a cast. In a print fmt no
// bare name is a variable but REC and the locals of a statement expression, so a parenthesis that holds
// nothing but words and stars is a cast if the words are C's type words, or if an operand follows.
//
// Statement expressions, ({ int x = …; … x … }), which min() and max() leave behind, are taken apart while
// parsing: a local stands for the tree of its value. That makes the tree a graph, whose size when written out
// is bounded by the compiler's limit on operations.
#include "decode/print_syntax.h"

#include <algorithm>
#include <array>
#include <utility>

#include "decode/print_lexer.h"
#include "decode/print_types.h"

namespace ivtrace::decode {
namespace {

constexpr std::array<std::string_view, 9> kTypeWords = {"unsigned", "signed", "long",     "const", "struct",
                                                        "union",    "enum",   "volatile", "void"};

bool is_type_word(std::string_view name) {
  return std::ranges::find(kTypeWords, name) != kTypeWords.end() || is_boolean(name) || find_type(name);
}

struct Operator {
  std::string_view spelling;
  int precedence;
};
constexpr std::array<Operator, 18> kBinary = {{{"||", 1},
                                               {"&&", 2},
                                               {"|", 3},
                                               {"^", 4},
                                               {"&", 5},
                                               {"==", 6},
                                               {"!=", 6},
                                               {"<", 7},
                                               {">", 7},
                                               {"<=", 7},
                                               {">=", 7},
                                               {"<<", 8},
                                               {">>", 8},
                                               {"+", 9},
                                               {"-", 9},
                                               {"*", 10},
                                               {"/", 10},
                                               {"%", 10}}};

int precedence_of(const Token& token) {
  if (token.kind != TokenKind::kOperator) return 0;
  const auto* found = std::ranges::find(kBinary, token.spelling, &Operator::spelling);
  return found == kBinary.end() ? 0 : found->precedence;
}

Error corrupt(std::string what) { return Error(ErrorCode::kCorrupt, "print fmt: " + std::move(what)); }

class Parser {
 public:
  explicit Parser(std::string_view text) : lexer_(text) {}

  Result<PrintSyntax> parse();

 private:
  /// Counts the nesting of the parser's own recursion.
  struct Deeper {
    explicit Deeper(unsigned& depth) : depth_(depth) { ++depth_; }
    ~Deeper() { --depth_; }
    unsigned& depth_;
  };

  Status advance() { return lexer_.next(token_); }
  Status expect(std::string_view op);
  Result<NodeId> add(Node node);
  Result<NodeId> ternary();
  Result<NodeId> binary(int least);
  Result<NodeId> unary();
  Result<NodeId> postfix();
  Result<NodeId> primary();
  Result<NodeId> name();
  Result<NodeId> call(std::string_view function);
  Result<NodeId> size_of();
  Result<NodeId> entry();
  Result<NodeId> parenthesis();
  Result<NodeId> statements();
  /// Reads words and stars into `type` if a type stands here. `certain`: a type word or a star was among
  /// them.
  Result<bool> type_name(Node& type, bool& certain);
  bool is_null(NodeId id) const;
  bool starts_operand() const;

  PrintLexer lexer_;
  Token token_;
  PrintSyntax out_;
  unsigned depth_ = 0;
  std::size_t entries_ = 0;
  std::vector<std::pair<std::string_view, NodeId>> locals_;
};

Result<PrintSyntax> Parser::parse() {
  IVT_RETURN_IF_ERROR(advance());
  if (token_.kind != TokenKind::kString) return corrupt("no format string");
  out_.format = std::move(token_.text);
  IVT_RETURN_IF_ERROR(advance());
  while (token_.kind != TokenKind::kEnd) {
    IVT_RETURN_IF_ERROR(expect(","));
    if (out_.arguments.size() >= kMaxPrintArguments) return corrupt("too many arguments");
    IVT_ASSIGN_OR_RETURN(const NodeId argument, ternary());
    out_.arguments.push_back(argument);
  }
  return std::move(out_);
}

Status Parser::expect(std::string_view op) {
  if (!token_.is(op)) return corrupt("\"" + std::string(op) + "\" is missing");
  return advance();
}

Result<NodeId> Parser::add(Node node) {
  if (out_.nodes.size() >= kMaxPrintNodes) return corrupt("too long an expression");
  for (const NodeId kid : node.kids) {
    node.depth = std::max<std::uint16_t>(node.depth, static_cast<std::uint16_t>(out_.at(kid).depth + 1));
  }
  // A chain of operators parses without recursion and yet makes a deep tree.
  if (node.depth > 4 * kMaxPrintNesting) return corrupt("too deeply nested");
  out_.nodes.push_back(std::move(node));
  return static_cast<NodeId>(out_.nodes.size() - 1);
}

Result<NodeId> Parser::ternary() {
  const Deeper deeper(depth_);
  if (depth_ > kMaxPrintNesting) return corrupt("too deeply nested");
  IVT_ASSIGN_OR_RETURN(const NodeId condition, binary(1));
  if (!token_.is("?")) return condition;
  IVT_RETURN_IF_ERROR(advance());
  IVT_ASSIGN_OR_RETURN(const NodeId then, ternary());
  IVT_RETURN_IF_ERROR(expect(":"));
  IVT_ASSIGN_OR_RETURN(const NodeId otherwise, ternary());
  Node node;
  node.kind = NodeKind::kTernary;
  node.kids = {condition, then, otherwise};
  return add(std::move(node));
}

Result<NodeId> Parser::binary(int least) {
  IVT_ASSIGN_OR_RETURN(NodeId left, unary());
  for (int precedence = precedence_of(token_); precedence >= least && precedence > 0;
       precedence = precedence_of(token_)) {
    Node node;
    node.kind = NodeKind::kBinary;
    node.name = token_.spelling;
    IVT_RETURN_IF_ERROR(advance());
    IVT_ASSIGN_OR_RETURN(const NodeId right, binary(precedence + 1));
    node.kids = {left, right};
    IVT_ASSIGN_OR_RETURN(left, add(std::move(node)));
  }
  return left;
}

Result<NodeId> Parser::unary() {
  constexpr std::string_view kUnary = "-+~!*&";
  if (token_.kind != TokenKind::kOperator || token_.spelling.size() != 1 ||
      kUnary.find(token_.spelling[0]) == std::string_view::npos) {
    return postfix();
  }
  const Deeper deeper(depth_);
  if (depth_ > kMaxPrintNesting) return corrupt("too deeply nested");
  Node node;
  node.kind = NodeKind::kUnary;
  node.name = token_.spelling;
  IVT_RETURN_IF_ERROR(advance());
  IVT_ASSIGN_OR_RETURN(const NodeId kid, unary());
  node.kids = {kid};
  return add(std::move(node));
}

Result<NodeId> Parser::postfix() {
  IVT_ASSIGN_OR_RETURN(NodeId base, primary());
  while (token_.is("[")) {
    IVT_RETURN_IF_ERROR(advance());
    IVT_ASSIGN_OR_RETURN(const NodeId index, ternary());
    IVT_RETURN_IF_ERROR(expect("]"));
    Node node;
    node.kind = NodeKind::kIndex;
    node.kids = {base, index};
    IVT_ASSIGN_OR_RETURN(base, add(std::move(node)));
  }
  return base;
}

Result<NodeId> Parser::primary() {
  Node node;
  switch (token_.kind) {
    case TokenKind::kNumber:
      node.kind = NodeKind::kNumber;
      node.number = token_.number;
      node.bytes = token_.number_bytes;
      node.is_unsigned = token_.number_unsigned;
      IVT_RETURN_IF_ERROR(advance());
      return add(std::move(node));
    case TokenKind::kString:
      node.kind = NodeKind::kString;
      node.text = std::move(token_.text);
      IVT_RETURN_IF_ERROR(advance());
      return add(std::move(node));
    case TokenKind::kName:
      return name();
    case TokenKind::kOperator:
      if (token_.is("(")) return parenthesis();
      if (token_.is("{")) return entry();
      break;
    case TokenKind::kEnd:
      break;
  }
  return corrupt("an operand is missing");
}

Result<NodeId> Parser::name() {
  const std::string_view spelling = token_.spelling;
  IVT_RETURN_IF_ERROR(advance());
  if (spelling == "REC") {
    IVT_RETURN_IF_ERROR(expect("->"));
    if (token_.kind != TokenKind::kName) return corrupt("no field behind REC->");
    Node node;
    node.kind = NodeKind::kField;
    node.name = token_.spelling;
    IVT_RETURN_IF_ERROR(advance());
    return add(std::move(node));
  }
  if (spelling == "sizeof") return size_of();
  if (token_.is("(")) return call(spelling);
  for (auto local = locals_.rbegin(); local != locals_.rend(); ++local) {
    if (local->first == spelling) return local->second;
  }
  Node node;
  node.kind = NodeKind::kName;
  node.name = spelling;
  return add(std::move(node));
}

Result<NodeId> Parser::call(std::string_view function) {
  Node node;
  node.kind = NodeKind::kCall;
  node.name = function;
  IVT_RETURN_IF_ERROR(advance());
  while (!token_.is(")")) {
    IVT_ASSIGN_OR_RETURN(const NodeId argument, ternary());
    node.kids.push_back(argument);
    if (token_.is(")")) break;
    // A list's macro may end in a comma; so a comma may stand before the parenthesis.
    IVT_RETURN_IF_ERROR(expect(","));
  }
  IVT_RETURN_IF_ERROR(advance());
  return add(std::move(node));
}

Result<NodeId> Parser::size_of() {
  IVT_RETURN_IF_ERROR(expect("("));
  Node node;
  bool certain = false;
  IVT_ASSIGN_OR_RETURN(const bool is_type, type_name(node, certain));
  if (!is_type) return corrupt("sizeof of something that is no type");
  IVT_RETURN_IF_ERROR(expect(")"));
  node.kind = NodeKind::kSizeof;
  return add(std::move(node));
}

Result<NodeId> Parser::entry() {
  if (++entries_ > kMaxPrintEntries) return corrupt("too long a list of names");
  IVT_RETURN_IF_ERROR(advance());
  Node node;
  node.kind = NodeKind::kEntry;
  if (!token_.is("}")) {
    IVT_ASSIGN_OR_RETURN(const NodeId value, ternary());
    IVT_RETURN_IF_ERROR(expect(","));
    if (token_.kind == TokenKind::kString) {
      node.kids = {value};
      node.text = std::move(token_.text);
      IVT_RETURN_IF_ERROR(advance());
    } else {
      IVT_ASSIGN_OR_RETURN(const NodeId no_name, ternary());
      if (!is_null(no_name)) return corrupt("a list entry without a name");
    }
    if (token_.is(",")) IVT_RETURN_IF_ERROR(advance());
  }
  IVT_RETURN_IF_ERROR(expect("}"));
  return add(std::move(node));
}

bool Parser::is_null(NodeId id) const {
  while (out_.at(id).kind == NodeKind::kCast) id = out_.at(id).kids[0];
  return (out_.at(id).kind == NodeKind::kNumber && out_.at(id).number == 0) || out_.at(id).name == "NULL";
}

bool Parser::starts_operand() const {
  return token_.kind == TokenKind::kName || token_.kind == TokenKind::kNumber ||
         token_.kind == TokenKind::kString || token_.is("(") || token_.is("~") || token_.is("!");
}

Result<NodeId> Parser::parenthesis() {
  IVT_RETURN_IF_ERROR(advance());
  if (token_.is("{")) return statements();
  const PrintLexer behind = lexer_;
  const Token first = token_;
  Node type;
  bool certain = false;
  IVT_ASSIGN_OR_RETURN(const bool is_type, type_name(type, certain));
  if (is_type && token_.is(")")) {
    IVT_RETURN_IF_ERROR(advance());
    if (certain || starts_operand()) {
      const Deeper deeper(depth_);
      if (depth_ > kMaxPrintNesting) return corrupt("too deeply nested");
      IVT_ASSIGN_OR_RETURN(const NodeId kid, unary());
      type.kind = NodeKind::kCast;
      type.kids = {kid};
      return add(std::move(type));
    }
  }
  lexer_ = behind;
  token_ = first;
  IVT_ASSIGN_OR_RETURN(const NodeId inner, ternary());
  IVT_RETURN_IF_ERROR(expect(")"));
  return inner;
}

Result<NodeId> Parser::statements() {
  IVT_RETURN_IF_ERROR(advance());
  const std::size_t outer = locals_.size();
  for (;;) {
    const PrintLexer behind = lexer_;
    const Token first = token_;
    Node type;
    bool certain = false;
    IVT_ASSIGN_OR_RETURN(const bool is_type, type_name(type, certain));
    if (!is_type || token_.kind != TokenKind::kName) {
      lexer_ = behind;
      token_ = first;
      break;
    }
    const std::string_view local = token_.spelling;
    IVT_RETURN_IF_ERROR(advance());
    IVT_RETURN_IF_ERROR(expect("="));
    IVT_ASSIGN_OR_RETURN(const NodeId value, ternary());
    IVT_RETURN_IF_ERROR(expect(";"));
    type.kind = NodeKind::kCast;
    type.kids = {value};
    IVT_ASSIGN_OR_RETURN(const NodeId cast, add(std::move(type)));
    locals_.emplace_back(local, cast);
  }
  IVT_ASSIGN_OR_RETURN(const NodeId result, ternary());
  IVT_RETURN_IF_ERROR(expect(";"));
  IVT_RETURN_IF_ERROR(expect("}"));
  IVT_RETURN_IF_ERROR(expect(")"));
  locals_.resize(outer);
  return result;
}

Result<bool> Parser::type_name(Node& type, bool& certain) {
  constexpr std::array<std::string_view, 4> kNoPart = {"const", "volatile", "__user", "__rcu"};
  bool named = false;  // a typedef's or tag's name was read: another bare name is none of the type's
  bool tagged = false;
  while (token_.kind == TokenKind::kName) {
    const std::string_view word = token_.spelling;
    const bool known = is_type_word(word);
    if (!known && (named || word == "REC" || word == "sizeof")) break;
    if (!known && !type.text.empty() && !tagged) break;
    IVT_RETURN_IF_ERROR(advance());
    certain |= known;
    named |= !known;
    tagged = word == "struct" || word == "union" || word == "enum";
    if (std::ranges::find(kNoPart, word) != kNoPart.end()) continue;
    if (!type.text.empty()) type.text += ' ';
    type.text += word;
  }
  if (type.text.empty()) return false;
  while (token_.is("*") || token_.is_name("const") || token_.is_name("volatile")) {
    if (token_.is("*")) {
      if (++type.pointers > 8) return corrupt("too many stars");
    }
    IVT_RETURN_IF_ERROR(advance());
    if (type.pointers > 0 && token_.is(")")) certain = true;
  }
  return true;
}

}  // namespace

Result<PrintSyntax> parse_print_syntax(std::string_view text) {
  if (text.size() > kMaxPrintText) return corrupt("longer than any real one");
  return Parser(text).parse();
}

}  // namespace ivtrace::decode
