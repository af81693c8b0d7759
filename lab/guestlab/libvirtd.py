"""A libvirt daemon of one's own, which leaves no trace on the machine, and domains in it.

    with libvirtd.Libvirtd() as daemon:
        with daemon.domain("vm1", kernels.get("6.12"), files={...}) as vm:
            print(vm.run("uname -r"), daemon.virsh("list"))

The daemon runs in a mount namespace with its own /run, /var and /etc/libvirt, and in a PID namespace, so
that it and its QEMUs end with the program that started it. It is the system's kind of daemon all the same:
its QEMUs have a user and a mount namespace of their own, as on a real host.
"""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from xml.sax.saxutils import escape

from . import initramfs
from .channel import Channel, GuestDied, Job
from .kernels import Kernel

DAEMON = Path("/usr/sbin/libvirtd")
DRIVER = Path("/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so")
QEMU_USER = "libvirt-qemu"
QEMU_ID = 64055

DAEMON_CONF = """unix_sock_dir = "{sockets}"
auth_unix_rw = "none"
auth_unix_ro = "none"
log_outputs = "3:file:{log}"
"""
# No cgroups: what they are like differs from machine to machine, and nothing here needs them.
QEMU_CONF = """security_driver = "none"
stdio_handler = "file"
cgroup_controllers = []
"""
# The shell stays: it is the PID namespace's init and takes the ended QEMUs in.
START = """set -e
mount --make-rprivate /
for place in /run /var/lib /var/cache /var/log; do mount -t tmpfs lab $place; done
mkdir -p /run/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt
mount --bind {directory}/etc /etc/libvirt
mount --bind {directory}/etc/passwd /etc/passwd
mount --bind {directory}/etc/group /etc/group
mount --bind /dev/null /dev/kvm 2>/dev/null || true
ln -s {sockets}/libvirt-sock /run/libvirt/libvirt-sock
echo ready
timeout {lifetime} {daemon} -f /etc/libvirt/libvirtd.conf -p {directory}/pid &
wait $!
"""


class NoLibvirtd(Exception):
    """No daemon can run here; the text says why."""


def missing() -> str:
    """What this machine lacks for it; "" when nothing."""
    for needed, package in ((DAEMON, "libvirt-daemon"), (DRIVER, "libvirt-daemon-driver-qemu"), (Path("/usr/bin/virsh"), "libvirt-clients")):
        if not needed.exists():
            return f"no {needed}: install {package}"
    return "" if os.geteuid() == 0 else "needs root"


class Libvirtd:
    """A daemon for `lifetime` seconds at most."""

    def __init__(self, lifetime: float = 900):
        self._lifetime = lifetime
        self._directory: Path | None = None
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> "Libvirtd":
        if why := missing():
            raise NoLibvirtd(why)
        self._directory = Path(tempfile.mkdtemp(prefix="ivlab-libvirt-"))
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        if self._process and self._process.poll() is None:
            self._process.kill()  # unshare, and with it all that is in its PID namespace
        if self._process:
            self._process.wait(30)
            self._process.stdout.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def uri(self) -> str:
        return f"qemu+unix:///system?socket={self._directory}/sockets/libvirt-sock"

    @property
    def pid(self) -> int:
        """Of the daemon itself, on this machine."""
        pid = self._process.pid
        while Path(f"/proc/{pid}/comm").read_text().strip() != "libvirtd":
            pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        return pid

    def virsh(self, *args, check: bool = True) -> str:
        done = subprocess.run(["virsh", "-q", "-c", self.uri, *map(str, args)], capture_output=True, text=True, timeout=120)
        if check and done.returncode != 0:
            raise RuntimeError(f"virsh {' '.join(map(str, args))}: {done.stderr}{self.log()}")
        return done.stdout

    def inside(self, *command) -> list[str]:
        """The command line that runs a program where the daemon's socket is at its usual place."""
        return ["nsenter", "-t", str(self.pid), "-m", *map(str, command)]

    def log(self) -> str:
        try:
            return (self._directory / "log").read_text(errors="replace")[-4000:]
        except OSError:
            return ""

    def domain(self, name: str, kernel: Kernel, **options) -> "Domain":
        return Domain(self, self._directory, name, kernel, **options)

    def _start(self) -> None:
        directory = self._directory
        directory.chmod(0o755)  # QEMU's user reads kernels from it
        (directory / "etc").mkdir()
        (directory / "sockets").mkdir(mode=0o700)
        values = {"directory": directory, "sockets": directory / "sockets", "log": directory / "log", "daemon": DAEMON, "lifetime": self._lifetime}
        (directory / "etc/libvirtd.conf").write_text(DAEMON_CONF.format(**values))
        (directory / "etc/qemu.conf").write_text(QEMU_CONF)
        for name, line in (("passwd", f"{QEMU_USER}:x:{QEMU_ID}:{QEMU_ID}::/:/usr/sbin/nologin\n"), ("group", f"{QEMU_USER}:x:{QEMU_ID}:\n")):
            there = Path("/etc", name).read_text()
            (directory / "etc" / name).write_text(there if f"\n{QEMU_USER}:" in there else there + line)
        with open(directory / "start.log", "wb") as log:
            # A death of this program, of whatever kind, ends unshare, which ends its child, the namespace's init.
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc",
                 "sh", "-c", START.format(**values)],
                stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        if self._process.stdout.readline() != b"ready\n":
            raise NoLibvirtd("no namespace for it: " + (directory / "start.log").read_text(errors="replace")[-300:])
        deadline = time.monotonic() + 60
        while subprocess.run(["virsh", "-q", "-c", self.uri, "version"], capture_output=True, timeout=120).returncode != 0:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise NoLibvirtd("libvirtd does not come up: " + self.log()[-600:])
            time.sleep(0.1)


class Domain:
    """A domain of type qemu that boots a lab guest; commands as in guest.Guest.

    xml: more devices; qemu_xml: more of the qemu: namespace. files: guest path -> host file. The guest agent's port is there, an agent runs once the
    guest was told to start one.

    It has one vCPU: libvirt says `-accel tcg`, the first -accel that works is QEMU's, so thread=single cannot be asked for, and with a thread for each
    of several vCPUs QEMU 7.2 may run an int3 that the guest's kernel has patched away: a panic.
    """

    def __init__(self, daemon: Libvirtd, directory: Path, name: str, kernel: Kernel, *, files: dict[str, Path] | None = None,
                 machine: str = "pc", smp: int = 1, memory_mb: int = 512, disk: Path | None = None, xml: str = "", qemu_xml: str = "",
                 boot_timeout: float = 90):
        self.name = name
        self.console_path = directory / f"{name}.console"
        self._daemon, self._kernel, self._files, self._boot_timeout = daemon, kernel, files, boot_timeout
        self._machine, self._smp, self._memory_mb, self._disk, self._more, self._qemu_more = machine, smp, memory_mb, disk, xml, qemu_xml
        self._socket = directory / f"{name}.channel"
        self._definition = directory / f"{name}.xml"
        self._channel: Channel | None = None

    def start(self, paused: bool = False) -> None:
        """Creates the domain and returns; wait_ready() completes the boot. Paused, it runs nothing."""
        self._definition.write_text(self._xml(initramfs.build(self._kernel, self._files)))
        self._daemon.virsh("create", self._definition, *(["--paused"] if paused else []))
        self._channel = Channel(self._socket, lambda: f"domain {self.name}: {self.console()[-2000:]}")

    def wait_ready(self) -> None:
        self._channel.open(lambda: bool(self._daemon.virsh("domid", self.name, check=False).strip()), self._boot_timeout)

    def stop(self) -> None:
        if self._channel:
            self._channel.close()
        self._daemon.virsh("destroy", self.name, check=False)

    def __enter__(self) -> "Domain":
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Of its QEMU, on this machine."""
        uuid = self._daemon.virsh("domuuid", self.name).strip().encode()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if uuid in (entry / "cmdline").read_bytes().split(b"\0") and "qemu" in os.readlink(entry / "exe"):
                    return int(entry.name)
            except OSError:
                pass
        raise GuestDied(f"domain {self.name} has no process")

    def run(self, script: str, timeout: float = 60) -> tuple[int, str]:
        return self._channel.run(script).wait(timeout)

    def check(self, script: str, timeout: float = 60) -> str:
        code, output = self.run(script, timeout)
        if code != 0:
            raise RuntimeError(f"{self.name}: exit {code} of: {script}\n{output}")
        return output

    def start_job(self, script: str) -> Job:
        return self._channel.run(script)

    def console(self) -> str:
        try:
            return self.console_path.read_text(errors="replace")
        except OSError:
            return ""

    def _xml(self, image: Path) -> str:
        # QEMU's user may not enter the cache, which is somebody's home; links would not help.
        readable = {}
        for kind, path in (("kernel", self._kernel.image), ("initrd", image)):
            readable[kind] = shutil.copyfile(path, self._definition.with_suffix(f".{kind}"))
            os.chmod(readable[kind], 0o644)
        disk = f"""<disk type='file' device='disk'><driver name='qemu' type='raw' cache='none' io='native'/>
          <source file='{escape(str(self._disk))}'/><target dev='vda' bus='virtio'/></disk>""" if self._disk else ""
        return f"""<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
          <name>{escape(self.name)}</name><memory unit='MiB'>{self._memory_mb}</memory><vcpu>{self._smp}</vcpu>
          <os><type arch='x86_64' machine='{self._machine}'>hvm</type><kernel>{readable['kernel']}</kernel><initrd>{readable['initrd']}</initrd>
          <cmdline>console=ttyS0 loglevel=5 panic=-1 ivlab.name={escape(self.name)}</cmdline></os>
          <features><acpi/><apic/></features><cpu mode='maximum'/>
          <on_poweroff>destroy</on_poweroff><on_reboot>destroy</on_reboot><on_crash>destroy</on_crash>
          <devices><emulator>/usr/bin/qemu-system-x86_64</emulator><memballoon model='none'/><controller type='usb' model='none'/>
          <serial type='file'><source path='{self.console_path}'/></serial>
          <channel type='unix'><source mode='bind' path='{self._socket}'/><target type='virtio' name='ivlab'/></channel>
          <channel type='unix'><source mode='bind'/><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
          {disk}{self._more}</devices>{self._qemu_more}</domain>"""
