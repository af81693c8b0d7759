"""One guest: boots QEMU, runs commands in it, cleans up after it.

    with Guest("vm1", kernels.get("6.12")) as vm:
        code, text = vm.run("uname -r")

The guest's leftovers (ring file in /dev/shm, sockets, QEMU itself) go when the
with block ends, and, by the keeper, when this process dies in any way. A ring file
that both left behind goes when the next guest starts (rings.py).
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from . import initramfs, qmp, rings
from .channel import Channel, GuestDied, Job
from .disks import Disk
from .kernels import Kernel

KEEPER = Path(__file__).with_name("keeper.py")
CONSOLE_TAIL = 2000


class Guest:
    """A lab guest. `name` is QEMU's -name and must be unique among the guests of this process.

    ring_mb: size of the ivshmem ring file, 0 for a guest without one. files:
    guest path -> static host program. append: added to the kernel command line.
    lockdown: raised by init once the modules are loaded (with `lockdown=` in
    append the kernel itself would refuse the disks' modules). qmp: offer a
    monitor to others; the lab always has one of its own. shell: init also gives
    a shell on the console. vcpu_threads: a thread for each vCPU under TCG, too.
    Else they take turns in one: QEMU 7.2 with more of them sometimes runs an int3
    that the guest's kernel took out of its code already, as it does whenever a
    tracepoint is switched, and that kernel panics. KVM always has threads. modules: loaded by init beside
    those that every guest needs.
    """

    def __init__(self, name: str, kernel: Kernel, *, smp: int = 2, memory_mb: int = 512, ring_mb: int = 16,
                 disks: list[Disk] = (), files: dict[str, Path] | None = None, append: str = "",
                 lockdown: str | None = None, qemu_args: list[str] = (), lifetime: float = 900,
                 boot_timeout: float = 60, accel: str | None = None, qmp: bool = True, shell: bool = False,
                 vcpu_threads: bool = False, modules: list[str] = ()):
        self.name = name
        self.kernel = kernel
        self.disks = list(disks)
        self.pid: int | None = None
        self._smp, self._memory_mb, self._ring_mb = smp, memory_mb, ring_mb
        self._files, self._append, self._lockdown = files, append, lockdown
        self._qemu_args, self._lifetime, self._boot_timeout = list(qemu_args), lifetime, boot_timeout
        self._accel, self._offer_qmp, self._shell, self._vcpu_threads = accel, qmp, shell, vcpu_threads
        self._modules = tuple(modules)
        self._directory: Path | None = None
        self._keeper: subprocess.Popen | None = None
        self._channel: Channel | None = None
        self._exited = threading.Event()

    # Life

    def launch(self) -> None:
        """Starts QEMU and returns at once; wait_ready() completes the boot."""
        if self._accel is None:
            from . import accel  # here, since accel itself boots a guest
            self._accel = accel.best()
        rings.remove_abandoned()
        image = initramfs.build(self.kernel, self._files, self._modules)
        self._directory = Path(tempfile.mkdtemp(prefix="ivlab-"))
        self._prepare()
        leftovers = [str(self._directory)] + ([str(self.ring_path)] if self.ring_path else [])
        log = open(self._directory / "qemu.log", "wb")
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", KEEPER, str(self._lifetime), *leftovers, "--", *self._command(image)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
        log.close()
        first = self._keeper.stdout.readline().split()
        if first[:1] != ["pid"]:
            raise GuestDied(f"{self.name}: QEMU did not start: {self.qemu_log()}")
        self.pid = int(first[1])
        threading.Thread(target=self._watch_exit, args=(self._keeper.stdout,), daemon=True).start()
        self._channel = Channel(self._directory / "channel", self._death)

    def wait_ready(self) -> None:
        """Waits until the guest takes commands. Raises GuestDied with its last words."""
        self._channel.open(lambda: self.running, self._boot_timeout)

    def stop(self) -> None:
        """Ends the guest and removes its leftovers. Harmless when it has ended."""
        if self._channel:
            self._channel.close()
        if self._keeper:
            self._keeper.stdin.close()
            self._keeper.wait(30)
            self._keeper = None
        self._exited.set()

    def kill9(self) -> None:
        """Kills QEMU as a crash would; ring and logs stay until stop()."""
        os.kill(self.pid, signal.SIGKILL)
        self._exited.wait(10)

    def __enter__(self) -> "Guest":
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            self.launch()
            self.wait_ready()
            undo.pop_all()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        return self.pid is not None and not self._exited.is_set()

    def wait_exit(self, timeout: float | None = None) -> bool:
        """Whether QEMU has ended within that time."""
        return self._exited.wait(timeout)

    # Commands

    def run(self, script: str, timeout: float = 60) -> tuple[int, str]:
        """Runs a shell script in the guest: (exit code, output and errors)."""
        return self._channel.run(script).wait(timeout)

    def check(self, script: str, timeout: float = 60) -> str:
        """Like run(), but a non-zero exit code raises RuntimeError."""
        code, output = self.run(script, timeout)
        if code != 0:
            raise RuntimeError(f"{self.name}: exit {code} of: {script}\n{output}")
        return output

    def start(self, script: str) -> Job:
        """Starts a shell script in the guest, in a process group of its own."""
        return self._channel.run(script)

    def push(self, host_path: Path, guest_path: str, timeout: float = 60) -> None:
        """Copies a file into the guest, executable."""
        if self._channel.put(guest_path, Path(host_path).read_bytes()).wait(timeout)[0] != 0:
            raise RuntimeError(f"{self.name}: cannot write {guest_path}")

    def pull(self, guest_path: str, timeout: float = 60) -> bytes:
        """The content of a file in the guest, also of one in /proc or /sys."""
        code, content = self._channel.get(guest_path).wait_bytes(timeout)
        if code != 0:
            raise FileNotFoundError(f"{self.name}:{guest_path}")
        return content

    def qmp(self, command: str, arguments: dict | None = None):
        """One QMP command over the lab's own monitor."""
        return qmp.command(self._directory / "lab-qmp", command, arguments)

    # What is known about it

    @property
    def ring_path(self) -> Path | None:
        """The file behind the guest's ivshmem device."""
        return rings.path_for(self.name) if self._ring_mb else None

    @property
    def console_socket(self) -> Path:
        """Unix socket of the serial console, for one client at a time."""
        return self._directory / "console-socket"

    def console(self) -> str:
        """All that the guest's kernel and init have said."""
        return self._read("console")

    def qemu_log(self) -> str:
        """What QEMU itself has said."""
        return self._read("qemu.log")

    def _read(self, name: str) -> str:
        try:
            return (self._directory / name).read_text(errors="replace")
        except (OSError, TypeError):
            return ""

    def _death(self) -> str:
        self._exited.wait(1)  # the channel ends a moment before QEMU's exit is known
        console = self.console()
        if "Kernel panic" in console:
            what = "its kernel panicked"
        else:
            what = "QEMU ended" if self._exited.is_set() else f"it does not answer ({self._where()})"
        return f"guest {self.name}: {what}\n{self.qemu_log()}\n{console[-CONSOLE_TAIL:]}"

    def _where(self) -> str:
        """What its CPUs are at, for a guest that hangs."""
        try:
            state = self.qmp("query-status")["status"]
            registers = self.qmp("human-monitor-command", {"command-line": "info registers -a"})
        except (ValueError, qmp.QmpError) as error:
            return f"nor does its monitor: {error}"
        lines = [line.strip() for line in registers.splitlines() if line.startswith("RIP=")]
        return f"{state}; {'; '.join(lines)}"

    def _watch_exit(self, stdout) -> None:
        stdout.readline()  # "exit RC", or the end of the keeper
        self._exited.set()

    def _prepare(self) -> None:
        """For kinds of guests that make their disks in the guest's directory, which goes with the guest."""

    def _command(self, image: Path) -> list[str]:
        directory = self._directory
        append = ["console=ttyS0", "loglevel=5", "panic=-1", f"ivlab.name={self.name}", self._append]
        append += [f"ivlab.lockdown={self._lockdown}"] if self._lockdown else []
        append += ["ivlab.shell"] if self._shell else []
        command = ["qemu-system-x86_64", "-name", self.name, "-nodefaults", "-display", "none", "-no-reboot",
                   "-smp", str(self._smp), "-m", str(self._memory_mb),
                   "-kernel", str(self.kernel.image), "-initrd", str(image), "-append", " ".join(filter(None, append))]
        command += {"kvm": ["-accel", "kvm", "-cpu", "host"],
                    "tcg": ["-accel", f"tcg,thread={'multi' if self._vcpu_threads else 'single'}", "-cpu", "max"]}[self._accel]
        command += ["-chardev", f"socket,id=console,path={self.console_socket},server=on,wait=off,logfile={directory}/console",
                    "-serial", "chardev:console"]
        if self._offer_qmp:
            command += ["-qmp", f"unix:{directory}/qmp,server=on,wait=off"]
        command += ["-chardev", f"socket,id=labmon,path={directory}/lab-qmp,server=on,wait=off",
                    "-mon", "chardev=labmon,mode=control",
                    "-chardev", f"socket,id=lab,path={directory}/channel,server=on,wait=off",
                    "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=lab,name=ivlab"]
        if self.ring_path:
            command += ["-object", f"memory-backend-file,size={self._ring_mb}M,share=on,mem-path={self.ring_path},id=ring",
                        "-device", "ivshmem-plain,memdev=ring"]
        for index, disk in enumerate(self.disks):
            drive = f"file={disk.path},if=none,id=d{index},format={disk.format},cache={disk.cache},aio={disk.aio}"
            command += ["-drive", f"{drive},{disk.options}".rstrip(","), "-device", f"virtio-blk-pci,drive=d{index}"]
        return command + self._qemu_args


@contextlib.contextmanager
def booted(*guests: Guest):
    """Boots guests side by side; all of them end with the block."""
    with contextlib.ExitStack() as stack:
        for one in guests:
            stack.callback(one.stop)
            one.launch()
        for one in guests:
            one.wait_ready()
        yield guests
