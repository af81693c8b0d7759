// Our text against libtraceevent's, for every event format of three kernels.
//
// Where the two differ, somebody is wrong. Everything that libtraceevent 1.7.1 is known to get wrong is
// listed here with the reason; a difference that no entry explains fails the test, and so does an entry that
// explains nothing.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <map>

#include "base/text.h"
#include "decode/libtraceevent_printer.h"
#include "decode/print.h"
#include "decode/print_event.h"
#include "decode/print_fixture.h"
#include "decode/print_syntax.h"

namespace ivtrace::decode {
namespace {

using testing::kKernels;
using testing::load_formats;
using testing::RecordMaker;
using testing::RecordStyle;

constexpr int kRecordsPerFormat = 6;

/// Questions about a print fmt that the known differences ask.
class FormatFacts {
 public:
  explicit FormatFacts(const EventFormat& format)
      : format_(format), syntax_(*parse_print_syntax(format.print_fmt)) {}

  bool calls(std::string_view function) const {
    return any([&](const Node& node) { return node.kind == NodeKind::kCall && node.name == function; });
  }
  bool has_unresolved_entry() const {
    return any([&](const Node& node) {
      return node.kind == NodeKind::kEntry && (node.kids.empty() || contains(node.kids[0], [](const Node& n) {
                                                 return n.kind == NodeKind::kName;
                                               }));
    });
  }
  bool has_zero_mask() const {
    return calls("__print_flags") && any([&](const Node& node) {
             return node.kind == NodeKind::kEntry && !node.kids.empty() &&
                    syntax_.at(node.kids[0]).number == 0 &&
                    syntax_.at(node.kids[0]).kind == NodeKind::kNumber;
           });
  }
  bool shifts_int_by_field() const {
    return any([&](const Node& node) {
      return node.kind == NodeKind::kBinary && node.name == "<<" &&
             contains(node.kids[1], [](const Node& n) { return n.kind == NodeKind::kField; });
    });
  }
  bool converts(std::string_view conversion) const {
    return syntax_.format.find(conversion) != std::string::npos;
  }
  /// Whether no record, whatever its bits, leads libtraceevent out of it or to a division by zero.
  bool is_bounded() const {
    const bool unbounded = any([&](const Node& node) {
      const bool literal = node.kids.size() == 2 && syntax_.at(node.kids[1]).kind == NodeKind::kNumber;
      return (node.kind == NodeKind::kIndex && !literal) ||
             (node.kind == NodeKind::kBinary && (node.name == "/" || node.name == "%") && !literal) ||
             (node.kind == NodeKind::kCall &&
              (node.name.starts_with("__print_hex") || node.name == "__print_array"));
    });
    return !unbounded && !converts("*");
  }
  /// A text conversion with a width: "%8s", "%-8s".
  bool pads_text() const {
    for (std::size_t i = 0; (i = syntax_.format.find('%', i)) != std::string::npos; ++i) {
      const std::size_t letter = syntax_.format.find_first_not_of("-0123456789", i + 1);
      if (letter != std::string::npos && letter > i + 1 && syntax_.format[letter] == 's') return true;
    }
    return false;
  }
  bool casts_to_bool() const {
    return any([](const Node& node) { return node.kind == NodeKind::kCast && node.text == "bool"; });
  }
  /// A signed char or short, which C widens by its sign; or an expression, more than a field alone, in which
  /// a signed field, a cast or a negation takes part.
  bool computes_with_signs() const {
    for (const NodeId argument : syntax_.arguments) {
      if (syntax_.at(argument).kind == NodeKind::kField) {
        const Field* field = format_.find(syntax_.at(argument).name);
        if (field != nullptr && field->is_signed && field->size < 4) return true;
        continue;
      }
      if (contains(argument, [&](const Node& node) {
            const Field* field = node.kind == NodeKind::kField ? format_.find(node.name) : nullptr;
            return (field != nullptr && field->is_signed) || node.kind == NodeKind::kCast ||
                   node.name == "~" || (node.kind == NodeKind::kBinary && node.name == "-");
          })) {
        return true;
      }
    }
    return false;
  }

 private:
  template <class Predicate>
  bool any(Predicate predicate) const {
    return std::ranges::any_of(syntax_.nodes, predicate);
  }
  template <class Predicate>
  bool contains(NodeId id, Predicate predicate) const {
    const Node& node = syntax_.at(id);
    return predicate(node) ||
           std::ranges::any_of(node.kids, [&](NodeId kid) { return contains(kid, predicate); });
  }

  const EventFormat& format_;
  PrintSyntax syntax_;
};

struct Difference {
  const char* reason;
  bool (*explains)(const EventFormat& format, const FormatFacts& facts, const std::string& own,
                   RecordStyle style);
};

bool named(const EventFormat& format, const char* glob) { return glob_match(glob, format.full_name()); }

constexpr std::array<Difference, 13> kDifferences = {{
    {"a null text is \"(null)\" in the kernel, \"0\" in libtraceevent",
     [](const EventFormat&, const FormatFacts&, const std::string& own, RecordStyle) {
       return own.find("(null)") != std::string::npos;
     }},
    {"__print_array is {0x1,0x2} in the kernel, \"1 2\" in libtraceevent before 1.8",
     [](const EventFormat&, const FormatFacts& facts, const std::string&, RecordStyle) {
       return facts.calls("__print_array");
     }},
    {"libtraceevent takes a constant that the kernel did not resolve for 0 or -1, and an end-of-list for an "
     "entry",
     [](const EventFormat&, const FormatFacts& facts, const std::string&, RecordStyle) {
       return facts.has_unresolved_entry();
     }},
    {"libtraceevent gives a chain of - or | below another operator to the wrong side",
     [](const EventFormat& format, const FormatFacts&, const std::string&, RecordStyle) {
       return named(format, "btrfs:raid56_*") || named(format, "timer:timer_start");
     }},
    {"libtraceevent reads !a ? b : c as !(a ? b : c)",
     [](const EventFormat& format, const FormatFacts&, const std::string&, RecordStyle) {
       return named(format, "kvm:kvm_nested_vmenter*");
     }},
    {"libtraceevent takes a mask with the topmost bit for a negative number, and prints it when all is clear",
     [](const EventFormat& format, const FormatFacts&, const std::string&, RecordStyle) {
       return named(format, "nfs:nfs_direct_*") || named(format, "xfs:xfs_exch*") ||
              named(format, "fs_dax:dax_*insert_mapping*");
     }},
    {"the kernel prints the name of a zero mask with any other flag, libtraceevent never",
     [](const EventFormat&, const FormatFacts& facts, const std::string&, RecordStyle) {
       return facts.has_zero_mask();
     }},
    {"1 << field is an int in C, 64 bits in libtraceevent",
     [](const EventFormat&, const FormatFacts& facts, const std::string&, RecordStyle) {
       return facts.shifts_int_by_field();
     }},
    {"libtraceevent pads names, but not the numbers that stand for unknown ones or for addresses",
     [](const EventFormat&, const FormatFacts& facts, const std::string&, RecordStyle) {
       return facts.pads_text();
     }},
    {"libtraceevent has no %c", [](const EventFormat&, const FormatFacts& facts, const std::string&,
                                   RecordStyle) { return facts.converts("%c"); }},
    {"libtraceevent does not see the c (short form) of %pISpsfc behind the s and f",
     [](const EventFormat&, const FormatFacts& facts, const std::string&, RecordStyle) {
       return facts.converts("%pISpsfc");
     }},
    {"a cast to bool gives 0 or 1 in C, the number itself in libtraceevent",
     [](const EventFormat&, const FormatFacts& facts, const std::string&, RecordStyle) {
       return facts.casts_to_bool();
     }},
    {"libtraceevent computes with unsigned 64 bits: negative numbers compare, widen and shift differently",
     [](const EventFormat&, const FormatFacts& facts, const std::string&, RecordStyle style) {
       return style == RecordStyle::kWild && facts.computes_with_signs();
     }},
}};

struct Tally {
  int compared = 0;
  int equal = 0;
  std::map<std::string, int> explained;
  std::vector<std::string> unexplained;
};

/// The first record on which the texts differ decides.
void compare(const EventFormat& format, const PrintProgram& program, LibtraceeventPrinter& reference,
             RecordMaker& maker, RecordStyle style, Tally& tally) {
  ++tally.compared;
  const Symbols symbols;
  for (int i = 0; i < kRecordsPerFormat; ++i) {
    const auto record = maker.make(format, style);
    std::string own;
    std::string theirs;
    ASSERT_TRUE(program.render(record, symbols, TextMode::kRaw, own)) << format.full_name();
    ASSERT_TRUE(reference.render(format, record, theirs)) << format.full_name();
    if (own == theirs) continue;
    const FormatFacts facts(format);
    for (const Difference& difference : kDifferences) {
      if (!difference.explains(format, facts, own, style)) continue;
      ++tally.explained[difference.reason];
      return;
    }
    tally.unexplained.push_back(fmt::format("{}\n  own:   {}\n  their: {}\n  {}", format.full_name(), own,
                                            theirs, format.print_fmt.substr(0, 400)));
    return;
  }
  ++tally.equal;
}

Tally compare_kernel(const FormatTable& table, RecordStyle style) {
  Tally tally;
  LibtraceeventPrinter reference;
  RecordMaker maker(7);
  for (const EventFormat* format : table.all()) {
    // Its format is at an address that only printk_formats knows; print_bprint_test.cc is about it.
    if (format->full_name() == "ftrace:bprint") continue;
    const auto program = compile_print(*format);
    if (!program) continue;
    // Small numbers cannot lead libtraceevent out of the record, whatever it does with them.
    if (style != RecordStyle::kTame && !FormatFacts(*format).is_bounded()) continue;
    if (reference.add_trusted(*format)) compare(*format, *program, reference, maker, style, tally);
  }
  return tally;
}

TEST(PrintDifferential, EveryFormatIsPrintedAsLibtraceeventDoesOrBetter) {
  std::map<std::string, int> used;
  for (const char* kernel : kKernels) {
    const std::string text = load_formats(kernel);
    ASSERT_FALSE(text.empty()) << "no zstd, or not run in the checkout's root";
    const FormatTable table = FormatTable::parse(text);
    for (const RecordStyle style : {RecordStyle::kTame, RecordStyle::kPlain, RecordStyle::kWild}) {
      const Tally tally = compare_kernel(table, style);
      int explained = 0;
      for (const auto& [reason, count] : tally.explained) {
        explained += count;
        used[reason] += count;
      }
      fmt::print("{} {}: {} formats compared, {} equal, {} differ for a known reason\n", kernel,
                 std::array{"small numbers", "positive numbers", "any bits"}[static_cast<int>(style)],
                 tally.compared, tally.equal, explained);
      EXPECT_GT(tally.compared, 2000);
      for (const std::string& difference : tally.unexplained) ADD_FAILURE() << kernel << " " << difference;
    }
  }
  for (const Difference& difference : kDifferences) {
    EXPECT_GT(used[difference.reason], 0) << "explains nothing: " << difference.reason;
    fmt::print("  {:4} {}\n", used[difference.reason], difference.reason);
  }
}

TEST(PrintDifferential, NearlyEveryFormatIsCompiled) {
  for (const char* kernel : kKernels) {
    const std::string text = load_formats(kernel);
    ASSERT_FALSE(text.empty()) << "no zstd, or not run in the checkout's root";
    const FormatTable table = FormatTable::parse(text);
    EventPrinter printer{Symbols{}};
    std::array<std::size_t, 3> count{};
    for (const EventFormat* format : table.all()) ++count[static_cast<std::size_t>(printer.method(*format))];
    fmt::print("{}: {} formats: {} compiled, {} by libtraceevent, {} raw\n", kernel, table.size(), count[0],
               count[1], count[2]);
    EXPECT_GT(count[0] * 100, table.size() * 96) << kernel;
    EXPECT_GT(count[1], 0u) << kernel;
  }
}

}  // namespace
}  // namespace ivtrace::decode
