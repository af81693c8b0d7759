"""Bad input and a hostile world: one clear line, and nothing recorded so far is lost.

Most of it needs no running kernel: QEMU started with -S has a name, a monitor
and a ring, and the agent can feed a ring file from the host itself.
"""

import contextlib
import json
import os
import random
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

import harness
from harness import ivtrace, named

BLOCK = "block:block_rq_issue,block:block_rq_complete"
SCHED = "sched:sched_switch,sched:sched_waking"


def one_clear_line(done: subprocess.CompletedProcess, *words: str) -> str:
    """The error is one line, begins with the program's name and says these words."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("ivtrace")
    for word in words:
        assert word.lower() in lines[0].lower(), lines[0]
    return lines[0]


@contextlib.contextmanager
def idle_qemu(tmp_path: Path, name: str, ring: Path | None, size: str = "16M"):
    """A QEMU whose vCPU never starts: all that the host can see of a guest, in no time."""
    name = f"{name}-{os.getpid()}"
    command = ["qemu-system-x86_64", "-S", "-name", name, "-nodefaults", "-display", "none", "-m", "64",
               "-qmp", f"unix:{tmp_path}/qmp,server=on,wait=off"]
    if ring:
        command += ["-object", f"memory-backend-file,size={size},share=on,mem-path={ring},id=ring", "-device", "ivshmem-plain,memdev=ring"]
    with subprocess.Popen(["timeout", "-k", "1", "120", *command]) as process:
        try:
            harness.wait_until(lambda: (tmp_path / "qmp").exists(), 20, "QEMU did not start")
            yield name
        finally:
            process.terminate()
            process.wait()


@pytest.fixture
def ring_file():
    path = Path(f"/dev/shm/ivlab-{os.getpid()}-test")
    yield path
    path.unlink(missing_ok=True)


@contextlib.contextmanager
def host_agent(ring: Path):
    """The agent on the host itself, feeding a ring file."""
    process = subprocess.Popen([harness.BIN / "ivtrace-agent", "--foreground", "--ring", ring], stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=20)


def as_nobody(tmp_path: Path) -> dict:
    """Popen options for a process with no rights, and a copy of ivtrace that it may run."""
    return {"user": 65534, "group": 65534, "extra_groups": [], "cwd": "/"}


def test_recording_without_root_says_so(tmp_path):
    program = Path("/var/tmp") / f"ivtrace-{os.getpid()}"
    shutil.copy(harness.BIN / "ivtrace", program)
    try:
        done = subprocess.run([program, "record", "-o", f"/tmp/nobody-{os.getpid()}.ivt", "--duration", "1s"], capture_output=True, text=True,
                              timeout=60, **as_nobody(tmp_path))
    finally:
        program.unlink()
    assert done.returncode == harness.FAILED
    one_clear_line(done, "root")


def test_recording_without_tracefs_says_so(run_dir):
    script = "umount -l /sys/kernel/tracing /sys/kernel/debug/tracing /sys/kernel/debug 2>/dev/null; exec setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin \"$@\""
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", harness.BIN / "ivtrace", "record", "--state-directory", harness.STATE, "-o", run_dir, "--duration", "1s"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == harness.FAILED
    one_clear_line(done, "tracefs")


def test_an_unknown_event_names_the_nearest(run_dir):
    done = ivtrace("record", "-o", run_dir, "--events", "sched:sched_swich", "--duration", "1s", check=None)
    assert done.returncode in (harness.FAILED, harness.USAGE)
    one_clear_line(done, "sched:sched_swich", "sched:sched_switch")
    assert not run_dir.exists()


def test_an_unknown_guest_names_those_there_are(tmp_path, run_dir):
    with idle_qemu(tmp_path, "alpha", None) as name:
        done = ivtrace("record", "-o", run_dir, "-g", name[:-1] + "x", "--duration", "1s", check=None)
        assert done.returncode in (harness.FAILED, harness.USAGE)
        one_clear_line(done, name)


def test_an_existing_run_is_not_overwritten(run_dir):
    run_dir.mkdir()
    (run_dir / "precious").write_text("data")
    done = ivtrace("record", "-o", run_dir, "--duration", "1s", check=None)
    assert done.returncode in (harness.FAILED, harness.USAGE)
    one_clear_line(done, str(run_dir))
    assert (run_dir / "precious").read_text() == "data"


def record_one_second(run: Path, name: str) -> subprocess.CompletedProcess:
    return ivtrace("record", "-o", run, "-g", name, "--events", SCHED, "--duration", "1s", "--quiet", check=None)


def assert_host_only(run: Path, name: str) -> dict:
    """The host is recorded, the guest is known and said to be seen from the host only."""
    told = harness.info(run)["by_name"]
    assert told["host"]["events"] > 0
    assert told[name]["events"] == 0 and not told[name]["clock"]["aligned"]
    machine = [record for record in harness.journal(run) if record["type"] == "machine" and record["name"] == name][-1]
    assert machine["host_only"] and machine["note"]
    assert machine["note"] in ivtrace("info", run, check=None).stdout
    return machine


def test_a_guest_without_a_ring_is_recorded_host_only(tmp_path, run_dir):
    with idle_qemu(tmp_path, "bare", None) as name:
        done = record_one_second(run_dir, name)
    assert done.returncode in (harness.OK, harness.LOSS)
    assert "ring" in assert_host_only(run_dir, name)["note"]


def test_a_guest_without_an_agent_is_recorded_host_only(tmp_path, run_dir, ring_file):
    with idle_qemu(tmp_path, "mute", ring_file) as name:
        record_one_second(run_dir, name)
    assert "agent" in assert_host_only(run_dir, name)["note"]


def test_a_ring_too_small_is_told(tmp_path, run_dir, ring_file):
    with idle_qemu(tmp_path, "small", ring_file, size="4K") as name:
        record_one_second(run_dir, name)
    assert "small" in assert_host_only(run_dir, name)["note"]


def test_the_agent_refuses_a_ring_too_small(ring_file):
    ring_file.write_bytes(bytes(4096))
    done = subprocess.run([harness.BIN / "ivtrace-agent", "--foreground", "--ring", ring_file], capture_output=True, text=True, timeout=20)
    assert done.returncode == harness.FAILED
    assert "small" in done.stderr and done.stderr.count("\n") == 1


def test_a_ring_of_another_version_is_told(tmp_path, run_dir, ring_file):
    with idle_qemu(tmp_path, "other", ring_file) as name:
        with host_agent(ring_file):
            harness.wait_until(lambda: harness.guest_view(name)["agent_alive"], 20, "the agent did not start")
        with open(ring_file, "r+b") as ring:
            ring.seek(8)
            ring.write((99).to_bytes(4, "little"))
        assert "version" in harness.guest_view(name)["ring"]["problem"]
        record_one_second(run_dir, name)
    assert "version" in assert_host_only(run_dir, name)["note"]


def record_with_damage(tmp_path: Path, run: Path, ring: Path, damage) -> str:
    """Records a ring that `damage(ring, recording)` spoils on the way. Gives the guest's name."""
    with idle_qemu(tmp_path, "spoilt", ring) as name, host_agent(ring):
        harness.wait_until(lambda: harness.guest_view(name)["agent_alive"], 20, "the agent did not start")
        with harness.Recording(run, "-g", name, "--events", SCHED) as recording:
            recording.wait_for([name])
            time.sleep(1)
            damage(ring, recording)
            time.sleep(1)
            assert recording.process.poll() is None, f"the recorder died: {recording.said()}"
            recording.stop(None)
        return name


def test_a_ring_that_shrinks_does_not_kill_the_recorder(tmp_path, run_dir, ring_file):
    name = record_with_damage(tmp_path, run_dir, ring_file, lambda ring, _: os.truncate(ring, 8192))
    told = harness.info(run_dir)["by_name"]
    assert told["host"]["events"] > 0
    assert told[name]["events"] > 0, "what came before the damage is lost"


def test_garbage_in_the_ring_neither_kills_nor_hangs(tmp_path, run_dir, ring_file):
    """Random words all over the ring, at any time, while the real agent keeps writing too."""
    chaos = random.Random(1)

    def scribble(ring: Path, _) -> None:
        end = time.monotonic() + 3
        with open(ring, "r+b", buffering=0) as target:
            size = os.fstat(target.fileno()).st_size
            while time.monotonic() < end:
                target.seek(chaos.choice([chaos.randrange(size), chaos.randrange(512 << 10), chaos.randrange(4096)]) & ~7)
                target.write(chaos.choice([chaos.randbytes(8), bytes(8), b"\xff" * 8, chaos.randrange(1 << 32).to_bytes(8, "little")]))

    record_with_damage(tmp_path, run_dir, ring_file, scribble)
    assert harness.info(run_dir)["by_name"]["host"]["events"] > 0
    ivtrace("report", run_dir, check=None, timeout=60)


def test_a_second_recorder_is_refused_and_does_no_harm(pair, run_dir, tmp_path):
    vm = pair[0]
    with harness.Recording(run_dir, *named(vm), "--events", BLOCK) as first:
        first.wait_for([vm.name])
        second = tmp_path / "second.ivt"
        done = ivtrace("record", "-o", second, *named(vm), "--events", BLOCK, "--duration", "1s", check=harness.FAILED)
        one_clear_line(done, str(first.process.pid))
        assert not second.exists()
        sectors = json.loads(vm.check("iv-reads --seconds 0 --count 20 --list 1"))["sectors"]
        first.stop(harness.OK)
    issued = harness.events(run_dir, "--machine", vm.name, name="block:block_rq_issue")
    assert [harness.field(line, "sector") for line in issued] == sectors


def test_a_ring_that_another_recorder_holds_is_told(tmp_path, run_dir, ring_file):
    """A recorder that knows nothing of the other one (another container, say) still meets the ring's lock."""
    with idle_qemu(tmp_path, "shared", ring_file) as name, host_agent(ring_file):
        harness.wait_until(lambda: harness.guest_view(name)["agent_alive"], 20, "the agent did not start")
        with harness.Recording(run_dir, "-g", name, "--events", SCHED) as first:
            first.wait_for([name])
            second = tmp_path / "second.ivt"
            done = ivtrace("record", "--state-directory", tmp_path / "state", "-o", second, "-g", name, "--events", SCHED, "--duration", "1s",
                           check=None)
            first.stop(None)
        assert "record" in (done.stderr + assert_host_only(second, name)["note"])
        assert harness.info(run_dir)["by_name"][name]["events"] > 0


@contextlib.contextmanager
def small_disk(directory: Path, megabytes: int):
    """A mounted ext4 of that size in a file."""
    image, mount = directory / "small.img", directory / "small"
    mount.mkdir()
    with open(image, "wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-m", "0", image], check=True)
    mounted = subprocess.run(["mount", "-o", "loop", image, mount], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.strip()}")
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


class Busy:
    """Keeps the host's scheduler busy."""

    def __enter__(self):
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._spin) for _ in range(4)]
        for thread in self._threads:
            thread.start()

    def _spin(self):
        while not self._stop.is_set():
            time.sleep(0.00005)

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_a_disk_that_fills_up_ends_the_recording_in_good_order(tmp_path):
    with small_disk(tmp_path, 1300) as disk, Busy():
        run, filler = disk / "run.ivt", disk / "filler"
        with harness.Recording(run, "--events", "sched,irq,timer,raw_syscalls") as recording:
            recording.wait_for(["host"])
            time.sleep(1)
            free = os.statvfs(disk)
            with open(filler, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, (free.f_bavail - 16) * free.f_bsize)
            recording.wait(harness.LOSS)
            assert "disk" in recording.said()
        filler.unlink()
        assert [record["reason"] for record in harness.journal(run) if record["type"] == "end"] in ([], ["disk-full"])
        assert harness.info(run)["by_name"]["host"]["events"] > 0


def test_a_disk_with_no_room_is_refused_at_once(tmp_path):
    with small_disk(tmp_path, 64) as disk:
        done = ivtrace("record", "-o", disk / "run.ivt", "--events", SCHED, "--duration", "1s", check=harness.FAILED)
        one_clear_line(done, "free")


def test_max_size_is_kept(run_dir):
    limit = 4 << 20
    with Busy():
        done = ivtrace("record", "-o", run_dir, "--events", "sched,irq,timer,raw_syscalls", "--max-size", "4M", "--duration", "60s", "--quiet", check=None)
    assert [record["reason"] for record in harness.journal(run_dir) if record["type"] == "end"] == ["size-limit"], done.stderr
    size = sum(path.stat().st_size for path in run_dir.rglob("*.pages"))
    assert 0 < size <= limit
    assert harness.info(run_dir)["by_name"]["host"]["events"] > 0
    assert ivtrace("info", run_dir, check=None).returncode == done.returncode


def host_times(run: Path) -> dict[int, list[int]]:
    """The host's events in the report: each CPU's times."""
    times = {}
    for line in ivtrace("report", run, "--json", "--machine", "host", check=None).stdout.splitlines():
        event = json.loads(line)
        if harness.is_event(event):
            times.setdefault(event["cpu"], []).append(event["tsc"])
    return times


def test_a_run_cut_anywhere_is_read_as_far_as_it_goes(run_dir, tmp_path):
    ivtrace("record", "-o", run_dir, "--no-guests", "--events", SCHED, "--duration", "1s", "--quiet", check=None)
    whole = host_times(run_dir)
    assert whole and all(whole.values())
    chaos = random.Random(2)
    for path in sorted(run_dir.rglob("*")):
        if not path.is_file():
            continue
        for _ in range(2):
            copy = harness.copy_run(run_dir, tmp_path / "cut.ivt")
            os.truncate(copy / path.relative_to(run_dir), chaos.randrange(path.stat().st_size + 1))
            ivtrace("info", copy, "--json", check=None)
            left = host_times(copy)
            # Pages lose their end and nothing else, texts lose no event; without the journal nothing may be left.
            assert all(times == whole[cpu][:len(times)] for cpu, times in left.items())
            if path.name not in ("manifest.json", "journal.jsonl"):
                untouched = {cpu: times for cpu, times in whole.items() if path.name != f"cpu{cpu}.pages"}
                assert {cpu: left.get(cpu) for cpu in untouched} == untouched, path
            shutil.rmtree(copy)


def test_what_is_no_run_is_told(tmp_path):
    for command in ("info", "report"):
        done = ivtrace(command, tmp_path, check=harness.FAILED)
        one_clear_line(done, str(tmp_path))
        done = ivtrace(command, tmp_path / "nothing", check=harness.FAILED)
        one_clear_line(done, "nothing")
