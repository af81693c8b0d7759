#include "probes/parameters.h"

#include <gtest/gtest.h>

namespace ivtrace::probes {
namespace {

Value value(const char* name, std::uint64_t bytes, bool is_signed = false,
            Passing passing = Passing::kInteger) {
  return {name, passing, bytes, is_signed, false};
}

std::string fetch(const FunctionType& function, const char* name, const char* type = "",
                  Style style = Style::kRegisters) {
  const auto found = fetch_parameter(function, name, type, style);
  return found ? *found : "error: " + found.error().message;
}

TEST(Parameters, RegistersInTheOrderOfTheAbi) {
  FunctionType function;
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g", "h"})
    function.parameters.push_back(value(name, 8));
  EXPECT_EQ(fetch(function, "a"), "%di:u64");
  EXPECT_EQ(fetch(function, "b"), "%si:u64");
  EXPECT_EQ(fetch(function, "c"), "%dx:u64");
  EXPECT_EQ(fetch(function, "d"), "%cx:u64");
  EXPECT_EQ(fetch(function, "e"), "%r8:u64");
  EXPECT_EQ(fetch(function, "f"), "%r9:u64");
  EXPECT_EQ(fetch(function, "g"), "$stack1:u64");
  EXPECT_EQ(fetch(function, "h"), "$stack2:u64");
  EXPECT_EQ(fetch(function, "b", "", Style::kArguments), "$arg2:u64");
  EXPECT_NE(fetch(function, "g", "", Style::kArguments).find("error"), std::string::npos);
}

TEST(Parameters, TypesAreDeclaredOrAskedFor) {
  FunctionType function;
  function.parameters = {value("a", 4, true), value("b", 1), {"p", Passing::kInteger, 8, false, true}};
  EXPECT_EQ(fetch(function, "a"), "%di:s32");
  EXPECT_EQ(fetch(function, "b"), "%si:u8");
  EXPECT_EQ(fetch(function, "p"), "%dx:x64");
  EXPECT_EQ(fetch(function, "a", "x16"), "%di:x16");
  EXPECT_EQ(fetch(function, "p", "string"), "+0(%dx):string");
  EXPECT_EQ(fetch(function, "p", "ustring"), "+0(%dx):ustring");
}

TEST(Parameters, WhatIsElsewhereTakesNoRegister) {
  FunctionType function;
  function.parameters = {value("x", 8, false, Passing::kSse), value("a", 8),
                         value("big", 24, false, Passing::kMemory), value("pair", 16), value("b", 8)};
  EXPECT_EQ(fetch(function, "a"), "%di:u64");
  EXPECT_EQ(fetch(function, "b"), "%cx:u64");  // the pair has si and dx
  EXPECT_NE(fetch(function, "x").find("no register"), std::string::npos);
  EXPECT_NE(fetch(function, "pair").find("no register"), std::string::npos);
}

TEST(Parameters, BehindTheUnknownAllIsUnknown) {
  FunctionType function;
  function.parameters = {value("a", 8), value("s", 12, false, Passing::kUnknown), value("b", 8)};
  EXPECT_EQ(fetch(function, "a"), "%di:u64");
  EXPECT_NE(fetch(function, "b").find("error"), std::string::npos);
}

TEST(Parameters, AWrongNameIsToldTheRightOnes) {
  FunctionType function;
  function.parameters = {value("file", 8), value("count", 8)};
  EXPECT_NE(fetch(function, "cnt").find("it has file, count"), std::string::npos);
  EXPECT_NE(fetch({}, "x").find("it has none"), std::string::npos);
}

TEST(Parameters, ReturnedValues) {
  EXPECT_EQ(fetch_returned(std::nullopt, ""), "$retval");
  EXPECT_EQ(fetch_returned(value("ret", 4, true), ""), "$retval:s32");
  EXPECT_EQ(fetch_returned(value("ret", 4, true), "x64"), "$retval:x64");
  EXPECT_EQ(fetch_returned(std::nullopt, "string"), "+0($retval):string");
}

}  // namespace
}  // namespace ivtrace::probes
