#include "probes/usdt.h"

#include <gtest/gtest.h>

#include <cstring>

namespace ivtrace::probes {
namespace {

std::string note(const std::string& provider, const std::string& name, const std::string& arguments) {
  std::string desc;
  for (const std::uint64_t address : {0x1139ull, 0x2000ull, 0x4010ull}) {
    desc.append(reinterpret_cast<const char*>(&address), sizeof address);
  }
  desc += provider + '\0' + name + '\0' + arguments + '\0';
  const std::uint32_t header[3] = {8, static_cast<std::uint32_t>(desc.size()), 3};
  std::string bytes(reinterpret_cast<const char*>(header), sizeof header);
  bytes += std::string("stapsdt\0", 8) + desc;
  while (bytes.size() % 4 != 0) bytes += '\0';
  return bytes;
}

std::string fetch(const std::string& operand, const std::string& type = "") {
  UsdtSite site;
  site.arguments = "8@%rax " + operand;
  const auto found = fetch_usdt_argument(site, 2, type, [](std::string_view name) {
    return name == "counter" ? std::optional<std::uint64_t>(4096) : std::nullopt;
  });
  return found ? *found : "";
}

TEST(Usdt, NotesOfAProgram) {
  const auto sites = parse_usdt_notes(note("lab", "begin", "8@%rdi") + note("lab", "end", ""));
  ASSERT_TRUE(sites) << sites.error().message;
  ASSERT_EQ(sites->size(), 2u);
  EXPECT_EQ(sites->at(0).provider, "lab");
  EXPECT_EQ(sites->at(0).name, "begin");
  EXPECT_EQ(sites->at(0).arguments, "8@%rdi");
  EXPECT_EQ(sites->at(0).address, 0x1139u);
  EXPECT_EQ(sites->at(0).base, 0x2000u);
  EXPECT_EQ(sites->at(0).semaphore, 0x4010u);
  EXPECT_EQ(sites->at(1).name, "end");
}

TEST(Usdt, EveryTruncationIsRefusedOrEmpty) {
  const std::string whole = note("lab", "begin", "8@%rdi");
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    const auto sites = parse_usdt_notes(whole.substr(0, bytes));
    // The padding behind the descriptor belongs to no note.
    EXPECT_TRUE(!sites || sites->empty() || bytes >= whole.size() - 3) << bytes;
  }
}

TEST(Usdt, NotesOfOthersArePassedOver) {
  std::string other = note("x", "y", "");
  other[12] = 'S';
  const auto sites = parse_usdt_notes(other + note("lab", "begin", ""));
  ASSERT_TRUE(sites);
  ASSERT_EQ(sites->size(), 1u);
  EXPECT_EQ(sites->front().provider, "lab");
}

TEST(Usdt, OperandsAsTheKernelWritesThem) {
  EXPECT_EQ(fetch("8@%rdi"), "%di:u64");
  EXPECT_EQ(fetch("-4@%eax"), "%ax:s32");
  EXPECT_EQ(fetch("1@%sil"), "%si:u8");
  EXPECT_EQ(fetch("1@%bl"), "%bx:u8");
  EXPECT_EQ(fetch("2@%r10w"), "%r10:u16");
  EXPECT_EQ(fetch("-4@%r9d"), "%r9:s32");
  EXPECT_EQ(fetch("-4@$-5"), "\\-5:s32");
  EXPECT_EQ(fetch("8@-20(%rbp)"), "-20(%bp):u64");
  EXPECT_EQ(fetch("8@(%rsp)"), "+0(%sp):u64");
  EXPECT_EQ(fetch("4@counter(%rip)"), "@+4096:u32");
  EXPECT_EQ(fetch("4@counter+8(%rip)"), "@+4104:u32");
  EXPECT_EQ(fetch("8@%rsi", "string"), "+0(%si):string");
  EXPECT_EQ(fetch("8@-8(%rbp)", "x64"), "-8(%bp):x64");
}

TEST(Usdt, WhatTheKernelCannotBeToldIsRefused) {
  for (const char* operand : {"8@(%rax,%rbx,4)", "8f@%xmm0", "4@%ah", "8@other(%rip)", "8", "@%rdi", "3@%rdi",
                              "8@%r16", "8@%zax", "8@x(%rax)"}) {
    EXPECT_EQ(fetch(operand), "") << operand;
  }
  UsdtSite site;
  site.provider = "lab";
  site.name = "begin";
  const auto none = fetch_usdt_argument(site, 1, "", [](std::string_view) { return std::nullopt; });
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message, "the probe lab:begin has no arg1: it has 0");
}

}  // namespace
}  // namespace ivtrace::probes
