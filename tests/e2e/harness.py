"""What the end-to-end tests share: running ivtrace, reading its JSON, what must not be left behind."""

import collections
import datetime
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "lab"))

from guestlab import disks, guest  # noqa: E402

BIN = Path(os.environ.get("IVTRACE_BIN", ROOT / "build" / "bin")).resolve()
STORM_EVENT = "syscalls:sys_enter_sched_get_priority_max"
OK, FAILED, USAGE, LOSS = 0, 1, 2, 3
# The tests' recorders register in a place of their own: a recording that somebody else makes here is left alone.
STATE = Path(f"/run/ivtrace-e2e-{os.getpid()}")
REGISTERING = {"record", "cleanup"}


def guest_files() -> dict[str, Path]:
    """What every guest of the tests has in /bin."""
    files = {f"/bin/{path.name}": path for path in (BIN / "lab").glob("iv-*")}
    return files | {f"/bin/{name}": BIN / name for name in ("ivtrace-agent", "ivtrace-mark")}


def start_agent(vm: guest.Guest, options: str = ""):
    """Starts the agent in the foreground of a background job."""
    return vm.start(f"exec ivtrace-agent --foreground {options}")


def ivtrace(*args, timeout: float = 120, check: int | None = OK, **popen) -> subprocess.CompletedProcess:
    """Runs ivtrace to its end; `check` is the exit code that must come, None for any but a signal."""
    command = [args[0], *(["--state-directory", STATE] if args[0] in REGISTERING and "--state-directory" not in args else []), *args[1:]]
    done = subprocess.run([BIN / "ivtrace", *map(str, command)], capture_output=True, text=True, timeout=timeout, errors="replace", **popen)
    said = f"ivtrace {' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    assert done.returncode >= 0, said
    assert check is None or done.returncode == check, said
    return done


class Recording:
    """A running `ivtrace record`; ends with the with block."""

    def __init__(self, run: Path, *args, **popen):
        self.run = Path(run)
        self.errors = self.run.parent / (self.run.name + ".stderr")
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen([BIN / "ivtrace", "record", "-o", self.run, "--state-directory", STATE, *map(str, args)],
                                            stdout=errors, stderr=errors, **popen)

    def __enter__(self) -> "Recording":
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"record did not end on SIGINT: {self.said()}") from None

    def said(self) -> str:
        return self.errors.read_text(errors="replace")

    def wait_for(self, machines, timeout: float = 30) -> "Recording":
        """Waits until each of these machines is captured and on the clock."""
        wanted = set(machines)
        wait_until(lambda: self.process.poll() is not None or machines_started(self.run) >= wanted, timeout,
                   lambda: f"record did not start {wanted}: {self.said()}")
        assert self.process.poll() is None, f"record ended with {self.process.returncode}: {self.said()}"
        return self

    def stop(self, check: int | None = OK) -> None:
        """Ctrl-C, and the exit code that must come."""
        self.process.send_signal(signal.SIGINT)
        self.wait(check)

    def wait(self, check: int | None = OK, timeout: float = 60) -> None:
        code = self.process.wait(timeout)
        assert code >= 0 and check in (None, code), f"record: exit {code}: {self.said()}"


def journal(run: Path) -> list[dict]:
    """The journal's whole lines."""
    path = Path(run) / "journal.jsonl"
    lines = path.read_text(errors="replace").split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def machines_started(run: Path) -> set[str]:
    """Machines whose capture is on and whose clock is known."""
    latest = {record["name"]: record for record in journal(run) if record["type"] == "machine"}
    aligned = {record["machine"] for record in journal(run) if record["type"] == "epoch"} | {"host"}
    return {name for name, machine in latest.items() if machine["feed"] and not machine["host_only"]} & aligned


def wait_until(condition, timeout: float, complaint) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, complaint() if callable(complaint) else complaint
        time.sleep(0.05)


def info(run: Path, check: int | None = None) -> dict:
    """`ivtrace info --json` with its machines by name under "by_name"."""
    told = json.loads(ivtrace("info", run, "--json", check=check).stdout)
    return told | {"by_name": {machine["name"]: machine for machine in told["machines"]}}


def report(run: Path, *args, check: int | None = None) -> list[dict]:
    """`ivtrace report --json`, parsed; an event's "name" is its "system:event"."""
    lines = [json.loads(line) for line in ivtrace("report", run, "--json", *args, check=check).stdout.splitlines()]
    return [line | {"name": f"{line['system']}:{line['event']}"} if is_event(line) else line for line in lines]


def is_event(line: dict) -> bool:
    """Whether a line of the report is an event, not a loss told at its place."""
    return "event" in line


def events(run: Path, *args, name: str | None = None, check: int | None = None) -> list[dict]:
    """The report's events, of one "system:name" if given."""
    chosen = ["--event", name] if name else []
    return [line for line in report(run, *args, *chosen, check=check) if is_event(line)]


def per_cpu(lines: list[dict]) -> dict[int, int]:
    return dict(collections.Counter(line["cpu"] for line in lines))


def tracing_instances(recorder: int) -> set[str]:
    """A recorder's instances in the host's tracefs, looked up without mounting it for others to see.

    Only that recorder's: others may be recording here too.
    """
    script = "mount -t tracefs none /sys/kernel/tracing 2>/dev/null; ls /sys/kernel/tracing/instances"
    listed = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.split() if re.fullmatch(rf"ivtrace-{recorder}(-.*)?", name)}


def guest_instances(vm: guest.Guest) -> set[str]:
    """The same in a guest."""
    listed = vm.check("mkdir -p /tmp/t && mount -t tracefs none /tmp/t && ls /tmp/t/instances; umount /tmp/t")
    return {name for name in listed.split() if name.startswith("ivtrace")}


def copy_run(run: Path, to: Path) -> Path:
    subprocess.run(["cp", "-a", run, to], check=True)
    return to


def agent_alive(vm: guest.Guest) -> bool:
    return vm.run("pidof ivtrace-agent")[0] == 0


def ensure_agent(vm: guest.Guest) -> None:
    """An agent that runs and that the host sees."""
    if not agent_alive(vm):
        start_agent(vm)
    wait_until(lambda: guest_view(vm.name)["agent_alive"], 20, f"{vm.name}: the host sees no agent\n{vm.console()[-1000:]}")


def guest_view(name: str) -> dict:
    """What `ivtrace guests` tells about one guest."""
    views = [view for view in json.loads(ivtrace("guests", "--json").stdout)["guests"] if view["name"] == name]
    assert len(views) == 1, f"{len(views)} guests named {name}"
    return views[0]


def named(*guests) -> list[str]:
    """-g options."""
    return [word for vm in guests for word in ("-g", vm.name)]


def field(line: dict, name: str):
    """A field of an event in the report's JSON."""
    return line["fields"][name]


def wall_clock(run: Path, line: dict) -> datetime.datetime:
    """When an event happened, by the run's first anchor of TSC and wall clock."""
    anchor = next(record["anchor"] for record in journal(run) if record["type"] == "anchor")
    khz = [record["tsc_khz"] for record in journal(run) if record["type"] == "machine" and record["name"] == "host"][-1]
    unix_ns = anchor["realtime"] + (line["tsc"] - anchor["tsc"]) * 1_000_000 // khz
    return datetime.datetime.fromtimestamp(unix_ns / 1e9, datetime.timezone.utc)


def count(value) -> int:
    """A number, or the length of a list."""
    return value if isinstance(value, int) else len(value)


def is_tcg(vm: guest.Guest) -> bool:
    return not vm.qmp("query-kvm")["enabled"]


def tied_reads(run: Path, vm: guest.Guest) -> tuple[int, int]:
    """(reads of the guest that enclose exactly one host request for the same bytes, reads).

    The same bytes: FIEMAP gives the host's sector for the guest's. To enclose:
    issued before and completed after, within the clock's stated error.
    """
    error = info(run)["by_name"][vm.name]["clock"]["error_ns"]
    on_host: dict[int, list[tuple[int, int]]] = {}
    for sector, begin, end in _spans(run, "host"):
        on_host.setdefault(sector, []).append((begin, end))
    tied = made = 0
    for sector, begin, end in _spans(run, vm.name):
        address = disks.host_sector(vm.disks[0].path, sector * disks.SECTOR)
        inside = [span for span in on_host.get(address, []) if begin - error <= span[0] and span[1] <= end + error]
        made += 1
        tied += len(inside) == 1
    return tied, made


def _spans(run: Path, machine: str):
    """(sector, issued at, completed at) of a machine's block requests."""
    waiting: dict[int, int] = {}
    for line in events(run, "--machine", machine, "--event", "block:*"):
        sector = field(line, "sector")
        if line["event"] == "block_rq_issue":
            waiting[sector] = line["ts_ns"]
        elif sector in waiting:
            yield sector, waiting.pop(sector), line["ts_ns"]
