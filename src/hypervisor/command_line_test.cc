#include "hypervisor/command_line.h"

#include <gtest/gtest.h>

namespace ivtrace::hypervisor {
namespace {

TEST(Option, SplitsAtSingleCommasOnly) {
  const OptionValues values = parse_option("web,,server,process=a=b,debug-threads,nowait", "guest");
  EXPECT_EQ(values.at("guest"), "web,server");
  EXPECT_EQ(values.at("process"), "a=b");
  EXPECT_EQ(values.at("debug-threads"), "on");
  EXPECT_EQ(values.at("wait"), "off");
}

TEST(CommandLine, AGuestStartedByHand) {
  const CommandLine line =
      parse_command_line({"-accel",
                          "tcg,thread=multi",
                          "-cpu",
                          "max",
                          "-smp",
                          "2",
                          "-m",
                          "512",
                          "-nographic",
                          "-name",
                          "vm1",
                          "-uuid",
                          "6f1d1e4e-0d5b-4f0e-9d0e-0c6f8f3f7a11",
                          "-object",
                          "memory-backend-file,size=16M,share=on,mem-path=/dev/shm/r0,id=hm",
                          "-device",
                          "ivshmem-plain,memdev=hm",
                          "-drive",
                          "file=a,,b.img,if=none,id=d0,format=raw,cache=none,aio=native",
                          "-device",
                          "virtio-blk-pci,drive=d0",
                          "-drive",
                          "if=pflash,file=/usr/share/OVMF.fd",
                          "-qmp",
                          "unix:/run/vm1.qmp,server=on,wait=off"});
  EXPECT_EQ(line.name, "vm1");
  EXPECT_EQ(line.uuid, "6f1d1e4e-0d5b-4f0e-9d0e-0c6f8f3f7a11");
  EXPECT_EQ(line.accel, "tcg");
  EXPECT_EQ(line.cpus, 2u);
  ASSERT_EQ(line.disks.size(), 1u);
  EXPECT_EQ(line.disks[0].device, "d0");
  EXPECT_EQ(line.disks[0].path, "a,b.img");
  EXPECT_EQ(line.disks[0].format, "raw");
  EXPECT_EQ(line.disks[0].aio, "native");
  EXPECT_EQ(line.disks[0].cache, "none");
  ASSERT_EQ(line.rings.size(), 1u);
  EXPECT_EQ(line.rings[0].path, "/dev/shm/r0");
  EXPECT_EQ(line.rings[0].bytes, 16u << 20);
  EXPECT_EQ(line.qmp_sockets, std::vector<std::string>{"/run/vm1.qmp"});
}

TEST(CommandLine, AGuestStartedByLibvirt) {
  const CommandLine line = parse_command_line(
      {"-name",
       "guest=deb12,debug-threads=on",
       "-S",
       "-object",
       R"({"qom-type":"secret","id":"masterKey0","format":"raw","file":"/var/lib/libvirt/qemu/k.aes"})",
       "-machine",
       "pc-q35-7.2,usb=off,dump-guest-core=off,memory-backend=pc.ram",
       "-accel",
       "kvm",
       "-smp",
       "4,sockets=4,cores=1,threads=1",
       "-chardev",
       "socket,id=charmonitor,fd=26,server=on,wait=off",
       "-mon",
       "chardev=charmonitor,id=monitor,mode=control",
       "-blockdev",
       R"({"driver":"file","filename":"/var/lib/libvirt/images/d.qcow2","node-name":"libvirt-1-storage",)"
       R"("auto-read-only":true,"cache":{"direct":true,"no-flush":false},"aio":"io_uring"})",
       "-blockdev",
       R"({"node-name":"libvirt-1-format","driver":"qcow2","file":"libvirt-1-storage","backing":null})",
       "-device",
       R"({"driver":"virtio-blk-pci","bus":"pci.4","drive":"libvirt-1-format","id":"virtio-disk0"})",
       "-object",
       R"({"qom-type":"memory-backend-file","id":"shmmem0","mem-path":"/dev/shm/iv","size":4194304,"share":true})",
       "-device",
       R"({"driver":"ivshmem-plain","id":"shm0","memdev":"shmmem0"})"});
  EXPECT_EQ(line.name, "deb12");
  EXPECT_EQ(line.accel, "kvm");
  EXPECT_EQ(line.cpus, 4u);
  ASSERT_EQ(line.disks.size(), 1u);
  EXPECT_EQ(line.disks[0].device, "libvirt-1-format");
  EXPECT_EQ(line.disks[0].path, "/var/lib/libvirt/images/d.qcow2");
  EXPECT_EQ(line.disks[0].format, "qcow2");
  EXPECT_EQ(line.disks[0].aio, "io_uring");
  EXPECT_EQ(line.disks[0].cache, "none");
  ASSERT_EQ(line.rings.size(), 1u);
  EXPECT_EQ(line.rings[0].bytes, 4u << 20);
  EXPECT_TRUE(line.qmp_sockets.empty());
  EXPECT_TRUE(line.monitor_is_held);
  EXPECT_TRUE(line.unknown.empty());
}

TEST(CommandLine, TheGuestAgentsPort) {
  const CommandLine line = parse_command_line(
      {"-chardev", "socket,path=/run/q.sock,server=on,wait=off,id=qga0", "-device",
       "virtserialport,chardev=qga0,name=org.qemu.guest_agent.0", "-chardev",
       "socket,path=/run/other,server=on,id=x", "-device", "virtserialport,chardev=x,name=other"});
  EXPECT_TRUE(line.has_agent_port);
  EXPECT_EQ(line.agent_socket, "/run/q.sock");
  const CommandLine held = parse_command_line(
      {"-chardev", "socket,id=charchannel0,fd=31,server=on,wait=off", "-device",
       R"({"driver":"virtserialport","chardev":"charchannel0","name":"org.qemu.guest_agent.0"})"});
  EXPECT_TRUE(held.has_agent_port);
  EXPECT_EQ(held.agent_socket, "");
}

TEST(CommandLine, MonitorsByChardevAndDottedBlockdevs) {
  const CommandLine line =
      parse_command_line({"--chardev", "socket,path=/run/m.sock,id=m,server,nowait", "--mon",
                          "m,mode=control", "-machine", "q35,accel=kvm:tcg", "-blockdev",
                          "driver=raw,node-name=n0,file.driver=host_device,file.filename=/dev/"
                          "sdb,file.aio=native,file.cache.direct=on"});
  EXPECT_EQ(line.qmp_sockets, std::vector<std::string>{"/run/m.sock"});
  EXPECT_EQ(line.accel, "kvm");
  ASSERT_EQ(line.disks.size(), 1u);
  EXPECT_EQ(line.disks[0].path, "/dev/sdb");
  EXPECT_EQ(line.disks[0].aio, "native");
  EXPECT_EQ(line.disks[0].cache, "none");
}

TEST(CommandLine, RingsThatNobodyElseCanMapAreToldNotListed) {
  const CommandLine line =
      parse_command_line({"-object", "memory-backend-file,size=16M,mem-path=/dev/shm/r0,id=a", "-device",
                          "ivshmem-plain,memdev=a", "-device", "ivshmem-plain,memdev=b"});
  EXPECT_TRUE(line.rings.empty());
  EXPECT_EQ(line.unknown.size(), 2u);
}

TEST(CommandLine, ThrottledDrives) {
  const CommandLine line = parse_command_line(
      {"-drive",
       "file=a,id=d0,throttling.iops-total=200,throttling.bps-read=1000000,throttling.iops-total-max=500",
       "-drive", "file=b,id=d1,iops_wr=30,bps=0x100000", "-drive", "file=c,id=d2,throttling.iops-total=-5",
       "-drive", "file=d,id=d3,throttling.iops-total=100,throttling.group=g", "-drive",
       "file=e,id=d4,throttling.iops-total=50,throttling.group=g", "-drive",
       "file=f,id=d5,throttling.group=g"});
  ASSERT_EQ(line.disks.size(), 6u);
  EXPECT_EQ(limits_text(line.disks[0].limits), "200 requests/s, 976.6 KiB/s of reads (qemu)");
  EXPECT_EQ(limits_text(line.disks[1].limits), "30 writes/s, 1.0 MiB/s (qemu)");
  EXPECT_FALSE(line.disks[2].limits.any());
  EXPECT_EQ(line.disks[3].limits.iops, 50u);  // the group has what was said last
  EXPECT_EQ(line.disks[4].limits.iops, 50u);
  EXPECT_FALSE(line.disks[5].limits.any());
}

TEST(CommandLine, ThrottleFiltersAreLookedThrough) {
  const CommandLine line = parse_command_line(
      {"-object", "throttle-group,id=G,x-iops-total=100", "-object",
       R"({"qom-type":"throttle-group","id":"H","limits":{"iops-read":50,"bps-total":4096}})", "-blockdev",
       "driver=file,filename=/b,node-name=f1", "-blockdev", "driver=raw,file=f1,node-name=r1", "-blockdev",
       "driver=throttle,throttle-group=G,file=r1,node-name=t1", "-blockdev",
       R"({"driver":"qcow2","node-name":"r2","file":{"driver":"throttle","throttle-group":"H",)"
       R"("file":{"driver":"file","filename":"/c"}}})",
       "-blockdev", "driver=file,filename=/d,node-name=t3"});
  ASSERT_EQ(line.disks.size(), 3u);
  EXPECT_EQ(line.disks[0].path, "/c");
  EXPECT_EQ(line.disks[0].format, "qcow2");
  EXPECT_EQ(limits_text(line.disks[0].limits), "50 reads/s, 4.0 KiB/s (qemu)");
  EXPECT_EQ(line.disks[1].path, "/b");
  EXPECT_EQ(line.disks[1].format, "raw");
  EXPECT_EQ(limits_text(line.disks[1].limits), "100 requests/s (qemu)");
  EXPECT_EQ(line.disks[2].format, "raw");
  EXPECT_FALSE(line.disks[2].limits.any());
}

TEST(CommandLine, NonsenseIsNoDanger) {
  const CommandLine line =
      parse_command_line({"-name", "-uuid", "-smp", "99999999999999999999", "-drive", "", "-blockdev", "{",
                          "-blockdev", R"({"node-name":"a","file":"b","driver":"x"})", "-blockdev",
                          R"({"node-name":"b","file":"a","driver":"x"})", "-qmp", "tcp:1:2", "-object",
                          std::string(100000, ','), "-device", std::string(50000, '{')});
  EXPECT_FALSE(line.cpus);
  EXPECT_TRUE(line.disks.empty());
  EXPECT_EQ(line.unknown.size(), 1u);
}

TEST(CacheMode, IsQemusOwnTable) {
  EXPECT_EQ(cache_mode(true, false, false), "writeback");
  EXPECT_EQ(cache_mode(true, true, false), "none");
  EXPECT_EQ(cache_mode(false, false, false), "writethrough");
  EXPECT_EQ(cache_mode(false, true, false), "directsync");
  EXPECT_EQ(cache_mode(true, false, true), "unsafe");
}

}  // namespace
}  // namespace ivtrace::hypervisor
