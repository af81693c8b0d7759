"""A load at work in a guest or on the host, and what it says of itself when it has ended."""

import json
import os
import subprocess
import time
from pathlib import Path

ANSWER_SECONDS = 60  # beyond its own time; a starved guest is slow to end


class Load:
    """One run of a workload. `where` is a guest's name, or host. Times are CLOCK_MONOTONIC of the host, ns."""

    def __init__(self, where: str, command: list[str], seconds: int):
        self.where, self.command, self.seconds = where, command, seconds
        self.told_ns = time.monotonic_ns()
        self.ended_ns: int | None = None
        self.said: dict | None = None

    @property
    def begun_ns(self) -> int:
        """When it began at the latest; it did so after told_ns."""
        return self.ended_ns - int(self.said["seconds"] * 1e9)

    def wait(self) -> dict:
        """What it measured. Raises RuntimeError when it failed."""
        if self.said is None:
            code, output = self._end(self.seconds + ANSWER_SECONDS)
            self.ended_ns = time.monotonic_ns()
            if code != 0:
                raise RuntimeError(f"{self.where}: exit {code} of {' '.join(self.command)}: {output[-500:]}")
            self.said = json.loads(output)
        return self.said

    def mean_ns(self, from_ns: int, until_ns: int, margin_ns: int = 150_000_000) -> float | None:
        """The mean of its operations in the stretches that lie within; None when there are none."""
        width, begun = self.said["stretch_ns"], (self.told_ns + self.begun_ns) // 2
        count = total = 0
        for index, (made, mean) in enumerate(self.said["stretches"]):
            at = begun + index * width
            if at >= from_ns + margin_ns and at + width <= until_ns - margin_ns:
                count, total = count + made, total + made * mean
        return total / count if count else None

    def json(self) -> dict:
        return {"where": self.where, "command": " ".join(self.command), "measured": self.said}


class GuestLoad(Load):
    """In a guest, by its command channel."""

    def __init__(self, machine, command: list[str], seconds: int):
        super().__init__(machine.name, command, seconds)
        self._job = machine.start("exec " + " ".join(command))

    def _end(self, timeout: float) -> tuple[int, str]:
        return self._job.wait(timeout)

    def stop(self) -> None:
        if not self._job.done:
            self._job.signal("KILL")


class HostLoad(Load):
    """A process of the host. cpu: the only one that it may use. nice: as nice(1) has it."""

    def __init__(self, program, arguments: list[str], seconds: int, cpu: int | None = None, nice: int = 0):
        # Where files lie on this machine is nobody's business.
        super().__init__("host", [program.name, *(Path(word).name if word.startswith("/") else word for word in arguments)], seconds)
        self.process = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if cpu is not None:
            os.sched_setaffinity(self.process.pid, {cpu})
        if nice:
            os.setpriority(os.PRIO_PROCESS, self.process.pid, nice)

    def _end(self, timeout: float) -> tuple[int, str]:
        output = self.process.communicate(timeout=timeout)[0]
        return self.process.returncode, output

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
