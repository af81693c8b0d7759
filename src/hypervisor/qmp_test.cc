// A server that misbehaves in every way that a busy, hung or compromised QEMU can.
#include "hypervisor/qmp.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "hypervisor/qmp_facts.h"
#include "hypervisor/qmp_test_support.h"

namespace ivtrace::hypervisor {
namespace {

using nlohmann::json;

constexpr Nanoseconds kPatience{20'000'000'000};
constexpr Nanoseconds kShort{150'000'000};

void drain(int client) {
  char chunk[4096];
  while (recv(client, chunk, sizeof chunk, 0) > 0) continue;
}

TEST(Qmp, AnswersAreFoundAmongEventsAndOthersAnswers) {
  FakeQemu qemu([](int client) {
    serve_commands(client, [](const json& command) {
      return "{\"event\": \"RESUME\", \"data\": {}}\n{\"return\": 1, \"id\": 77777}\n{\"return\": 2}\n" +
             returns(command, "mine");
    });
  });
  auto connection = QmpConnection::open(qemu.path(), kPatience, kPatience);
  ASSERT_TRUE(connection.ok());
  const auto answer = connection->execute("query-name");
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(*answer, "mine");
}

TEST(Qmp, AnErrorOfQemuIsNotFoundAndTheConnectionGoesOn) {
  FakeQemu qemu([](int client) {
    serve_commands(client, [](const json& command) {
      if (command["execute"] != "bad") return returns(command, json::object());
      return json{{"error", {{"class", "CommandNotFound"}, {"desc", "no\nway"}}}, {"id", command["id"]}}
                 .dump() +
             "\n";
    });
  });
  auto connection = QmpConnection::open(qemu.path(), kPatience, kPatience);
  ASSERT_TRUE(connection.ok());
  EXPECT_EQ(connection->execute("bad").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(connection->execute("bad").error().message, "QMP command bad failed: no way");
  EXPECT_TRUE(connection->execute("query-name").ok());
}

TEST(Qmp, NoGreetingMeansThatSomebodyElseIsServed) {
  FakeQemu qemu([](int client) { drain(client); });
  EXPECT_EQ(QmpConnection::open(qemu.path(), kShort, kPatience).error().code, ErrorCode::kBusy);
}

TEST(Qmp, AnEndlessDripOfBytesEndsAtTheLimit) {
  FakeQemu qemu([](int client) {
    while (say(client, "{")) usleep(5000);
  });
  EXPECT_EQ(QmpConnection::open(qemu.path(), kShort, kPatience).error().code, ErrorCode::kTimeout);
}

TEST(Qmp, AFloodWithoutALineEndIsCut) {
  FakeQemu qemu([](int client) {
    while (say(client, std::string(65536, 'x'))) continue;
  });
  EXPECT_EQ(QmpConnection::open(qemu.path(), kPatience, kPatience).error().code, ErrorCode::kCorrupt);
}

TEST(Qmp, AFloodOfEventsIsNoAnswer) {
  FakeQemu qemu([](int client) {
    say(client, kGreeting);
    while (say(client, "{\"event\": \"X\"}\n")) continue;
  });
  EXPECT_EQ(QmpConnection::open(qemu.path(), kPatience, kPatience).error().code, ErrorCode::kCorrupt);
}

TEST(Qmp, WhatIsNoQmpIsSaidToBeNone) {
  for (const char* greeting : {"SSH-2.0-OpenSSH_9.2\r\n", "{}\n", "[1]\n", "{\"QMP\": \n", "\n"}) {
    FakeQemu qemu([&](int client) {
      say(client, greeting);
      drain(client);
    });
    EXPECT_EQ(QmpConnection::open(qemu.path(), kPatience, kPatience).error().code, ErrorCode::kCorrupt)
        << greeting;
  }
}

TEST(Qmp, AServerThatGoesAwayIsGone) {
  FakeQemu qemu([](int client) { say(client, kGreeting); });
  EXPECT_EQ(QmpConnection::open(qemu.path(), kPatience, kPatience).error().code, ErrorCode::kGone);
}

TEST(Qmp, AHangInTheMiddleEndsTheConnectionsUse) {
  FakeQemu qemu([](int client) {
    serve_commands(client, [](const json& command) {
      return command["execute"] == "hang" ? std::string() : returns(command, json::object());
    });
  });
  auto connection = QmpConnection::open(qemu.path(), kShort, kPatience);
  if (!connection) GTEST_SKIP() << "the machine is too busy for a limit of 150 ms";
  EXPECT_EQ(connection->execute("hang").error().code, ErrorCode::kTimeout);
  EXPECT_FALSE(connection->usable());
  EXPECT_EQ(connection->execute("query-name").error().code, ErrorCode::kGone);
}

TEST(Qmp, AllStepsTogetherHaveALimitToo) {
  FakeQemu qemu([](int client) {
    serve_commands(client, [](const json& command) {
      usleep(20'000);
      return returns(command, json::object());
    });
  });
  auto connection = QmpConnection::open(qemu.path(), kPatience, Nanoseconds{400'000'000});
  if (!connection) GTEST_SKIP() << "the machine is too busy for a limit of 400 ms";
  int answered = 0;
  while (connection->usable() && answered < 10'000)
    answered += connection->execute("query-name").ok() ? 1 : 0;
  EXPECT_LT(answered, 10'000);
}

TEST(Qmp, PathsThatCannotBeSocketsAreRefused) {
  EXPECT_EQ(QmpConnection::open("", kShort, kShort).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(QmpConnection::open("/" + std::string(200, 'x'), kShort, kShort).error().code,
            ErrorCode::kInvalid);
  EXPECT_EQ(QmpConnection::open("/tmp/ivtrace-no-such-socket", kShort, kShort).error().code,
            ErrorCode::kNotFound);
}

TEST(QmpFacts, BlockDevicesAndTheirAio) {
  const json reply = json::parse(R"([
    {"device": "d0", "removable": false, "inserted": {"file": "/img/a.qcow2", "drv": "qcow2", "node-name": "#block1",
      "cache": {"writeback": true, "direct": true, "no-flush": false}}},
    {"device": "ide1-cd0", "removable": true, "inserted": {"file": "/img/x.iso", "drv": "raw"}},
    {"device": "", "inserted": {"file": "/img/b.raw", "drv": "raw", "node-name": "plugged"}},
    {"device": "floppy0"}, 7, {"device": 5, "inserted": {"file": {}}}])");
  Disk known;
  known.device = "d0";
  known.path = "/img/a.qcow2";
  known.aio = "io_uring";
  std::vector<Disk> told;
  for (const QmpDisk& found : disks_of(reply)) told.push_back(found.disk);
  const auto disks = merge_disks({known}, told);
  ASSERT_EQ(disks.size(), 2u);
  EXPECT_EQ(disks[0].cache, "none");
  EXPECT_EQ(disks[0].aio, "io_uring");
  EXPECT_EQ(disks[1].device, "plugged");
  EXPECT_EQ(disks[1].aio, "");  // plugged later: nobody tells
}

TEST(QmpFacts, LimitsAndWhatLiesBelowFilters) {
  const json reply = json::parse(R"([
    {"device": "d0", "inserted": {"file": "/a", "drv": "raw", "iops": 200, "iops_rd": 0, "bps_wr": 4096, "iops_max": 500,
      "group": "d0"}},
    {"device": "", "inserted": {"node-name": "t1", "drv": "throttle", "iops": 0, "file":
      "json:{\"throttle-group\": \"G\", \"driver\": \"throttle\", \"file\": {\"driver\": \"raw\", \"file\": {\"driver\": \"file\", \"filename\": \"/b\"}}}"}},
    {"device": "", "inserted": {"node-name": "t2", "drv": "raw", "file":
      "json:{\"driver\": \"raw\", \"offset\": 512, \"file\": {\"driver\": \"file\", \"filename\": \"/c\"}}"}},
    {"device": "", "inserted": {"node-name": "t3", "drv": "file", "iops": "9", "bps": -1, "bps_rd": 1e300, "file": "json:{"}}])");
  const auto disks = disks_of(reply);
  ASSERT_EQ(disks.size(), 4u);
  EXPECT_EQ(limits_text(disks[0].disk.limits), "200 requests/s, 4.0 KiB/s of writes (qemu)");
  EXPECT_EQ(disks[1].disk.path, "/b");
  EXPECT_EQ(disks[1].disk.format, "raw");
  EXPECT_EQ(disks[1].throttle_groups, std::vector<std::string>{"G"});
  EXPECT_TRUE(disks[2].disk.path.starts_with("json:"));  // at another address than its file's
  EXPECT_EQ(disks[3].disk.path, "json:{");
  EXPECT_FALSE(disks[3].disk.limits.any());
  EXPECT_EQ(
      limits_text(group_limits_of(json::parse(R"({"iops-total": 100, "bps-read": 0, "iops-size": 4096})"))),
      "100 requests/s (qemu)");
  EXPECT_FALSE(group_limits_of(json("x")).any());
}

TEST(QmpFacts, TypesAreNotBelieved) {
  EXPECT_TRUE(
      vcpus_of(json::parse(R"([{"cpu-index": -1, "thread-id": 5}, {"cpu-index": 0, "thread-id": 99999999999},
                                       {"cpu-index": "0"}, null, {"cpu-index": 0, "thread-id": 0}])"))
          .empty());
  EXPECT_TRUE(vcpus_of(json("x")).empty());
  EXPECT_TRUE(disks_of(json::object()).empty());
  EXPECT_EQ(text_of(json(std::string("a\0b", 3))), "");
  EXPECT_EQ(text_of(json(std::string(10000, 'a'))), "");
}

}  // namespace
}  // namespace ivtrace::hypervisor
