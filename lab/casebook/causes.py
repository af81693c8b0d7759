"""What goes wrong in the cases, each undone when its with block ends."""

import contextlib
import os
import signal
import time
from pathlib import Path

from guestlab import guest

from .case import Unavailable

BLKIO = Path("/sys/fs/cgroup/blkio")
# Files of the emulated host: how many requests a second its disk is to do (0: as it can), and that it is done.
ORDER, ANSWER = Path("/run/ivlab-order"), Path("/run/ivlab-answer")
ORDER_SECONDS = 30
NO_THROTTLE = {"bps": 0, "bps_rd": 0, "bps_wr": 0, "iops": 0, "iops_rd": 0, "iops_wr": 0}


def throttle(machine: guest.Guest, device: str = "d0", **limits: int) -> None:
    """QEMU's own limit on a drive: bps or iops, as block_set_io_throttle has them; none lifts it."""
    machine.qmp("block_set_io_throttle", {"device": device} | NO_THROTTLE | limits)


@contextlib.contextmanager
def throttled(machine: guest.Guest, **limits: int):
    throttle(machine, **limits)
    try:
        yield
    finally:
        throttle(machine)


def _throttle_file(kind: str) -> Path:
    path = BLKIO / f"blkio.throttle.{kind}_device"
    if not path.exists() and not list(BLKIO.glob("*/" + path.name)):
        raise Unavailable(f"no {BLKIO} with blkio.throttle (cgroup v1) here")
    return path


@contextlib.contextmanager
def cgroup_limited(pid: int, device: int, **limits: int):
    """A limit of the host's on a process's use of a device: read_iops, read_bps, write_iops or write_bps."""
    for kind in limits:
        _throttle_file(kind)
    group = BLKIO / f"ivlab-{os.getpid()}"
    group.mkdir()
    try:
        for kind, most in limits.items():
            (group / f"blkio.throttle.{kind}_device").write_text(f"{os.major(device)}:{os.minor(device)} {most}")
        home = next(line.split(":", 2)[2] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines() if ":blkio:" in line)
        (group / "cgroup.procs").write_text(str(pid))
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                (BLKIO / home.lstrip("/") / "cgroup.procs").write_text(str(pid))
    finally:
        group.rmdir()


@contextlib.contextmanager
def slow_disk(iops: int):
    """The emulated host's disk of images, slowed from outside of it: the other end is nested_record's."""
    _order(iops)
    try:
        yield
    finally:
        _order(0)


def _order(iops: int) -> None:
    ANSWER.unlink(missing_ok=True)
    ORDER.write_text(f"{iops}\n")
    deadline = time.monotonic() + ORDER_SECONDS
    while not ANSWER.exists():
        if time.monotonic() > deadline:
            raise TimeoutError("nobody outside makes the disk slow")
        time.sleep(0.1)


@contextlib.contextmanager
def pinned(threads: list[int], cpu: int):
    """Threads that may use one CPU only."""
    before = {thread: os.sched_getaffinity(thread) for thread in threads}
    try:
        for thread in threads:
            os.sched_setaffinity(thread, {cpu})
        yield
    finally:
        for thread, cpus in before.items():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(thread, cpus)


@contextlib.contextmanager
def stopped(pid: int):
    """A process that the kernel has stopped."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def paused(machine: guest.Guest):
    """A guest that its monitor has stopped."""
    machine.qmp("stop")
    try:
        yield
    finally:
        machine.qmp("cont")
