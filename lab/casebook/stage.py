"""The stage of a case: its guests, the recorder, the loads, and the label that comes out of it."""

import contextlib
import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from guestlab import accel, disks, guest, kernels

from . import witness
from .case import CLEAR, SLIGHT, Case, Finding
from .loads import GuestLoad, HostLoad, Load
from .other_disk import other_disk
from .recorder import Recorder, RunClock

VCPUS, MEMORY_MB = 1, 256
AGENT_SECONDS = 60
DEEP = 4
MISSING = 0.05  # of its events: a run that lacks more must be called lossy
OTHERS_BYTES = 2 << 20  # a second: a disk that others use so much may be told to be theirs
# A thread that waited for a CPU for more than that share of a stretch, or of the time that it had one, may be called starved.
WAITED, WAITED_OF_RUN = 0.05, 0.15


@dataclass(frozen=True)
class Tempo:
    """How long a case's stretches are, and how hard its victim works (us between its reads; 0: no pause)."""

    quiet: int = 3
    cause: int = 3
    interval_us: int = 0


FULL, SMALL = Tempo(interval_us=1500), Tempo(quiet=2, cause=2, interval_us=5000)


class Stage:
    """Guests booted for one case. take() may be called again when a recording was disturbed; `with` ends the guests.

    recorder_disk: what the shelf that take() gets lies on, for the label.
    """

    def __init__(self, case: Case, bin_dir: Path, tempo: Tempo, *, image_mb: int = 256, recorder_disk: str = "memory"):
        self.case, self.bin, self.tempo = case, bin_dir, tempo
        self.guests: dict[str, guest.Guest] = {}
        self.images: dict[str, Path] = {}
        self.directory: Path | None = None
        self._image_mb = image_mb
        self._recorder_disk = "the images' disk" if case.on_disk else recorder_disk
        self._stack = contextlib.ExitStack()
        self._reset()

    def _reset(self) -> None:
        self._loads: list[Load] = []
        self._marks: list[tuple[str, int, dict]] = []
        self._waits: dict[str, witness.Waits] = {}
        self._expected: list[tuple[Finding, str]] = []
        self._allowed: list[Finding] = []
        self._effects: list[dict] = []
        self._judgements = []
        self._counts: list[tuple[Load, str, int, str, Finding]] = []
        self._others: dict = {}

    # Guests

    def __enter__(self) -> "Stage":
        with contextlib.ExitStack() as undo:
            undo.callback(self._stack.close)
            self.directory = self._stack.enter_context(disks.image_dir())
            programs = [self.bin / "ivtrace-agent", *(self.bin / "lab").glob("iv-*")]
            files = {f"/bin/{path.name}": path for path in programs}
            for seat in self.case.seats:
                disk = disks.Disk(self._image(seat), aio=seat.aio, cache=seat.cache, options=seat.drive)
                self.guests[seat.name] = guest.Guest(seat.name, kernels.get(seat.series), disks=[disk], files=files,
                                                     ring_mb=seat.ring_mb, smp=VCPUS, memory_mb=MEMORY_MB)
            # What a process of the host may write; made here, since making it is work for the disk.
            self.images["host"] = disks.make_image(self.directory / "host.img", self._image_mb)
            self._stack.enter_context(guest.booted(*self.guests.values()))
            for machine in self.guests.values():
                machine.start("exec ivtrace-agent --foreground")
            self._wait_for_agents()
            undo.pop_all()
        return self

    def __exit__(self, *_) -> None:
        self._stack.close()

    def _image(self, seat) -> Path:
        place = self.directory if seat.place == "disk" else self._stack.enter_context(other_disk(self._image_mb + 32))
        self.images[seat.name] = disks.make_image(place / f"{seat.name}.img", self._image_mb)
        return self.images[seat.name]

    def _wait_for_agents(self) -> None:
        deadline = time.monotonic() + AGENT_SECONDS
        pids = {machine.pid for machine in self.guests.values()}
        while True:
            listed = subprocess.run([self.bin / "ivtrace", "guests", "--json"], check=True, capture_output=True, text=True).stdout
            if {view["pid"] for view in json.loads(listed)["guests"] if view["agent_alive"]} >= pids:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.case.name}: the host sees no agent in a guest after {AGENT_SECONDS} s")
            time.sleep(0.1)

    def vcpu_threads(self, name: str) -> list[int]:
        return sorted({cpu["thread-id"] for cpu in self.guests[name].qmp("query-cpus-fast")})

    def other_threads(self, name: str) -> list[int]:
        """QEMU's threads that run no vCPU."""
        threads = map(int, os.listdir(f"/proc/{self.guests[name].pid}/task"))
        return sorted(set(threads) - set(self.vcpu_threads(name)))

    # What plays are made of

    def quiet(self, seconds: int | None = None) -> None:
        """The while in which all is well; what was told to begin is given a moment before."""
        time.sleep(0.5)
        self.begin("quiet")
        time.sleep(seconds or self.tempo.quiet)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def device(self, name: str) -> int:
        """Number of the host's device that a guest's image lies on."""
        return os.stat(self.images[name]).st_dev

    def begin(self, stretch: str) -> None:
        """Ends the stretch before, and names what follows."""
        self._marks.append((stretch, time.monotonic_ns(), self._read_waits()))

    def length(self, *stretches: str) -> int:
        """Seconds for a load that is to last from before the quiet until behind the causes."""
        return self.tempo.quiet + self.tempo.cause * max(1, len(stretches)) + 1

    def reads(self, name: str, seconds: int, interval_us: int | None = None, **options) -> Load:
        """Random direct reads of 4 KiB, one at a time."""
        wanted = {"seconds": seconds, "interval-us": self.tempo.interval_us if interval_us is None else interval_us, "stretch-ms": 50} | options
        return self._in_guest(name, "iv-reads", seconds, wanted)

    def writes(self, name: str, seconds: int, depth: int = 32, **options) -> Load:
        """Sequential direct writes of 1 MiB, `depth` in flight. Of many, each waits for those before it: its own load's doing."""
        if depth >= DEEP:
            self.allow(Finding("disk-own-load", name))
        return self._in_guest(name, "iv-writes", seconds, {"seconds": seconds, "depth": depth} | options)

    def spins(self, name: str, seconds: int) -> Load:
        return self._in_guest(name, "iv-spin", seconds, {"seconds": seconds, "stretch-ms": 50})

    def runs(self, name: str, program: str, lasts: int, **options) -> Load:
        """Any other program of the lab, in a guest, for about so many seconds."""
        return self._in_guest(name, program, lasts, options)

    def host_writes(self, seconds: int, depth: int = 32, **options) -> Load:
        """A process of the host that writes a file beside the images, as writes() does."""
        return self._on_host("iv-writes", seconds, {"target": self.images["host"], "seconds": seconds, "depth": depth} | options)

    def hogs(self, number: int, cpu: int, seconds: int, nice: int = 0) -> list[Load]:
        """Processes of the host that compute, on one of its CPUs."""
        return [self._on_host("iv-spin", seconds, {"seconds": seconds}, cpu=cpu, nice=nice) for _ in range(number)]

    def _in_guest(self, name: str, program: str, seconds: int, options: dict) -> Load:
        return self._add(GuestLoad(self.guests[name], [program, *_words(options)], seconds))

    def _on_host(self, program: str, seconds: int, options: dict, **how) -> Load:
        return self._add(HostLoad(self.bin / "lab" / program, _words(options), seconds, **how))

    def _add(self, load: Load) -> Load:
        self._loads.append(load)
        return load

    # The label

    def expect(self, stretch: str, *findings: Finding) -> None:
        """What must be found of that stretch, whatever was measured."""
        self._expected += ((finding, stretch) for finding in findings)

    def allow(self, *findings: Finding) -> None:
        """What is partly true, or true beside the point: found or not, it is no mistake."""
        self._allowed += findings

    def expect_if_slowed(self, load: Load, stretch: str, *findings: Finding, before: str = "quiet") -> None:
        """What must be found if the load's operations took clearly longer in that stretch; if slightly, it may be found."""
        self._judgements.append((load, before, stretch, findings))

    def expect_if_missing(self, load: Load, event: str, made: int, stretch: str, finding: Finding) -> None:
        """What must be found if many of the events that a load is known to have made are not in the run."""
        self._counts.append((load, event, made, stretch, finding))

    def _judge_counts(self, run: Path) -> None:
        for load, event, made, stretch, finding in self._counts:
            query = f"SELECT count(*) AS n FROM event WHERE machine = '{load.where}' AND name = '{event}'"
            said = subprocess.run([self.bin / "ivtrace", "query", run, query, "--json"], capture_output=True, text=True).stdout
            there = json.loads(said)["n"]
            self._effects.append({"of": load.where, "during": stretch, "events_made": made, "events_recorded": there, "ratio": made / max(1, there),
                                  "for": [finding.json()]})
            if there < made * (1 - MISSING):
                self.expect(stretch, finding)
            else:
                self.allow(finding)

    def _judge(self) -> None:
        for load, before, stretch, findings in self._judgements:
            was, became = (load.mean_ns(*self._range(name)) for name in (before, stretch))
            # No operation at all within the stretch: it was slower than the stretch is long.
            ratio = None if was is None or became is None else became / was
            self._effects.append({"of": load.where, "before": before, "during": stretch, "mean_before_ns": was, "mean_during_ns": became,
                                  "ratio": ratio, "for": [finding.json() for finding in findings]})
            if ratio is None or ratio >= CLEAR:
                self.expect(stretch, *findings)
            elif ratio >= SLIGHT:
                self._allowed += findings

    def _range(self, stretch: str) -> tuple[int, int]:
        index = next(i for i, mark in enumerate(self._marks) if mark[0] == stretch)
        return self._marks[index][1], self._marks[index + 1][1]

    def _allow_waits(self) -> None:
        """A guest that did wait for a CPU may be told so: with so few CPUs, guests at work get into each other's way."""
        known = {(finding.pattern, finding.victim) for finding, _ in self._expected}
        for _, _, waits in self._marks[1:]:
            for name, told in waits.items():
                for kind, pattern in (("vcpu", "vcpu-starved"), ("qemu", "qemu-starved")):
                    ran, waited = told[kind]["ran"], told[kind]["waited"]
                    if (waited > WAITED or waited > WAITED_OF_RUN * ran) and (pattern, name) not in known:
                        self._allowed.append(Finding(pattern, name))

    # Recording

    def _read_waits(self) -> dict:
        return {name: waits.read() for name, waits in self._waits.items()}

    def take(self, shelf: Path) -> float:
        """Plays the case once, recorded into shelf/run.ivt, with its label beside it.

        Gives the greatest share of its first stretch, in which all was to be well, that a kind of a guest's threads
        waited for a CPU: how far others disturbed it.
        """
        self._reset()
        self._waits = {name: witness.Waits(machine.pid, self.vcpu_threads(name)) for name, machine in self.guests.items()}
        others, disk_others = witness.Bystanders(), witness.DiskBystanders(os.stat(self.directory).st_dev)
        try:
            with Recorder(self.bin / "ivtrace", shelf / "run.ivt", list(self.guests), list(self.case.record)):
                self.case.play(self)
                self.begin("end")
                for load in self._loads:
                    load.wait()
                time.sleep(0.2)
        finally:
            for load in self._loads:
                load.stop()
        self._others = {"others_cpus": round(others.read(), 3), "others_disk_bytes_per_second": round(disk_others.read())}
        (shelf / "case.json").write_text(json.dumps(self._label(shelf / "run.ivt"), indent=1) + "\n")
        return max((kind["waited"] for guest_waits in self._marks[1][2].values() for kind in guest_waits.values()), default=0.0)

    def summary(self) -> str:
        """Of the label: what is to be found, and by how much the victim was slowed."""
        found = ", ".join(finding.pattern for finding, _ in self._expected) or "nothing"
        ratios = [f"{effect['ratio']:.1f}x" if effect["ratio"] else "no end" for effect in self._effects]
        return f"{found}{' ' if ratios else ''}{' '.join(ratios)}"

    def _label(self, run: Path) -> dict:
        self._judge()
        self._judge_counts(run)
        self._allow_waits()
        if self._others["others_disk_bytes_per_second"] > OTHERS_BYTES:
            self.allow(*(Finding("disk-contention-host", name) for name in self.guests))
        clock = RunClock(run)
        expected = [finding for finding, _ in self._expected]
        stretches = []
        for (name, begin, _), (_, end, waits) in zip(self._marks, self._marks[1:]):
            means = {f"{load.where} {load.command[0]}": load.mean_ns(begin, end) for load in self._loads if "stretches" in load.said}
            stretches.append({"name": name, "from_ns": clock.ns(begin), "until_ns": clock.ns(end), "waited_for_cpu": waits,
                              "mean_ns": {who: mean for who, mean in means.items() if mean is not None}})
        return {
            "name": self.case.name, "how": self.case.how, "expected": [finding.json() | self._when(stretch, clock) for finding, stretch in self._expected],
            "allowed": [finding.json() for finding in dict.fromkeys(self._allowed) if finding not in expected],
            "strength": self._strength(),
            "truth": {"stretches": stretches, "effects": self._effects, "loads": [_load_json(load, clock) for load in self._loads]},
            "machine": {"accel": accel.best(), "host_kernel": os.uname().release, "host_cpus": os.cpu_count(), "emulated_host": self.case.nested,
                        "guests": {name: {"kernel": machine.kernel.release, "vcpus": VCPUS} for name, machine in self.guests.items()}},
            "recorder": {"options": list(self.case.record), "writes_to": self._recorder_disk},
        }

    def _when(self, stretch: str, clock: RunClock) -> dict:
        begin, end = self._range(stretch)
        return {"from_ns": clock.ns(begin), "until_ns": clock.ns(end)}

    def _strength(self) -> dict:
        """made: it is so by how the case is made, and nothing was to be measured; clear or weak: as the measured effects are."""
        judged = [effect["ratio"] for effect in self._effects if effect["for"]]
        clear = all(ratio is None or ratio >= CLEAR for ratio in judged)
        return {"kind": "made" if not judged else "clear" if clear else "weak"} | self._others


def _words(options: dict) -> list[str]:
    return [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def _load_json(load: Load, clock: RunClock) -> dict:
    return load.json() | {"told_ns": clock.ns(load.told_ns), "begun_by_ns": clock.ns(load.begun_ns), "ended_ns": clock.ns(load.ended_ns)}
