#include "probes/spec.h"

#include <gtest/gtest.h>

namespace ivtrace::probes {
namespace {

std::string error_of(const std::string& text) {
  const auto spec = parse_spec(text);
  return spec ? "" : spec.error().message;
}

TEST(ProbeSpec, FunctionsOfTheKernel) {
  const auto plain = parse_spec("kprobe:vfs_read file=%di count:u32 flags");
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_EQ(plain->kind, Kind::kKprobe);
  EXPECT_EQ(plain->symbol, "vfs_read");
  EXPECT_FALSE(plain->at_return);
  ASSERT_EQ(plain->arguments.size(), 3u);
  EXPECT_EQ(plain->arguments[0].fetch, "%di");
  EXPECT_EQ(plain->arguments[1].name, "count");
  EXPECT_EQ(plain->arguments[1].type, "u32");
  EXPECT_EQ(plain->arguments[2].fetch, "");
  const auto inside = parse_spec("kprobe:schedule+0x1f");
  ASSERT_TRUE(inside);
  EXPECT_EQ(inside->offset, 0x1fu);
  EXPECT_TRUE(parse_spec("kretprobe:vfs_read ret")->at_return);
  EXPECT_TRUE(parse_spec("fprobe:vfs_read%return")->at_return);
  EXPECT_EQ(parse_spec("fprobe:vfs_read%return")->symbol, "vfs_read");
  EXPECT_FALSE(parse_spec("fprobe:vfs_read")->at_return);
  EXPECT_EQ(parse_spec("kprobe:foo.isra.0")->symbol, "foo.isra.0");
}

TEST(ProbeSpec, PlacesOfPrograms) {
  const auto symbol = parse_spec("uprobe:/usr/bin/x-1:main+4 s=+0(%si):string");
  ASSERT_TRUE(symbol) << symbol.error().message;
  EXPECT_EQ(symbol->path, "/usr/bin/x-1");
  EXPECT_EQ(symbol->symbol, "main");
  EXPECT_EQ(symbol->offset, 4u);
  EXPECT_EQ(symbol->arguments[0].fetch, "+0(%si):string");
  const auto offset = parse_spec("uretprobe:/x:0x1139");
  ASSERT_TRUE(offset);
  EXPECT_EQ(offset->symbol, "");
  EXPECT_EQ(offset->offset, 0x1139u);
  const auto usdt = parse_spec("usdt:/lib/libc.so.6:libc:set*");
  ASSERT_TRUE(usdt);
  EXPECT_EQ(usdt->provider, "libc");
  EXPECT_EQ(usdt->symbol, "set*");
}

TEST(ProbeSpec, WhatIsNotUnderstoodIsSaid) {
  EXPECT_NE(error_of("").find("empty"), std::string::npos);
  EXPECT_NE(error_of("vfs_read").find("begins with"), std::string::npos);
  EXPECT_NE(error_of("tracepoint:x").find("begins with"), std::string::npos);
  EXPECT_NE(error_of("kprobe:").find("no function"), std::string::npos);
  EXPECT_NE(error_of("kprobe:vfs_*").find("no function"), std::string::npos);
  EXPECT_NE(error_of("kprobe:a+zz"), "");
  EXPECT_NE(error_of("kretprobe:a+4").find("no offset"), std::string::npos);
  EXPECT_NE(error_of("uprobe:/bin/x").find("PATH:SYMBOL"), std::string::npos);
  EXPECT_NE(error_of("uprobe:x:main").find("whole path"), std::string::npos);
  EXPECT_NE(error_of("usdt:/x:name").find("PROVIDER"), std::string::npos);
  EXPECT_NE(error_of("kprobe:a 1x=%di").find("no argument"), std::string::npos);
  EXPECT_NE(error_of("kprobe:a x=").find("fetches nothing"), std::string::npos);
  EXPECT_NE(error_of("kprobe:a x=%di x=%si").find("two arguments"), std::string::npos);
  EXPECT_NE(error_of("kprobe:a x=%di\nb").find("fetches nothing"), std::string::npos);
  EXPECT_NE(error_of(std::string(kMaxSpec + 1, 'a')).find("too long"), std::string::npos);
  std::string many = "kprobe:a";
  for (std::size_t i = 0; i <= kMaxArguments; ++i) many += " a" + std::to_string(i);
  EXPECT_NE(error_of(many).find("too many"), std::string::npos);
}

TEST(ProbeSpec, NamesBecomeIdentifiers) {
  EXPECT_EQ(identifier_of("vfs_read"), "vfs_read");
  EXPECT_EQ(identifier_of("foo.isra.0"), "foo_isra_0");
  EXPECT_EQ(identifier_of("9p"), "_9p");
  EXPECT_EQ(identifier_of(""), "_");
  EXPECT_EQ(identifier_of(std::string(100, 'x')).size(), 60u);
}

}  // namespace
}  // namespace ivtrace::probes
