"""A guest that is slow because it was told to be: QEMU's throttling and control groups, as all commands tell them."""

import contextlib
import json
import os
import socket
from pathlib import Path

import pytest

import harness
from guestlab import disks, guest, kernels
from harness import ivtrace, named

NONE = {"iops": None, "iops_read": None, "iops_write": None, "bps": None, "bps_read": None, "bps_write": None}


@pytest.fixture(scope="module")
def throttled(image_dir):
    """A guest without a ring, whose disk QEMU throttles."""
    image = disks.make_image(image_dir / "limits.img", 64)
    disk = disks.Disk(image, aio="native", options="throttling.iops-total=200")
    with guest.Guest(f"limits-{os.getpid()}", kernels.get("6.12"), smp=1, memory_mb=256, ring_mb=0, disks=[disk], files=harness.guest_files()) as vm:
        yield vm


@contextlib.contextmanager
def held(path: Path):
    """Somebody else's connection to a monitor, which has room for one."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        assert b"QMP" in client.recv(4096)
        yield


@contextlib.contextmanager
def private_group(controller: str, pid: int, files: dict[str, str]):
    """A control group of version 1 that has this process alone; afterwards it is back where it was, and the group is gone."""
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines() if " - cgroup " in line]
    found = [words[4] for words in mounts if controller in words[-1].split(",")]
    if not found:
        pytest.skip(f"no controller {controller} of control groups, version 1, is mounted here")
    lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    home = Path(found[0] + next(path for _, controllers, path in lines if controller in controllers.split(",")))
    group = Path(found[0]) / f"ivtrace-e2e-{os.getpid()}"
    group.mkdir()
    try:
        for name, text in files.items():
            (group / name).write_text(text)
        (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        for process in (group / "cgroup.procs").read_text().split():
            (home / "cgroup.procs").write_text(process)
        group.rmdir()


def whole_disk(path: Path) -> str:
    """major:minor of the disk on which a file lies."""
    device = os.stat(path).st_dev
    directory = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
    return ((directory.parent if (directory / "partition").exists() else directory) / "dev").read_text().strip()


def limits_of(vm) -> dict:
    view = harness.guest_view(vm.name)
    return view["disks"][0]["limits"] | {"monitor": view["monitor"]}


def limits_in(run) -> list[dict]:
    return [record["limits"] for record in harness.journal(run) if record["type"] == "disk"]


def ask(run, sql: str) -> list[tuple]:
    return [tuple(json.loads(line).values()) for line in ivtrace("query", run, sql, "--json", check=None).stdout.splitlines()]


def test_the_monitor_tells_the_throttling_and_so_does_the_command_line(throttled):
    told = NONE | {"iops": 200, "by": "qemu"}
    assert limits_of(throttled) == told | {"monitor": "ok"}
    sockets = throttled.console_socket.parent
    with held(sockets / "qmp"), held(sockets / "lab-qmp"):
        assert limits_of(throttled) == told | {"monitor": "busy"}
    assert "limited to 200 requests/s (qemu)" in ivtrace("guests").stdout


def test_groups_count_with_it_and_a_change_is_recorded(throttled, tmp_path):
    run = tmp_path / "run.ivt"
    device = whole_disk(throttled.disks[0].path)
    with (private_group("blkio", throttled.pid, {"blkio.throttle.read_iops_device": f"{device} 50"}),
          private_group("cpu", throttled.pid, {"cpu.cfs_quota_us": "150000", "cpu.cfs_period_us": "100000"})):
        assert limits_of(throttled) == NONE | {"iops": 200, "iops_read": 50, "by": "qemu, cgroup", "monitor": "ok"}
        assert harness.guest_view(throttled.name)["cpu_limit"] == 1.5
        with harness.Recording(run, *named(throttled)) as recording:
            harness.wait_until(lambda: limits_in(run), 30, recording.said)
            throttled.qmp("block_set_io_throttle", {"device": "d0", "bps": 0, "bps_rd": 0, "bps_wr": 4096, "iops": 100, "iops_rd": 0, "iops_wr": 0})
            harness.wait_until(lambda: limits_in(run)[-1]["iops"] == 100, 40, lambda: f"the change was not seen: {limits_in(run)}")
            recording.stop(check=None)
    assert ask(run, "SELECT limit_iops, limit_iops_read, limit_iops_write, limit_bps, limit_bps_read, limit_bps_write, limit_by FROM disk") == [
        (100, 50, None, None, None, 4096, "qemu, cgroup")]
    assert ask(run, "SELECT name, cpu_limit FROM machine") == [("host", None), (throttled.name, 1.5)]
    told = harness.info(run)
    assert told["by_name"][throttled.name]["limited_disks"][0]["limits"]["iops"] == 100
    notes = [note["text"] for note in told["notes"] if note["machine"] == throttled.name]
    assert "limits of disk d0 changed: 200 requests/s, 50 reads/s (qemu, cgroup), now 100 requests/s, 50 reads/s, 4.0 KiB/s of writes (qemu, cgroup)" in notes
    # What was not recorded is said, with what helps.
    recorded = {(machine, what): (there, reason, option) for machine, what, there, reason, option in ask(run, "SELECT * FROM recorded")}
    assert recorded[None, "guest"] == recorded["host", "block"] == recorded["host", "counters"] == recorded[throttled.name, "images"] == (1, None, None)
    assert recorded["host", "syscalls"] == recorded["host", "sched"] == (1, None, None)
    there, reason, option = recorded[throttled.name, "block"]
    assert (there, option) == (0, "start ivtrace-agent in the guest (ivtrace attach --deploy)") and "no ring" in reason
