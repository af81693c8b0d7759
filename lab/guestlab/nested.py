"""A real KVM host on any machine: an emulated one, with guests of its own under KVM.

    with NestedHost("l1", bin_dir=Path("build/bin")) as host:
        host.run_file(Path("script.py"))  # uses guestlab; see inside.py
        host.bring_back(Path("results"))  # /results of the host

QEMU's TCG emulates AMD's SVM with nested paging, so kvm-amd loads in this guest and all
that KVM tells is real: events, offsets, exits. Its times are inflated several times: no
speed is measured there, only truth.

The emulated host is fragile. It sometimes panics or hangs through no fault of what runs
on it; on_host() sees that and begins anew on a fresh one.
"""

import math
import os
import shlex
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

from . import inside, kernels, nested_image
from .channel import GuestDied
from .disks import Disk
from .guest import Guest

TRIES = 3
RESULTS_BYTES = 8 << 30  # at most; sparse
HELD = ("kvm", "sched", "irq", "block", "task")
# One CPU while the tracepoints are switched; the buffers of the holders stay empty.
HOLD = """
cpus() { for cpu in /sys/devices/system/cpu/cpu[1-9]*/online; do [ ! -f "$cpu" ] || echo "$1" >"$cpu"; done; }
cpus 0
for holder in ivlab-hold1 ivlab-hold2; do
  mkdir /sys/kernel/tracing/instances/$holder && cd /sys/kernel/tracing/instances/$holder || exit
  echo 0 >tracing_on && echo 8 >buffer_size_kb || exit
  for system; do echo 1 >events/$system/enable || exit; done
done
cpus 1
"""
LAB = Path(__file__).resolve().parent
# What a kernel says when it has gone wrong; a panicking one may also hang without ending QEMU.
DISASTERS = ("Kernel panic", "corrupted stack end", "Oops:", "BUG: unable to handle", "soft lockup", "double fault:")


class NoNestedHost(Exception):
    """The emulated host did not come up here, each try told in the text."""


class HostDied(GuestDied):
    """The emulated host, or a guest on it, died under its user's hands."""


def _tar(final: Path, files: dict[str, Path]) -> Path:
    """An archive of the files, programs without their debug information (it is four fifths of them)."""
    with tarfile.open(final, "w") as archive, tempfile.TemporaryDirectory() as directory:
        for name, path in sorted(files.items()):
            stripped = Path(directory) / "stripped"
            if path.read_bytes()[:4] == b"\x7fELF":
                subprocess.run(["strip", "-o", stripped, path], check=True, capture_output=True)
                path = stripped
            archive.add(path, name, filter=_owned_by_root)
    return final


def _owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def _payload(bin_dir: Path | None, packages: list[Path]) -> dict[str, Path]:
    """What a host gets into nested_image.HOME: guestlab, more packages of Python's, and the build under test."""
    files = {f"{package.name}/{path.name}": path for package in (LAB, *packages) for path in package.iterdir() if path.is_file()}
    if bin_dir:
        programs = [bin_dir / "ivtrace", bin_dir / "ivtrace-agent", bin_dir / "ivtrace-mark", *(bin_dir / "lab").glob("iv-*")]
        files |= {f"bin/{path.relative_to(bin_dir)}": path for path in programs if path.exists()}
    return files


class NestedHost(Guest):
    """An emulated KVM host, booted from a disk whose changes are thrown away.

    bin_dir: a build, whose programs are then in PATH. disks: more of them, from /dev/vdd on. hold:
    systems of events whose tracepoints stay switched while it lives. A kernel that switches one
    patches its code under the eyes of its other CPUs, and QEMU 7.2 sometimes runs the int3 of that
    patch when it is gone, at which that kernel panics: with kvm, sched, irq and block switched at
    once it did so in two of three runs. So two idle instances hold them, switched while only one CPU
    was there; one more user then only lengthens a list (from one user to two the code changes again).
    deadline: on time.monotonic(), for scripts. packages: directories of Python's that scripts there may import, beside guestlab.
    """

    def __init__(self, name: str = "l1", *, bin_dir: Path | None = None, series: str = "6.12", smp: int = 2, memory_mb: int = 2048,
                 disks: list[Disk] = (), modules: list[str] = (), append: str = "", boot_timeout: float = 60,
                 hold: list[str] = HELD, deadline: float = math.inf, packages: list[Path] = (), **more):
        self._bin_dir, self._hold, self._deadline = bin_dir, list(hold), deadline
        self._more_disks, self._packages = list(disks), list(packages)
        super().__init__(name, kernels.get(series), smp=smp, memory_mb=memory_mb, ring_mb=0, accel="tcg", qmp=False,
                         vcpu_threads=True, modules=["kvm_amd", *modules], boot_timeout=boot_timeout,
                         append=f"ivlab.root=/dev/vda {append}".strip(), **more)

    def _prepare(self) -> None:
        payload = _tar(self._exchange_file("payload.tar"), _payload(self._bin_dir, self._packages))
        results = self._exchange_file("results.tar")
        with open(results, "wb") as out:
            out.truncate(RESULTS_BYTES)
        self.disks = [Disk(nested_image.build(), cache="unsafe", options="snapshot=on"), Disk(payload, cache="writeback", options="readonly=on"),
                      Disk(results, cache="unsafe"), *self._more_disks]

    def wait_ready(self) -> None:
        super().wait_ready()
        self.check(f"tar -xf /dev/vdb -C {nested_image.HOME}")
        if self._hold:
            self.check(f"set -- {shlex.join(self._hold)}\n{HOLD}")

    def run_file(self, script: Path, *arguments: str, timeout: float = 120) -> tuple[int, str]:
        """Runs a shell script or, if it is a NAME.py, one that may use guestlab: (exit code, output).

        Raises HostDied when a guest that guestlab booted died, GuestTimeout also at the end of this host's time.
        """
        name = f"/tmp/{script.name}"
        self.push(script, name)
        interpreter = "python3 -m guestlab.inside" if script.suffix == ".py" else "sh"
        code, output = self.run(f"exec {interpreter} {shlex.join([name, *arguments])}", self._within(timeout))
        if code == inside.GUEST_DIED:
            raise HostDied(f"a guest of {self.name} died:\n{output}")
        return code, output

    def bring_back(self, into: Path, timeout: float = 60) -> Path:
        """Copies the content of the host's /results into a directory, which is made."""
        self.check("tar -cf /dev/vdc -C /results . && sync", timeout)
        into.mkdir(parents=True, exist_ok=True)
        with tarfile.open(self._exchange_file("results.tar")) as archive:
            archive.extractall(into)  # written by our own host
        return into

    def _exchange_file(self, name: str) -> Path:
        """An archive that is a disk of the host: programs on the way in, results on the way out."""
        return self._directory / name

    def _within(self, timeout: float) -> float:
        return max(1, min(timeout, self._deadline - time.monotonic()))

    def disaster(self) -> str | None:
        """The line in which the host's kernel said that it went wrong."""
        lines = (line.strip() for line in self.console().splitlines())
        return next((line for line in lines if any(sign in line for sign in DISASTERS)), None)


def on_host(body, *, tries: int = TRIES, seconds: float = math.inf, say=print, **options):
    """What body(host) gives back, run on a host that is booted for it.

    A host that dies is booted again and the body begins anew, up to `tries` times and while
    at least a third of the seconds for all of it is left. Raises NoNestedHost when none came up, HostDied when each one died later, and whatever else
    the body raises.
    """
    nested_image.build()  # once, and outside the time given
    deadline = time.monotonic() + seconds
    deaths, came_up = [], False
    for attempt in range(1, tries + 1):
        if deaths and deadline - time.monotonic() < seconds / 3 < math.inf:
            break
        host = NestedHost(f"l1-{os.getpid()}-{attempt}", deadline=deadline, **options)
        try:
            with host:
                came_up = True
                try:
                    return body(host)
                except Exception as error:
                    line = host.disaster()
                    if not line and not isinstance(error, GuestDied):
                        raise
                    raise HostDied(f"{line or 'no word of its kernel'}; {error}") from error
        except GuestDied as death:
            deaths.append(str(death))
            say(f"the emulated KVM host died ({'in use' if came_up else 'while booting'}), try {attempt} of {tries}: {deaths[-1]}", flush=True)
    raise (HostDied if came_up else NoNestedHost)("\n".join(deaths))
