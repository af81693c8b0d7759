"""One recording of a case: begins when every machine is captured, ends as Ctrl-C would."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

OK, LOSS = 0, 3
GIVE_WAY = 10  # nice(1)
BEGIN_SECONDS, END_SECONDS = 60, 120


def _give_way() -> None:
    """The recorder takes what the guests leave: what they wait for is to be the case's doing."""
    os.setpriority(os.PRIO_PROCESS, 0, GIVE_WAY)


class RecorderError(Exception):
    """The recorder did not begin, or did not end well."""


class Recorder:
    """`ivtrace record` into a run; the with block is what it records."""

    def __init__(self, ivtrace: Path, run: Path, guests: list[str], options: list[str]):
        self.run, self._guests = run, guests
        self._said = run.with_name("record.log")
        named = [word for name in guests for word in ("-g", name)]
        self._state = Path(f"/run/ivtrace-cases-{os.getpid()}")
        self._command = [ivtrace, "record", "-o", run, "--state-directory", self._state, "--quiet", *named, *options]
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> "Recorder":
        with open(self._said, "wb") as said:
            self._process = subprocess.Popen(self._command, stdout=said, stderr=said, preexec_fn=_give_way)
        try:
            self._wait_for_capture()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind, *_) -> None:
        code = self._end()
        if kind is None and code not in (OK, LOSS):
            raise RecorderError(f"ivtrace record: exit code {code}: {self.said()}")

    def said(self) -> str:
        return self._said.read_text(errors="replace")[-2000:]

    def _wait_for_capture(self) -> None:
        deadline = time.monotonic() + BEGIN_SECONDS
        while not {"host", *self._guests} <= started(self.run):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RecorderError(f"ivtrace record did not begin: {self.said()}")
            time.sleep(0.05)

    def _end(self) -> int:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            for left in self._state.glob("*"):
                left.unlink(missing_ok=True)
            if self._state.is_dir():
                self._state.rmdir()


def journal(run: Path) -> list[dict]:
    """The journal's whole lines."""
    path = run / "journal.jsonl"
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]] if path.exists() else []


def started(run: Path) -> set[str]:
    """Machines whose capture is on and whose clock is known."""
    lines = journal(run)
    latest = {line["name"]: line for line in lines if line["type"] == "machine"}
    aligned = {line["machine"] for line in lines if line["type"] == "epoch"} | {"host"}
    return {name for name, machine in latest.items() if machine["feed"] and not machine["host_only"]} & aligned


class RunClock:
    """From the host's CLOCK_MONOTONIC to the run's nanoseconds, by the run's first anchor."""

    def __init__(self, run: Path):
        lines = journal(run)
        anchor = next(line["anchor"] for line in lines if line["type"] == "anchor")
        khz = [line["tsc_khz"] for line in lines if line["type"] == "machine" and line["name"] == "host"][-1]
        start = json.loads((run / "manifest.json").read_text())["start_tsc"]
        self._zero_ns = anchor["monotonic"] - (anchor["tsc"] - start) * 1_000_000 // khz

    def ns(self, monotonic_ns: int) -> int:
        return monotonic_ns - self._zero_ns
