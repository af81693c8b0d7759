// What goes wrong in a guest that an agent is brought into. The whole way is an end-to-end test.
#include "attach/deploy.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "attach/agent_program.h"
#include "attach/deploy_scripts.h"
#include "base/sha256.h"
#include "hypervisor/guest_agent.h"
#include "hypervisor/guest_agent_test_support.h"

namespace ivtrace::attach {
namespace {

using hypervisor::FakeGuestAgent;
using nlohmann::json;
using ::testing::HasSubstr;

/// Its scripts do what they should unless a test says otherwise.
class DeployTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/ivtrace-deploy-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    options_.agent = program();
    options_.alive_wait = std::chrono::milliseconds(50);
    guest_.name = "vm";
    guest_.has_agent_port = true;
    guest_.agent_socket = fake_.path();
    fake_.run = [this](const std::string& script, const json& arguments) { return run(script, arguments); };
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  /// The smallest thing that passes for a static program: a header and one segment, then debug information.
  std::string program() const {
    std::string file(4096, '\0');
    Elf64_Ehdr head{};
    std::memcpy(head.e_ident, ELFMAG, SELFMAG);
    head.e_ident[EI_CLASS] = ELFCLASS64;
    head.e_machine = EM_X86_64;
    head.e_phoff = sizeof head;
    head.e_phnum = 1;
    head.e_phentsize = sizeof(Elf64_Phdr);
    head.e_shoff = 3000;
    Elf64_Phdr segment{};
    segment.p_type = PT_LOAD;
    segment.p_filesz = 1000;
    std::memcpy(file.data(), &head, sizeof head);
    std::memcpy(file.data() + sizeof head, &segment, sizeof segment);
    const std::string path = directory_ + "/agent";
    std::ofstream(path) << file;
    return path;
  }

  FakeGuestAgent::End run(const std::string& script, const json& arguments) {
    const auto has = [&](const char* part) { return script.find(part) != std::string::npos; };
    if (has("sha256sum")) {
      const std::string& bytes = fake_.files[arguments[0].get<std::string>() + "/ivtrace-agent"];
      return {0, corrupt_ ? "nonsense" : sha256_hex(std::as_bytes(std::span(bytes))) + "  -\n"};
    }
    if (has("mkdir")) return prepared_;
    if (has("tail -c")) return {0, "ivtrace-agent: no \x1b tracefs\nhere\n"};
    if (has("exec \"$1")) return started_;
    ++removals_;
    return {0, was_there_};
  }

  std::string directory_;
  FakeGuestAgent fake_;
  hypervisor::Guest guest_;
  DeployOptions options_;
  FakeGuestAgent::End prepared_{0, "/run/ivtrace-deployed"};
  FakeGuestAgent::End started_{0, "", true};
  std::string was_there_;
  bool corrupt_ = false;
  int removals_ = 0;
};

TEST_F(DeployTest, AnAgentThatEndsIsToldInItsOwnWordsAndRemoved) {
  started_ = {1, ""};
  const auto result = deploy(guest_, directory_ + "/ring", options_);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kGone);
  EXPECT_THAT(result.error().message,
              HasSubstr("vm: the agent ended in the guest (exit code 1): ivtrace-agent: no"));
  EXPECT_THAT(result.error().message, HasSubstr("tracefs here"));
  EXPECT_EQ(result.error().hint, "nothing was left in the guest");
  EXPECT_EQ(removals_, 2);  // of what an earlier one left, and of this one
  EXPECT_EQ(fake_.files["/run/ivtrace-deployed/ivtrace-agent"].size(), 1000u)
      << "debug information is cut off";
}

TEST_F(DeployTest, AnAgentThatServesNothingIsRemoved) {
  const auto result = deploy(guest_, directory_ + "/ring", options_);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kTimeout);
  EXPECT_EQ(removals_, 2);
}

TEST_F(DeployTest, NoPlaceInTheGuestIsToldWithTheReasons) {
  prepared_ = {1, "/run runs no programs (noexec) or is full; /root has 12 KiB free; "};
  const auto result = deploy(guest_, directory_ + "/ring", options_);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message, HasSubstr("/root has 12 KiB free"));
  EXPECT_TRUE(fake_.files.empty());
}

TEST_F(DeployTest, ACopyThatIsAnotherIsNeverStarted) {
  corrupt_ = true;
  started_ = {0, "started"};
  const auto result = deploy(guest_, directory_ + "/ring", options_);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message, HasSubstr("not what was sent"));
  EXPECT_EQ(removals_, 2);
}

TEST_F(DeployTest, AFullDiskIsToldAndNothingIsLeft) {
  fake_.write_error = "No space left on device";
  const auto result = deploy(guest_, directory_ + "/ring", options_);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message, HasSubstr("No space left on device"));
  EXPECT_EQ(removals_, 2);
}

TEST_F(DeployTest, UndeployTellsWhatItRemoved) {
  was_there_ = "/run/ivtrace-deployed";
  const auto result = undeploy(guest_);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_TRUE(result->was_there);
  EXPECT_EQ(result->directory, was_there_);
}

TEST_F(DeployTest, OnlyAStaticProgramIsBroughtIn) {
  for (const char* path : {"/bin/sh", "/etc/passwd", "/dev/null"})
    EXPECT_EQ(load_agent_program(path).error().code, ErrorCode::kInvalid) << path;
  EXPECT_EQ(find_agent_program(directory_ + "/none").error().code, ErrorCode::kNotFound);
  const auto whole = load_agent_program(options_.agent);
  ASSERT_TRUE(whole.ok());
  // Truncated anywhere within what its headers promise, it is none.
  std::ifstream file(options_.agent);
  const std::string content(std::istreambuf_iterator<char>(file), {});
  for (std::size_t size = 0; size < 1000; ++size) {
    const std::string path = directory_ + "/short";
    std::ofstream(path, std::ios::trunc) << content.substr(0, size);
    ASSERT_FALSE(load_agent_program(path).ok()) << size;
  }
}

/// The scripts themselves, with places in a directory of our own, under each shell that a guest may have.
class DeployScripts : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()) != "/bin/sh" && ::access("/bin/busybox", X_OK) != 0)
      GTEST_SKIP() << "no busybox here";
    char name[] = "/tmp/ivtrace-scripts-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    root_ = std::filesystem::canonical(name);
    std::filesystem::create_directories(root_ / "good");
  }
  void TearDown() override {
    if (!root_.empty()) std::filesystem::remove_all(root_);
  }

  hypervisor::ProgramEnd run(const char* script, const std::string& places,
                             const std::string& argument = "") {
    const std::string file = root_ / "script";
    std::ofstream(file, std::ios::trunc) << kCommon << "places='" << places << "'\n" << script;
    std::FILE* const pipe = ::popen((std::string(GetParam()) + " " + file + " " + argument).c_str(), "r");
    hypervisor::ProgramEnd end;
    for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) end.output.push_back(static_cast<char>(c));
    end.exit_code = WEXITSTATUS(::pclose(pipe));
    return end;
  }

  std::filesystem::path deployed() {
    const auto directory = root_ / "good/ivtrace-deployed";
    std::filesystem::create_directories(directory);
    return directory;
  }

  std::filesystem::path root_;
};

TEST_P(DeployScripts, TheFirstPlaceThatCanBeWrittenToIsTakenForRootAlone) {
  std::ofstream(root_ / "file") << "no directory";
  const auto end = run(kPrepare, (root_ / "file").string() + " " + (root_ / "good").string(), "1000");
  EXPECT_EQ(end.exit_code, 0) << end.output;
  EXPECT_EQ(end.output, root_ / "good/ivtrace-deployed");
  EXPECT_EQ(std::filesystem::status(end.output).permissions(), std::filesystem::perms::owner_all);
  EXPECT_TRUE(std::filesystem::is_empty(end.output));
}

TEST_P(DeployScripts, APlaceThatIsTooSmallIsToldAndLeftAsItWas) {
  const auto end = run(kPrepare, root_ / "good", "4000000000000000");
  EXPECT_EQ(end.exit_code, 1);
  EXPECT_THAT(end.output, HasSubstr("KiB free"));
  EXPECT_TRUE(std::filesystem::is_empty(root_ / "good"));
}

TEST_P(DeployScripts, AnAgentBehindALinkedPlaceIsEndedAndRemoved) {
  const auto program = deployed() / "ivtrace-agent";
  std::filesystem::create_directory_symlink(root_ / "good", root_ / "link");
  std::filesystem::copy_file("/bin/sleep", program);
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl(program.c_str(), program.c_str(), "1000", nullptr);
    ::_exit(127);
  }
  std::error_code none;
  while (std::filesystem::read_symlink("/proc/" + std::to_string(child) + "/exe", none) != program) continue;
  std::ofstream(deployed() / "pid") << child << '\n';
  const auto end = run(kRemove, root_ / "link");
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_EQ(end.output, root_ / "good/ivtrace-deployed");
  EXPECT_FALSE(std::filesystem::exists(root_ / "good/ivtrace-deployed"));
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

TEST_P(DeployScripts, WhatADeadAgentLeftIsRemovedByItsProgram) {
  const auto program = deployed() / "ivtrace-agent";
  std::ofstream(program) << "#!/bin/sh\necho \"$@\" >" << (root_ / "asked").string() << "\n";
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  std::ofstream(deployed() / "pid") << ::getpid() << '\n';  // a number that another process has by now
  EXPECT_EQ(run(kRemove, root_ / "good").exit_code, 0);
  EXPECT_FALSE(std::filesystem::exists(root_ / "good/ivtrace-deployed"));
  std::string asked;
  std::getline(std::ifstream(root_ / "asked"), asked);
  EXPECT_EQ(asked, "--cleanup");
}

TEST_P(DeployScripts, WhereNothingIsNothingIsSaid) {
  const auto end = run(kRemove, root_ / "good");
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_EQ(end.output, "");
}

INSTANTIATE_TEST_SUITE_P(Shells, DeployScripts, ::testing::Values("/bin/sh", "/bin/busybox sh"));

}  // namespace
}  // namespace ivtrace::attach
