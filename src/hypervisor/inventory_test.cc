// A made-up /proc for what no real process shows, and real QEMU processes for the rest.
#include "hypervisor/inventory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "hypervisor/process.h"
#include "hypervisor/qmp.h"

extern char** environ;

namespace ivtrace::hypervisor {
namespace {

namespace fs = std::filesystem;

class TemporaryDirectory : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/ivtrace-inv-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { fs::remove_all(directory_); }
  fs::path directory_;
};

class FakeProc : public TemporaryDirectory {
 protected:
  void process(int pid, std::uint64_t start, const std::string& program,
               const std::vector<std::string>& arguments,
               const std::vector<std::pair<int, std::string>>& threads) {
    const fs::path entry = directory_ / std::to_string(pid);
    fs::remove_all(entry);
    fs::create_directories(entry);
    fs::create_symlink(program, entry / "exe");
    fs::create_symlink("/srv", entry / "cwd");
    std::ofstream stat(entry / "stat");
    stat << pid << " (a) b ) S";
    for (int field = 4; field <= 21; ++field) stat << " 0";
    stat << " " << start << " 0 0\n";
    std::ofstream line(entry / "cmdline");
    line << program << '\0';
    for (const std::string& argument : arguments) line << argument << '\0';
    for (const auto& [tid, name] : threads) {
      fs::create_directories(entry / "task" / std::to_string(tid));
      std::ofstream(entry / "task" / std::to_string(tid) / "comm") << name << "\n";
    }
  }
  InventoryOptions options() const {
    InventoryOptions options;
    options.proc = directory_.string();
    options.use_qmp = false;
    return options;
  }
};

TEST_F(FakeProc, FactsWithoutAMonitor) {
  process(50, 7, "/usr/bin/bash", {"-name", "no"}, {{50, "bash"}});
  process(60, 9, "/usr/bin/qemu-system-x86_64",
          {"-name", "vm1,debug-threads=on", "-drive", "file=d.img,format=raw"},
          {{60, "qemu-system-x86"}, {62, "CPU 1/KVM"}, {61, "CPU 0/KVM"}, {63, "CPU x/KVM"}, {64, "worker"}});
  const auto guests = find_guests(options());
  ASSERT_TRUE(guests.ok());
  ASSERT_EQ(guests->size(), 1u);
  const Guest& guest = guests->front();
  EXPECT_EQ(guest.pid, Pid(60));
  EXPECT_EQ(guest.start_time, 9u);
  EXPECT_EQ(guest.name, "vm1");
  EXPECT_EQ(guest.accel, "kvm");
  ASSERT_EQ(guest.vcpus.size(), 2u);
  EXPECT_EQ(guest.vcpus[0].thread, Tid(61));
  EXPECT_EQ(guest.vcpus[1].thread, Tid(62));
  ASSERT_EQ(guest.disks.size(), 1u);
  EXPECT_EQ(guest.disks[0].path, "/srv/d.img");
  EXPECT_EQ(guest.qmp.state, QmpState::kNone);
  EXPECT_FALSE(guest.unknown.empty());
}

TEST_F(FakeProc, APidThatIsUsedAgainIsAnotherGuest) {
  Watch watch(options());
  process(60, 9, "/usr/bin/qemu-system-x86_64", {"-name", "first"}, {{60, "q"}});
  auto changes = watch.look();
  ASSERT_TRUE(changes.ok());
  EXPECT_EQ(changes->came.size(), 1u);
  EXPECT_FALSE(watch.look()->any());
  process(60, 10, "/usr/bin/qemu-system-x86_64", {"-name", "second"}, {{60, "q"}});
  changes = watch.look();
  ASSERT_EQ(changes->came.size(), 1u);
  ASSERT_EQ(changes->gone.size(), 1u);
  EXPECT_EQ(changes->came[0].name, "second");
  EXPECT_EQ(changes->gone[0].name, "first");
  fs::remove_all(directory_ / "60");
  EXPECT_EQ(watch.look()->gone.size(), 1u);
  EXPECT_TRUE(watch.guests().empty());
}

TEST_F(FakeProc, WhatIsPluggedLaterIsSeenWithinTenLooks) {
  Watch watch(options());
  process(60, 9, "/usr/bin/qemu-system-x86_64", {}, {{60, "q"}, {61, "CPU 0/TCG"}});
  ASSERT_TRUE(watch.look()->any());
  process(60, 9, "/usr/bin/qemu-system-x86_64", {}, {{60, "q"}, {61, "CPU 0/TCG"}, {62, "CPU 1/TCG"}});
  std::size_t changed = 0;
  for (int i = 0; i < 10; ++i) changed += watch.look()->changed.size();
  EXPECT_EQ(changed, 1u);
  EXPECT_EQ(watch.guests()[0].vcpus.size(), 2u);
}

TEST_F(FakeProc, NoProcIsAnErrorAndAVanishedProcessIsNone) {
  InventoryOptions nowhere;
  nowhere.proc = "/tmp/ivtrace-no-such-proc";
  EXPECT_FALSE(find_guests(nowhere).ok());
  EXPECT_EQ(inspect_guest(Pid(12345), options()).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(list_threads(Pid(12345), directory_.string()).error().code, ErrorCode::kGone);
}

/// Starts a paused machine without a kernel; kills it by its pid.
class RealQemu : public TemporaryDirectory {
 protected:
  void TearDown() override {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    TemporaryDirectory::TearDown();
  }
  bool start(const std::vector<std::string>& more = {}) {
    qmp_ = (directory_ / "qmp").string();
    const std::string ring = (directory_ / "ring").string();
    const std::string disk = (directory_ / "disk.img").string();
    std::ofstream(disk).close();
    fs::resize_file(disk, 1 << 20);
    std::vector<std::string> line{"qemu-system-x86_64",
                                  "-accel",
                                  "tcg",
                                  "-S",
                                  "-display",
                                  "none",
                                  "-nodefaults",
                                  "-smp",
                                  "3,sockets=1,cores=3",
                                  "-m",
                                  "64",
                                  "-name",
                                  "lab,,1",
                                  "-uuid",
                                  "6f1d1e4e-0d5b-4f0e-9d0e-0c6f8f3f7a11",
                                  "-object",
                                  "memory-backend-file,size=1M,share=on,mem-path=" + ring + ",id=hm",
                                  "-device",
                                  "ivshmem-plain,memdev=hm",
                                  "-drive",
                                  "file=" + disk + ",if=none,id=d0,format=raw,aio=threads",
                                  "-device",
                                  "virtio-blk-pci,drive=d0",
                                  "-qmp",
                                  "unix:" + qmp_ + ",server=on,wait=off"};
    line.insert(line.end(), more.begin(), more.end());
    std::vector<char*> arguments;
    for (std::string& argument : line) arguments.push_back(argument.data());
    arguments.push_back(nullptr);
    if (posix_spawnp(&pid_, arguments[0], nullptr, nullptr, arguments.data(), environ) != 0) {
      pid_ = 0;
      return false;
    }
    for (int i = 0; i < 600; ++i) {  // the monitor answers when the machine is made
      if (QmpConnection::open(qmp_, kPatience, kPatience)) return true;
      if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
        pid_ = 0;
        return false;
      }
      usleep(50'000);
    }
    return false;
  }
  InventoryOptions patient() const {
    InventoryOptions options;
    options.step_limit = kPatience;
    options.guest_limit = kPatience;
    return options;
  }

  static constexpr Nanoseconds kPatience{20'000'000'000};
  pid_t pid_ = 0;
  std::string qmp_;
};

TEST_F(RealQemu, IsKnownByItsMonitor) {
  if (!start()) GTEST_SKIP() << "qemu-system-x86_64 is not installed or does not start";
  const auto guest = inspect_guest(Pid(pid_), patient());
  ASSERT_TRUE(guest.ok()) << guest.error().to_string();
  EXPECT_EQ(guest->qmp.state, QmpState::kOk) << guest->qmp.detail;
  EXPECT_EQ(guest->name, "lab,1");
  EXPECT_EQ(guest->uuid, "6f1d1e4e-0d5b-4f0e-9d0e-0c6f8f3f7a11");
  EXPECT_EQ(guest->accel, "tcg");
  EXPECT_TRUE(guest->status == "prelaunch" || guest->status == "paused") << guest->status;
  ASSERT_EQ(guest->vcpus.size(), 3u);
  const auto threads = list_threads(Pid(pid_));
  ASSERT_TRUE(threads.ok());
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(guest->vcpus[i].index, static_cast<int>(i));
    EXPECT_EQ(guest->vcpus[i].apic_id, i);
    EXPECT_TRUE(std::any_of(threads->begin(), threads->end(), [&](const ProcessThread& thread) {
      return thread.tid == guest->vcpus[i].thread;
    }));
  }
  ASSERT_EQ(guest->disks.size(), 1u);
  EXPECT_EQ(guest->disks[0].path, (directory_ / "disk.img").string());
  EXPECT_EQ(guest->disks[0].aio, "threads");
  EXPECT_EQ(guest->disks[0].format, "raw");
  EXPECT_NE(guest->disks[0].inode, 0u);
  ASSERT_EQ(guest->rings.size(), 1u);
  EXPECT_EQ(guest->rings[0].path, (directory_ / "ring").string());
  EXPECT_EQ(guest->rings[0].bytes, 1u << 20);
  EXPECT_TRUE(guest->unknown.empty()) << guest->unknown[0];
}

TEST_F(RealQemu, LimitsOfDisksAreToldByTheMonitorAndByTheCommandLine) {
  const std::string image = (directory_ / "b.img").string();
  std::ofstream(image) << "x";
  if (!start({"-drive", "file=" + image + ",if=none,id=d1,format=raw,throttling.iops-total=200", "-device",
              "virtio-blk-pci,drive=d1", "-object", "throttle-group,id=G,x-bps-read=1048576", "-blockdev",
              "driver=file,filename=" + image + ",node-name=f2,locking=off", "-blockdev",
              "driver=throttle,throttle-group=G,file=f2,node-name=t2", "-device",
              "virtio-blk-pci,drive=t2,share-rw=on"}))
    GTEST_SKIP() << "qemu-system-x86_64 is not installed or does not start";
  const auto limits_of = [&](const InventoryOptions& options) {
    std::map<std::string, std::string> limits;
    const auto guest = inspect_guest(Pid(pid_), options);
    EXPECT_TRUE(guest.ok());
    for (const Disk& disk : guest ? guest->disks : std::vector<Disk>()) {
      EXPECT_EQ(disk.format, "raw") << disk.path;
      limits[disk.device] = limits_text(disk.limits);
    }
    return limits;
  };
  using Limits = std::map<std::string, std::string>;
  const Limits told = {{"d0", ""}, {"d1", "200 requests/s (qemu)"}, {"t2", "1.0 MiB/s of reads (qemu)"}};
  EXPECT_EQ(limits_of(patient()), told);
  InventoryOptions no_monitor;
  no_monitor.use_qmp = false;
  EXPECT_EQ(limits_of(no_monitor), told);
  {
    auto monitor = QmpConnection::open(qmp_, kPatience, kPatience);
    ASSERT_TRUE(monitor.ok());
    ASSERT_TRUE(monitor
                    ->execute("qom-set", R"({"path":"/objects/G","property":"limits","value":{"bps-read":0,)"
                                         R"("iops-write":7}})")
                    .ok());
  }
  EXPECT_EQ(limits_of(patient()).at("t2"), "7 writes/s (qemu)");
}

TEST_F(RealQemu, ABusyMonitorLeavesTheFactsOfProc) {
  if (!start()) GTEST_SKIP() << "qemu-system-x86_64 is not installed or does not start";
  const auto holder = QmpConnection::open(qmp_, kPatience, kPatience);
  ASSERT_TRUE(holder.ok());
  InventoryOptions options = patient();
  options.step_limit = Nanoseconds{200'000'000};
  const auto guest = inspect_guest(Pid(pid_), options);
  ASSERT_TRUE(guest.ok());
  EXPECT_EQ(guest->qmp.state, QmpState::kBusy);
  EXPECT_EQ(guest->name, "lab,1");
  EXPECT_EQ(guest->rings.size(), 1u);
  EXPECT_EQ(guest->disks.size(), 1u);
  EXPECT_FALSE(guest->unknown.empty());
}

TEST_F(RealQemu, APluggedRingIsFoundAndADeletedOneIsNot) {
  if (!start()) GTEST_SKIP() << "qemu-system-x86_64 is not installed or does not start";
  {
    auto monitor = QmpConnection::open(qmp_, kPatience, kPatience);
    ASSERT_TRUE(monitor.ok());
    const std::string second = (directory_ / "second").string();
    ASSERT_TRUE(monitor
                    ->execute("object-add",
                              R"({"qom-type":"memory-backend-file","id":"m2","share":true,"size":1048576,)"
                              R"("mem-path":")" +
                                  second + "\"}")
                    .ok());
    ASSERT_TRUE(monitor->execute("device_add", R"({"driver":"ivshmem-plain","id":"p2","memdev":"m2"})").ok());
  }
  EXPECT_EQ(inspect_guest(Pid(pid_), patient())->rings.size(), 2u);
  fs::remove(directory_ / "ring");
  std::ofstream(directory_ / "ring") << "another file of that name";
  const auto guest = inspect_guest(Pid(pid_), patient());
  ASSERT_EQ(guest->rings.size(), 1u);
  EXPECT_EQ(guest->rings[0].path, (directory_ / "second").string());
  EXPECT_FALSE(guest->unknown.empty());
}

TEST_F(RealQemu, ThatIsKilledIsGone) {
  if (!start()) GTEST_SKIP() << "qemu-system-x86_64 is not installed or does not start";
  Watch watch;
  const auto mine = [&](const std::vector<Guest>& guests) {
    return std::any_of(guests.begin(), guests.end(),
                       [&](const Guest& guest) { return guest.pid == Pid(pid_); });
  };
  EXPECT_TRUE(mine(watch.look()->came));
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  EXPECT_TRUE(mine(watch.look()->gone));
  pid_ = 0;
}

}  // namespace
}  // namespace ivtrace::hypervisor
