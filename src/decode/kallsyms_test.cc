#include "decode/kallsyms.h"

#include <gtest/gtest.h>

namespace ivtrace::decode {
namespace {

TEST(Symbols, FindsTheSymbolThatHoldsAnAddress) {
  Symbols symbols;
  ASSERT_TRUE(symbols.add_kallsyms(
      "ffffffff81000100 t second\nffffffff81000000 T first\nffffffffc0000000 t third\t[kvm]\n"));
  EXPECT_EQ(symbols.size(), 3u);
  EXPECT_EQ(symbols.bad_lines(), 0u);
  std::uint64_t offset = 99;
  EXPECT_EQ(symbols.lookup(0xffffffff81000000, &offset), "first");
  EXPECT_EQ(offset, 0u);
  EXPECT_EQ(symbols.lookup(0xffffffff810000ff, &offset), "first");
  EXPECT_EQ(offset, 0xffu);
  EXPECT_EQ(symbols.lookup(0xffffffff81000100, &offset), "second");
  EXPECT_EQ(symbols.lookup(0xffffffffc0000004, &offset), "third") << "the module is no part of the name";
  EXPECT_EQ(symbols.lookup(0xffffffff80ffffff, &offset), "");
  EXPECT_EQ(symbols.lookup(0xfffffffff0000000, &offset), "") << "far behind the last symbol";
}

TEST(Symbols, OfSeveralNamesForOneAddressTheFirstIsTaken) {
  Symbols symbols;
  ASSERT_TRUE(symbols.add_kallsyms("1000 T a\n1000 T b\n"));
  std::uint64_t offset = 0;
  EXPECT_EQ(symbols.lookup(0x1004, &offset), "a");
}

TEST(Symbols, HiddenAddressesGiveNoSymbols) {
  Symbols symbols;
  ASSERT_TRUE(symbols.add_kallsyms("0000000000000000 T a\n0000000000000000 T b\n"));
  EXPECT_EQ(symbols.size(), 0u);
  EXPECT_EQ(symbols.bad_lines(), 0u);
}

TEST(Symbols, BrokenLinesAreCountedAndLeftOut) {
  Symbols symbols;
  ASSERT_TRUE(symbols.add_kallsyms("zz T a\n1000\n1000 T\n1000 T \n1000Tx\n\n1000 T " +
                                   std::string(kMaxSymbolName + 1, 'x') + "\n2000 T good"));
  EXPECT_EQ(symbols.size(), 1u);
  EXPECT_EQ(symbols.bad_lines(), 6u);
}

TEST(Symbols, PrintkFormatsAreUnescaped) {
  Symbols symbols;
  ASSERT_TRUE(symbols.add_printk_formats(
      "0xffffffff82819420 : \"a\\n\\\"b\\\"\"\n0x10 : \"plain\"\nbad\n0x20 \"x\"\n"));
  ASSERT_NE(symbols.text_at(0xffffffff82819420), nullptr);
  EXPECT_EQ(*symbols.text_at(0xffffffff82819420), "a\n\"b\"");
  EXPECT_EQ(*symbols.text_at(0x10), "plain");
  EXPECT_EQ(symbols.text_at(0x11), nullptr);
  EXPECT_EQ(symbols.bad_lines(), 2u);
}

TEST(Symbols, EveryTruncationIsSafe) {
  const std::string text = "ffffffff81000100 t second\t[kvm]\nffffffff81000000 T first\n";
  for (std::size_t size = 0; size <= text.size(); ++size) {
    Symbols symbols;
    EXPECT_TRUE(symbols.add_kallsyms(text.substr(0, size)));
    EXPECT_TRUE(symbols.add_printk_formats(text.substr(0, size)));
    EXPECT_LE(symbols.size(), 2u);
  }
}

}  // namespace
}  // namespace ivtrace::decode
