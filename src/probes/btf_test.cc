#include "probes/btf.h"

#include <gtest/gtest.h>

#include <cstring>

namespace ivtrace::probes {
namespace {

/// Writes BTF as pahole does: a header, types, strings.
class Writer {
 public:
  std::uint32_t name(const std::string& text) {
    const auto at = static_cast<std::uint32_t>(strings_.size());
    strings_ += text + '\0';
    return at;
  }
  std::uint32_t type(std::uint32_t name, std::uint32_t kind, std::uint32_t count, std::uint32_t size_or_type,
                     std::initializer_list<std::uint32_t> extra = {}) {
    for (const std::uint32_t word : {name, kind << 24 | count, size_or_type}) put(types_, word);
    for (const std::uint32_t word : extra) put(types_, word);
    return ++last_;
  }
  std::string bytes() const {
    std::string out;
    put(out, 0x0001eb9f);
    const auto types = static_cast<std::uint32_t>(types_.size());
    for (const std::uint32_t word : {24u, 0u, types, types, static_cast<std::uint32_t>(strings_.size())})
      put(out, word);
    return out + types_ + strings_;
  }

 private:
  static void put(std::string& out, std::uint32_t word) {
    char raw[4];
    std::memcpy(raw, &word, sizeof raw);
    out.append(raw, sizeof raw);
  }
  std::string types_;
  std::string strings_ = std::string(1, '\0');
  std::uint32_t last_ = 0;
};

std::string sample() {
  Writer writer;
  const auto u64 = writer.type(writer.name("u64"), 1, 0, 8, {64});
  const auto s32 = writer.type(writer.name("int"), 1, 0, 4, {1u << 24 | 32});
  const auto size = writer.type(writer.name("size_t"), 8, 0, u64);
  const auto pointer = writer.type(0, 2, 0, 0);
  const auto constant = writer.type(0, 10, 0, size);
  const auto pair = writer.type(writer.name("pair"), 4, 0, 16);
  const auto prototype = writer.type(0, 13, 4, s32,
                                     {writer.name("file"), pointer, writer.name("count"), constant,
                                      writer.name("both"), pair, writer.name("flag"), s32});
  writer.type(writer.name("vfs_read"), 12, 0, prototype);
  return writer.bytes();
}

TEST(Btf, TellsParametersThroughNamesAndQualifiers) {
  const auto btf = Btf::parse(sample());
  ASSERT_TRUE(btf) << btf.error().message;
  const auto function = btf->find_function("vfs_read");
  ASSERT_TRUE(function);
  ASSERT_EQ(function->parameters.size(), 4u);
  EXPECT_EQ(*fetch_parameter(*function, "file", "", Style::kRegisters), "%di:x64");
  EXPECT_EQ(*fetch_parameter(*function, "count", "", Style::kRegisters), "%si:u64");
  EXPECT_EQ(*fetch_parameter(*function, "flag", "", Style::kRegisters), "%r8:s32");
  EXPECT_EQ(fetch_returned(function->returned, ""), "$retval:s32");
  EXPECT_FALSE(btf->find_function("vfs_write"));
}

TEST(Btf, EveryTruncationIsRefusedOrAnswersNothingWrong) {
  const std::string whole = sample();
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    EXPECT_FALSE(Btf::parse(whole.substr(0, bytes))) << bytes;
  }
}

TEST(Btf, AChainThatDoesNotEndEnds) {
  Writer writer;
  writer.type(writer.name("loop"), 8, 0, 1);
  const auto prototype = writer.type(0, 13, 1, 0, {writer.name("x"), 1});
  writer.type(writer.name("f"), 12, 0, prototype);
  const auto btf = Btf::parse(writer.bytes());
  ASSERT_TRUE(btf);
  EXPECT_FALSE(btf->find_function("f"));
}

TEST(Btf, ThisKernelsOwn) {
  const auto btf = Btf::of_kernel();
  if (!btf) GTEST_SKIP() << "needs a kernel with BTF: " << btf.error().message;
  const auto function = btf->find_function("vfs_read");
  ASSERT_TRUE(function);
  EXPECT_EQ(*fetch_parameter(*function, "file", "", Style::kRegisters), "%di:x64");
  EXPECT_EQ(*fetch_parameter(*function, "count", "", Style::kRegisters), "%dx:u64");
  EXPECT_EQ(fetch_returned(function->returned, ""), "$retval:s64");
}

}  // namespace
}  // namespace ivtrace::probes
