"""What the host's kernel counts meanwhile, apart from any trace: who waited for a CPU, and who else was at work.

The labels rest on it: a guest that did wait for a CPU beside its disk trouble may be told so, and a
recording in which guests waited before the cause came is made again.
"""

import os
import resource
import time
from pathlib import Path

HERTZ = os.sysconf("SC_CLK_TCK")
KTHREADD = 2
SECTOR = 512


def _schedstat(pid: int, thread: int) -> tuple[int, int]:
    """(ns on a CPU, ns waiting for one) of a thread, ever."""
    try:
        run, delay, _ = Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()
    except (OSError, ValueError):
        return 0, 0
    return int(run), int(delay)


def _processes() -> dict[int, tuple[int, float]]:
    """pid -> (parent, CPU seconds), of all that live."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()  # a name may have spaces in it
        except OSError:
            continue
        found[int(path.parent.name)] = (int(fields[1]), (int(fields[11]) + int(fields[12])) / HERTZ)
    return found


def _family(processes: dict[int, tuple[int, float]], root: int) -> set[int]:
    """A process and all its descendants."""
    found = {root}
    while True:
        more = {pid for pid, (parent, _) in processes.items() if parent in found} - found
        if not more:
            return found
        found |= more


def _ended_seconds() -> float:
    """CPU time of this process's children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _busy_seconds() -> float:
    user, nice, system, _, _, irq, softirq, steal, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + irq + softirq + steal) / HERTZ


class Bystanders:
    """What others do on this machine from its making until read()."""

    def __init__(self):
        self._begin = time.monotonic()
        self._busy, self._ended, self._before = _busy_seconds(), _ended_seconds(), _processes()

    def read(self) -> float:
        """CPUs that neither the case nor the kernel's threads used. The case's own processes of the host must have been waited for."""
        seconds = time.monotonic() - self._begin
        after = _processes()
        ours = _family(after, os.getpid()) | _family(after, KTHREADD)
        known = sum(after[pid][1] - self._before.get(pid, (0, 0.0))[1] for pid in ours if pid in after) + _ended_seconds() - self._ended
        return round(max(0.0, _busy_seconds() - self._busy - known) / seconds, 3)


def _own_bytes() -> int:
    """What this process's family has had read and written, its ended and waited-for members included."""
    total = 0
    for pid in _family(_processes(), os.getpid()):
        try:
            counted = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
        except OSError:
            continue
        total += int(counted["read_bytes"]) + int(counted["write_bytes"])
    return total


class DiskBystanders:
    """What others have a disk do from its making until read(): the disk's own count without the case's processes' count."""

    def __init__(self, device: int):
        self._stat = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")
        self._begin = time.monotonic()
        self._disk, self._own = self._disk_bytes(), _own_bytes()

    def _disk_bytes(self) -> int:
        # Documentation/block/stat.rst: sectors read and sectors written are the third and the seventh.
        fields = self._stat.read_text().split()
        return (int(fields[2]) + int(fields[6])) * SECTOR

    def read(self) -> float:
        """Bytes a second. The case's own processes of the host must have been waited for."""
        others = (self._disk_bytes() - self._disk) - (_own_bytes() - self._own)
        return max(0.0, others / (time.monotonic() - self._begin))


class Waits:
    """How long a guest's threads waited for a CPU, from mark to mark."""

    def __init__(self, pid: int, vcpus: list[int]):
        self._pid, self._vcpus = pid, vcpus
        self._last = self._count()

    def _count(self) -> dict[str, tuple[int, int, int]]:
        try:
            threads = [int(name) for name in os.listdir(f"/proc/{self._pid}/task")]
        except OSError:
            threads = []
        told = {}
        for kind, chosen in (("vcpu", [t for t in threads if t in self._vcpus]), ("qemu", [t for t in threads if t not in self._vcpus])):
            spent = [_schedstat(self._pid, thread) for thread in chosen]
            told[kind] = (sum(run for run, _ in spent), sum(delay for _, delay in spent), time.monotonic_ns())
        return told

    def read(self) -> dict[str, dict[str, float]]:
        """Since the last reading, for "vcpu" and "qemu" (all its other threads): shares of the time that they ran, and waited."""
        now, before = self._count(), self._last
        self._last = now
        return {kind: {"ran": round((now[kind][0] - before[kind][0]) / (now[kind][2] - before[kind][2]), 4),
                       "waited": round((now[kind][1] - before[kind][1]) / (now[kind][2] - before[kind][2]), 4)} for kind in now}
