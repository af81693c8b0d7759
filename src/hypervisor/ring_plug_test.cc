// Against a scripted machine: what is asked of it in which order, and that a failure at any step leaves
// nothing.
#include "hypervisor/ring_plug.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>

#include "base/mapping.h"
#include "hypervisor/qmp_test_support.h"

namespace ivtrace::hypervisor {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint64_t kSize = 2u << 20;

/// QEMU as far as it matters: this process plays it, so that "QEMU has mapped the file" can be true.
struct Machine {
  std::string type = "pc-i440fx-7.2-machine";
  struct Port {
    std::uint64_t window = ~0ull;
    bool hotplug = true;
    bool taken = false;
  };
  std::map<std::string, Port> ports;

  std::set<std::string> refused;  ///< commands that fail
  std::set<std::string> hanging;  ///< commands that are carried out, but never answered
  bool keeps_device = false;      ///< the guest does not let go
  bool maps_file = true;

  std::optional<Mapping> memory;
  std::string memory_path;
  bool device = false;
  std::vector<std::string> changes;

  std::string answer(const json& command) {
    const std::string name = command["execute"];
    const json arguments = command.value("arguments", json::object());
    const bool change = name.find("add") != std::string::npos || name.find("del") != std::string::npos;
    if (change) changes.push_back(name + " " + arguments.value("bus", arguments.value("id", "")));
    if (refused.contains(name)) return refuses(command, name + " is refused");
    const std::string said = carry_out(command, name, arguments);
    return hanging.contains(name) ? std::string() : said;
  }

 private:
  std::string carry_out(const json& command, const std::string& name, const json& arguments) {
    if (name == "object-add") {
      memory_path = arguments["mem-path"];
      auto fd = open_file(memory_path, O_RDWR);
      if (!fd) return refuses(command, "can't open backing store");
      memory.emplace();
      if (maps_file) {
        auto mapping = Mapping::guarded(fd->get(), 0, kSize, Mapping::Access::kReadWrite, "fake");
        if (mapping) memory = std::move(*mapping);
      }
    } else if (name == "object-del") {
      if (device) return refuses(command, "object 'ivtrace-memory' is in use, can not be deleted");
      memory.reset();
    } else if (name == "device_add") {
      device = true;
    } else if (name == "device_del") {
      device = keeps_device;
    } else if (name == "qom-get") {
      return get(command, arguments["path"], arguments["property"]);
    } else if (name == "qom-list") {
      return returns(command, list(arguments["path"]));
    }
    return returns(command, json::object());
  }

  std::string get(const json& command, const std::string& path, const std::string& property) const {
    if (path == "/machine") return returns(command, type);
    if (path == "/objects/ivtrace-memory") return returns(command, memory_path);
    for (const auto& [name, port] : ports) {
      if (path == "/machine/peripheral/" + name && property == "hotplug")
        return returns(command, port.hotplug);
      if (path == "/machine/peripheral/" + name && property == "pref64-reserve")
        return returns(command, port.window);
      if (path == "/machine/peripheral/" + name + "/" + name)
        return returns(command, "/machine/unattached/device[3]");
    }
    return refuses(command, "no such property");
  }

  json list(const std::string& path) const {
    json children = json::array({{{"name", "type"}, {"type", "string"}}});
    if (path == "/objects" && memory)
      children.push_back({{"name", kRingMemoryId}, {"type", "child<memory-backend-file>"}});
    if (path == "/machine/peripheral") {
      for (const auto& [name, port] : ports)
        children.push_back({{"name", name}, {"type", "child<pcie-root-port>"}});
      if (device) children.push_back({{"name", kRingDeviceId}, {"type", "child<ivshmem-plain>"}});
    }
    for (const auto& [name, port] : ports) {
      if (path == "/machine/peripheral/" + name)
        children.push_back({{"name", name}, {"type", "child<PCIE>"}});
      if (path == "/machine/peripheral/" + name + "/" + name && port.taken)
        children.push_back({{"name", "child[0]"}, {"type", "link<virtio-blk-pci>"}});
    }
    return children;
  }
};

class RingPlug : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/ivtrace-plug-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    options_.directory = name;
    options_.step_limit = Nanoseconds{20'000'000'000};
    options_.total_limit = Nanoseconds{60'000'000'000};
    guest_.pid = Pid(::getpid());
    guest_.name = "a vm/1";
    path_ = options_.directory + "/ivtrace-" + std::to_string(::getpid()) + "-a_vm_1";
  }
  void TearDown() override { fs::remove_all(options_.directory); }

  void serve() {
    qemu_.emplace(
        [this](int client) {
          serve_commands(client, [this](const json& command) { return machine_.answer(command); });
        },
        8);
    guest_.qmp.path = qemu_->path();
  }
  /// Nothing is left: neither in QEMU nor in the directory.
  void expect_nothing() {
    EXPECT_FALSE(machine_.memory.has_value());
    EXPECT_FALSE(machine_.device);
    EXPECT_TRUE(fs::is_empty(options_.directory));
  }

  Machine machine_;
  PlugOptions options_;
  Guest guest_;
  std::string path_;
  std::optional<FakeQemu> qemu_;
};

TEST_F(RingPlug, pc_takes_it_on_its_bus_and_gives_it_back) {
  serve();
  const auto ring = plug_ring(guest_, kSize, options_);
  ASSERT_TRUE(ring.ok()) << ring.error().to_string();
  EXPECT_EQ(ring->path, path_);
  EXPECT_EQ(ring->bus, "pci.0");
  struct stat file {};
  ASSERT_EQ(::lstat(path_.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 07777, 0600u);
  EXPECT_EQ(static_cast<std::uint64_t>(file.st_blocks) * 512, kSize) << "its memory is reserved";
  const auto state = look_at_plug(guest_, options_);
  ASSERT_TRUE(state.ok());
  EXPECT_TRUE(state->device && state->memory);
  EXPECT_EQ(state->path, path_);
  const Status out = unplug_ring(guest_, options_);
  ASSERT_TRUE(out.ok()) << out.error().to_string();
  EXPECT_THAT(machine_.changes, ElementsAre("object-add ivtrace-memory", "device_add pci.0",
                                            "device_del ivtrace-ring", "object-del ivtrace-memory"));
  expect_nothing();
  EXPECT_EQ(unplug_ring(guest_, options_).error().code, ErrorCode::kNotFound);
}

TEST_F(RingPlug, q35_takes_the_free_root_port_whose_window_fits_best) {
  machine_.type = "pc-q35-7.2-machine";
  machine_.ports = {{"disk", {64u << 20, true, true}},
                    {"huge", {1ull << 30, true, false}},
                    {"fits", {64u << 20, true, false}},
                    {"fixed", {64u << 20, false, false}},
                    {"small", {~0ull, true, false}}};
  serve();
  EXPECT_EQ(plug_ring(guest_, 16u << 20, options_)->bus, "fits");
  ASSERT_TRUE(unplug_ring(guest_, options_).ok());
  EXPECT_EQ(plug_ring(guest_, kSize, options_)->bus, "small");
}

TEST_F(RingPlug, q35_without_a_free_root_port_says_how_to_get_one_and_changes_nothing) {
  machine_.type = "pc-q35-7.2-machine";
  machine_.ports = {{"disk", {64u << 20, true, true}}, {"fixed", {64u << 20, false, false}}};
  serve();
  const auto ring = plug_ring(guest_, kSize, options_);
  ASSERT_FALSE(ring.ok());
  EXPECT_EQ(ring.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(ring.error().hint, HasSubstr("-device pcie-root-port,id="));
  EXPECT_THAT(ring.error().hint, HasSubstr("pref64-reserve=64M"));
  EXPECT_THAT(machine_.changes, IsEmpty());
  expect_nothing();
}

TEST_F(RingPlug, a_root_port_without_room_for_the_size_says_which_size_it_takes) {
  machine_.type = "pc-q35-7.2-machine";
  machine_.ports = {{"small", {}}};
  serve();
  const auto ring = plug_ring(guest_, 16u << 20, options_);
  ASSERT_FALSE(ring.ok());
  EXPECT_THAT(ring.error().message, HasSubstr("small has room for 2.0 MiB"));
  EXPECT_THAT(ring.error().hint, HasSubstr("--size 2M"));
  expect_nothing();
}

TEST_F(RingPlug, other_machine_types_are_refused) {
  machine_.type = "microvm-machine";
  serve();
  const auto ring = plug_ring(guest_, kSize, options_);
  ASSERT_FALSE(ring.ok());
  EXPECT_THAT(ring.error().message, HasSubstr("microvm"));
  EXPECT_THAT(machine_.changes, IsEmpty());
  expect_nothing();
}

TEST_F(RingPlug, a_device_that_qemu_refuses_is_undone) {
  machine_.refused = {"device_add"};
  serve();
  const auto ring = plug_ring(guest_, kSize, options_);
  ASSERT_FALSE(ring.ok());
  EXPECT_THAT(ring.error().message, HasSubstr("device_add is refused"));
  EXPECT_THAT(ring.error().hint, HasSubstr("undone"));
  EXPECT_THAT(machine_.changes,
              ElementsAre("object-add ivtrace-memory", "device_add pci.0", "object-del ivtrace-memory"));
  expect_nothing();
}

TEST_F(RingPlug, memory_that_qemu_refuses_is_undone) {
  machine_.refused = {"object-add"};
  serve();
  EXPECT_FALSE(plug_ring(guest_, kSize, options_).ok());
  EXPECT_THAT(machine_.changes, ElementsAre("object-add ivtrace-memory"));
  expect_nothing();
}

TEST_F(RingPlug, a_monitor_that_falls_silent_is_asked_again_to_undo) {
  machine_.hanging = {"device_add"};
  options_.step_limit = Nanoseconds{300'000'000};
  serve();
  const auto ring = plug_ring(guest_, kSize, options_);
  ASSERT_FALSE(ring.ok());
  if (ring.error().message.find("plugged in") == std::string::npos) GTEST_SKIP() << ring.error().message;
  EXPECT_THAT(machine_.changes, ElementsAre("object-add ivtrace-memory", "device_add pci.0",
                                            "device_del ivtrace-ring", "object-del ivtrace-memory"));
  expect_nothing();
}

TEST_F(RingPlug, what_cannot_be_undone_is_told_and_its_file_stays) {
  machine_.refused = {"device_add", "object-del"};
  serve();
  const auto ring = plug_ring(guest_, kSize, options_);
  ASSERT_FALSE(ring.ok());
  EXPECT_THAT(ring.error().hint, HasSubstr("ivtrace detach"));
  EXPECT_TRUE(fs::exists(path_));
  machine_.refused.clear();
  EXPECT_TRUE(unplug_ring(guest_, options_).ok()) << "detach removes it";
  expect_nothing();
}

TEST_F(RingPlug, an_earlier_attachs_memory_without_a_device_is_replaced) {
  machine_.refused = {"device_add", "object-del"};
  serve();
  ASSERT_FALSE(plug_ring(guest_, kSize, options_).ok());
  machine_.refused.clear();
  const auto ring = plug_ring(guest_, kSize, options_);
  EXPECT_TRUE(ring.ok()) << ring.error().to_string();
}

TEST_F(RingPlug, a_foreign_file_or_link_in_the_way_is_left_alone) {
  std::ofstream(path_) << "precious";
  serve();
  const auto blocked = plug_ring(guest_, kSize, options_);
  ASSERT_FALSE(blocked.ok());
  EXPECT_EQ(blocked.error().code, ErrorCode::kBusy);
  EXPECT_THAT(blocked.error().message, HasSubstr("in the way"));
  EXPECT_EQ(*read_file(path_), "precious");
  fs::remove(path_);
  fs::create_symlink(options_.directory + "/elsewhere", path_);
  EXPECT_EQ(plug_ring(guest_, kSize, options_).error().code, ErrorCode::kBusy);
  EXPECT_FALSE(fs::exists(options_.directory + "/elsewhere"));
  EXPECT_THAT(machine_.changes, IsEmpty());
}

TEST_F(RingPlug, a_qemu_that_opens_another_file_of_that_name_is_found_out) {
  machine_.maps_file = false;
  serve();
  const auto ring = plug_ring(guest_, kSize, options_);
  ASSERT_FALSE(ring.ok());
  EXPECT_THAT(ring.error().message, HasSubstr("mount namespace"));
  expect_nothing();
}

TEST_F(RingPlug, a_guest_that_does_not_let_go_keeps_everything) {
  options_.removal_limit = Nanoseconds{100'000'000};
  serve();
  ASSERT_TRUE(plug_ring(guest_, kSize, options_).ok());
  machine_.keeps_device = true;
  const Status out = unplug_ring(guest_, options_);
  ASSERT_FALSE(out.ok());
  EXPECT_EQ(out.error().code, ErrorCode::kTimeout);
  EXPECT_TRUE(fs::exists(path_));
  EXPECT_TRUE(machine_.memory.has_value());
}

TEST_F(RingPlug, only_rings_of_guests_that_ended_are_left_over) {
  const auto make = [&](const std::string& name, fs::perms mode) {
    const std::string path = options_.directory + "/" + name;
    std::ofstream(path) << "x";
    fs::permissions(path, mode);
    return path;
  };
  const fs::perms ours = fs::perms::owner_read | fs::perms::owner_write;
  options_.proc = options_.directory;  // no process at all
  const std::string left = make("ivtrace-77-vm", ours);
  for (const char* name : {"ivtrace-is-not", "ivtrace-77", "ivtrace--vm", "other-77-vm"}) make(name, ours);
  make("ivtrace-78-vm", ours | fs::perms::others_read);
  EXPECT_THAT(remove_left_rings(options_), ElementsAre(left));
  options_.proc = "/proc";
  serve();
  ASSERT_TRUE(plug_ring(guest_, kSize, options_).ok());
  EXPECT_THAT(remove_left_rings(options_), IsEmpty()) << "its QEMU lives";
}

TEST_F(RingPlug, sizes_that_are_no_pci_memory_never_reach_qemu) {
  serve();
  for (const std::uint64_t bytes : {0ull, 3ull << 20, 512ull << 10, 1ull << 40})
    EXPECT_EQ(plug_ring(guest_, bytes, options_).error().code, ErrorCode::kInvalid) << bytes;
  guest_.qmp.path.clear();
  EXPECT_EQ(plug_ring(guest_, kSize, options_).error().code, ErrorCode::kUnsupported) << "no monitor";
}

}  // namespace
}  // namespace ivtrace::hypervisor
