#include "tracers/stap_compile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/fd.h"
#include "tracers/stap_kernel.h"

namespace ivtrace::tracers {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// A home of its own, a stap that is a script of ours, and headers that hold what is looked at.
class StapCompileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(root_ / "bin");
    fs::create_directories(tree() + "/include/generated");
    fs::create_directories(tree() + "/include/linux");
    fs::create_directories(root_ / "runtime");
    put(tree() + "/.config", "");
    put(tree() + "/include/generated/utsrelease.h", "#define UTS_RELEASE \"6.1.0-9-test\"\n");
    put((root_ / "x.stp").string(), "probe begin { }\n");
    ::setenv("XDG_CACHE_HOME", (root_ / "cache").c_str(), 1);
    ::setenv("PATH", ((root_ / "bin").string() + ":" + path_).c_str(), 1);
    ::setenv("SYSTEMTAP_RUNTIME", (root_ / "runtime").c_str(), 1);
    // -p3 tells the program, -p4 leaves the module in its directory; each run leaves a line.
    put_stap(R"(for last; do :; done
case $2 in
  -m) name=$3 ;;
esac
case $1 in
  -p3) cat "$last" ;;
  -p4) echo module >"$3.ko" ;;
esac
)");
  }
  void TearDown() override {
    ::unsetenv("XDG_CACHE_HOME");
    ::unsetenv("SYSTEMTAP_RUNTIME");
    ::setenv("PATH", path_.c_str(), 1);
    fs::remove_all(root_);
  }

  static void put(const std::string& path, const std::string& text) { std::ofstream(path) << text; }
  void put_stap(const std::string& body) {
    const fs::path stap = root_ / "bin" / "stap";
    put(stap.string(), "#!/bin/sh\n[ \"$1\" != --version ] || { echo 'Systemtap translator/driver (version " +
                           version_ + "/0.188, Debian)'; exit; }\necho \"$1\" >>" +
                           (root_ / "passes").string() + "\n" + body);
    ::chmod(stap.c_str(), 0755);
  }
  std::string tree() const { return (root_ / "tree").string(); }
  StapCompile what() const { return {(root_ / "x.stp").string(), "6.1.0-9-test", {"-r", tree()}, ""}; }
  std::string passes() const {
    const auto text = read_file((root_ / "passes").string());
    return text ? *text : "";
  }
  std::string refusal(const StapCompile& what) const {
    const auto module = compile_stap(what, {});
    EXPECT_FALSE(module.ok());
    return module ? "" : module.error().to_string();
  }

  const fs::path root_ = fs::path("/tmp") / ("ivtrace-stap-" + std::to_string(::getpid()));
  const std::string path_ = ::getenv("PATH");
  std::string version_ = "4.8";
};

TEST_F(StapCompileTest, the_same_script_is_compiled_once) {
  const auto first = compile_stap(what(), {});
  ASSERT_TRUE(first.ok()) << first.error().to_string();
  EXPECT_TRUE(is_stap_module_name(first->name)) << first->name;
  EXPECT_EQ(fs::path(first->path).filename(), first->name + ".ko");
  const auto second = compile_stap(what(), {});
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->name, first->name);
  EXPECT_EQ(passes(), "-p3\n-p4\n-p3\n");
}

TEST_F(StapCompileTest, another_script_or_option_is_another_module) {
  const auto first = compile_stap(what(), {});
  put((root_ / "x.stp").string(), "probe end { }\n");
  const auto changed = compile_stap(what(), {});
  StapCompile with_option = what();
  with_option.options.push_back("-DMAXSTRINGLEN=256");
  const auto other = compile_stap(with_option, {});
  ASSERT_TRUE(first.ok() && changed.ok() && other.ok());
  EXPECT_NE(changed->name, first->name);
  EXPECT_NE(other->name, changed->name);
}

TEST_F(StapCompileTest, stap_gets_the_tapset_and_is_told_to_tell_when_all_is_armed) {
  const auto arguments = stap_arguments(what());
  ASSERT_TRUE(arguments.ok()) << arguments.error().to_string();
  ASSERT_GE(arguments->size(), 4u);
  EXPECT_EQ((*arguments)[0], "-I");
  const auto tapset = read_file((*arguments)[1] + "/ivtrace.stp");
  ASSERT_TRUE(tapset.ok());
  EXPECT_THAT(*tapset, HasSubstr("function ivtrace_event"));
  EXPECT_THAT((*arguments)[3], HasSubstr("ivtrace-armed"));
}

TEST_F(StapCompileTest, headers_that_are_missing_are_named_with_their_package) {
  StapCompile other = what();
  other.options.clear();
  EXPECT_THAT(refusal(other), HasSubstr("apt-get install linux-headers-6.1.0-9-test"));
  other.options = {"-r", "/nowhere"};
  EXPECT_THAT(refusal(other), HasSubstr("no /nowhere/.config"));
}

TEST_F(StapCompileTest, headers_of_another_kernel_are_refused) {
  StapCompile other = what();
  other.release = "6.1.0-10-test";
  EXPECT_THAT(refusal(other), HasSubstr("are of the kernel 6.1.0-9-test, not of 6.1.0-10-test"));
}

TEST_F(StapCompileTest, a_guests_release_is_no_path) {
  StapCompile hostile = what();
  hostile.options.clear();
  for (const char* release : {"../../tmp/x", ".", "", "-r", "6.1 x", "6.1\n"}) {
    hostile.release = release;
    EXPECT_THAT(refusal(hostile), HasSubstr("is no release of a kernel")) << release;
  }
}

TEST_F(StapCompileTest, a_version_that_is_too_old_for_the_kernel_is_told) {
  StapCompile newer = what();
  newer.release = "6.12.1";
  EXPECT_THAT(refusal(newer),
              HasSubstr("SystemTap 4.8 is too old for the kernel 6.12.1 (install SystemTap 5.6"));
  EXPECT_TRUE(check_version("5.6", "6.12.1").ok());
  EXPECT_TRUE(check_version("4.8", "6.1.0").ok());
}

TEST_F(StapCompileTest, what_stap_says_of_a_script_is_told_in_one_line) {
  put_stap(
      "echo \"WARNING: x\nparse error: expected literal string or number\n\tsaw: operator '}' at x.stp:1:48\n"
      "     source: probe\" >&2; exit 1\n");
  const std::string text = refusal(what());
  EXPECT_THAT(text, HasSubstr("expected literal string or number; saw: operator '}' at x.stp:1:48"));
  EXPECT_EQ(text.find('\n'), text.npos);
}

TEST_F(StapCompileTest, a_compilation_can_be_given_up) {
  put_stap("exec sleep 60\n");
  StapCallbacks callbacks;
  callbacks.give_up = [] { return true; };
  const auto module = compile_stap(what(), callbacks);
  ASSERT_FALSE(module.ok());
  EXPECT_EQ(module.error().code, ErrorCode::kGone);
}

TEST_F(StapCompileTest, an_older_runtime_is_adapted_to_the_headers_new_name) {
  put((root_ / "runtime" / "stp_task_work.c").string(),
      "typedef typeof(&task_work_cancel) "
      "task_work_cancel_fn;\nkallsyms_lookup_name(\"task_work_cancel\");\n");
  const auto as_it_is = fitting_runtime(tree(), "4.8", {});
  ASSERT_TRUE(as_it_is.ok());
  EXPECT_EQ(*as_it_is, "") << "these headers have the old name";
  put(tree() + "/include/linux/task_work.h",
      "struct callback_head *task_work_cancel_func(struct task_struct *);\n");
  std::vector<std::string> notices;
  const auto note = [&](const std::string& line) { notices.push_back(line); };
  const auto adapted = fitting_runtime(tree(), "4.8", note);
  ASSERT_TRUE(adapted.ok()) << adapted.error().to_string();
  const auto text = read_file(*adapted + "/stp_task_work.c");
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text,
            "typedef typeof(&task_work_cancel_func) task_work_cancel_fn;\n"
            "kallsyms_lookup_name(\"task_work_cancel_func\");\n");
  ASSERT_TRUE(fitting_runtime(tree(), "4.8", note).ok());
  EXPECT_EQ(notices.size(), 1u) << "told when the copy is made";
}

TEST_F(StapCompileTest, a_runtime_that_looks_only_into_the_kernel_itself_leaves_the_look_up_to_it) {
  const std::string before = "#define USE_KALLSYMS_ON_EACH_SYMBOL (_stp_kallsyms_on_each_symbol != NULL)\n";
  fs::create_directories(root_ / "runtime" / "linux");
  put((root_ / "runtime" / "linux" / "kprobes.c").string(), before);
  const auto adapted = fitting_runtime(tree(), "4.8", {});
  ASSERT_TRUE(adapted.ok()) << adapted.error().to_string();
  EXPECT_EQ(*read_file(*adapted + "/linux/kprobes.c"), "#define USE_KALLSYMS_ON_EACH_SYMBOL (0)\n");
  put(tree() + "/include/generated/utsrelease.h", "#define UTS_RELEASE \"5.11.0-9-test\"\n");
  EXPECT_EQ(*fitting_runtime(tree(), "4.8", {}), "") << "there modules are looked into";
}

TEST_F(StapCompileTest, a_kernels_symbols_make_a_tree_with_a_system_map) {
  const auto with = tree_with_symbols(tree(), "6.1.0-9-test", "ffffffff81000000 T _text\n");
  ASSERT_TRUE(with.ok()) << with.error().to_string();
  EXPECT_THAT(*with, StartsWith((root_ / "cache").string()));
  EXPECT_EQ(*read_file(*with + "/System.map"), "ffffffff81000000 T _text\n");
  EXPECT_TRUE(read_file(*with + "/include/generated/utsrelease.h").ok());
  EXPECT_EQ(*tree_with_symbols(tree(), "6.1.0-9-test", "ffffffff81000000 T _text\n"), *with);
}

TEST_F(StapCompileTest, kprobes_need_the_kernels_symbols) {
  EXPECT_FALSE(*wants_kallsyms(what()));
  put((root_ / "x.stp").string(), "probe kprobe.function(\"vfs_read\") { }\n");
  EXPECT_TRUE(*wants_kallsyms(what()));
}

TEST(StapText, the_place_of_an_error_and_its_reason_are_put_together) {
  EXPECT_EQ(
      first_stap_error("semantic error: resolution failed in tracepoint builder\n\n"
                       "semantic error: while resolving probe point: identifier 'kernel' at d.stp:5:7\n"
                       "        source: probe kernel.trace(\"x\") {\n\nsemantic error: no match\n"),
      "semantic error: resolution failed in tracepoint builder; semantic error: while resolving probe point: "
      "identifier 'kernel' at d.stp:5:7");
  EXPECT_EQ(first_stap_error("semantic error: while resolving probe point: identifier 'kernel' at d.stp:1:7\n"
                             "\nsemantic error: no match (similar tracepoints: sched_switch)\n"),
            "semantic error: while resolving probe point: identifier 'kernel' at d.stp:1:7; semantic error: "
            "no match "
            "(similar tracepoints: sched_switch)");
  EXPECT_EQ(first_stap_error("/tmp/a/x_src.c:107:40: error: passing argument\n"), "error: passing argument");
  EXPECT_EQ(first_stap_error("WARNING: a\n\nsomething else\n"), "something else");
  EXPECT_EQ(first_stap_error(""), "");
  EXPECT_LE(first_stap_error("parse error: " + std::string(9999, 'x')).size(), 400u);
}

TEST(StapText, the_version_is_what_stands_behind_the_word) {
  EXPECT_EQ(stap_version_of("Systemtap translator/driver (version 4.8/0.188, Debian version 4.8-2)\n"),
            "4.8");
  EXPECT_EQ(stap_version_of("Systemtap module loader/runner (version 5.6/0.192, x)"), "5.6");
  EXPECT_EQ(stap_version_of("nothing"), "");
}

TEST(StapText, a_system_map_does_not_tell_where_this_boot_put_the_kernel) {
  EXPECT_EQ(system_map_of("0000000000000000 A fixed_percpu_data\n"
                          "ffffffff9a000000 T _text\n"
                          "ffffffff9a000010 t inner\n"
                          "ffffffffc0301000 t kvm_write\t[kvm]\n"
                          "ffffffffc0302000 d kvm_data\t[kvm]\n"
                          "ffffffff9a000020 T two words\n"
                          "ffffffff9a000020 T esc\x1b\n"
                          "not a symbol\n"),
            "ffffffff81000000 T _text\nffffffff81000010 t inner\n");
  EXPECT_EQ(system_map_of("0000000000000000 T _text\n0000000000000000 t inner\n"), "") << "hidden addresses";
}

TEST(StapText, a_system_map_has_nothing_of_modules) {
  const std::string text = "ffffffff9a000000 T _text\n";
  const std::string modules =
      "ffffffffc0501000 t read\t[b]\nffffffffc0600000 t bpf_prog_6deef7357e7b4530\t[bpf]\n"
      "ffffffffc0600200 t probe_1\t[ivtrace_0123456789abcdef]\n";
  EXPECT_EQ(system_map_of(text + modules), "ffffffff81000000 T _text\n");
}

TEST(StapModuleName, is_ours_only_in_that_form) {
  EXPECT_TRUE(is_stap_module_name("ivtrace_0123456789abcdef"));
  for (const char* other : {"ivtrace_", "ivtrace_x", "stap_0123456789abcdef", "ivtrace_0123456789abcdeg",
                            "ivtrace_0123456789abcdef0"})
    EXPECT_FALSE(is_stap_module_name(other)) << other;
}

}  // namespace
}  // namespace ivtrace::tracers
