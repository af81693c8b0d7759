"""The command channel into a guest: scripts, files, signals. init.sh is its other end.

One thread reads the answers and hands each to the job that waits for it, so
jobs run side by side. All methods may be called from any thread.
"""

import itertools
import socket
import threading
import time
from pathlib import Path

BLOCK = 4096
HUNG_SECONDS = 20  # a busy guest under TCG may take some seconds to kill a job


class GuestDied(Exception):
    """The guest ended, hangs, or never came up; the text holds what its console said last."""


class GuestTimeout(Exception):
    """A command took longer than it was given."""


class Job:
    """A command running in the guest."""

    def __init__(self, channel: "Channel", seq: int):
        self._channel = channel
        self._seq = seq
        self._answered = threading.Event()
        self._answer: tuple[int, bytes] | None = None

    @property
    def done(self) -> bool:
        return self._answered.is_set()

    def signal(self, name: str = "TERM") -> None:
        """Sends a signal (INT, TERM, KILL, …) to the job and all its children."""
        self._channel.send_signal(self._seq, name)

    def wait_bytes(self, timeout: float) -> tuple[int, bytes]:
        """(exit code, output); kills the job and raises GuestTimeout when the time is over.

        A guest in which not even that has an effect hangs: GuestDied.
        """
        if not self._answered.wait(timeout):
            if self._channel.alive:
                self.signal("KILL")
                if not self._answered.wait(HUNG_SECONDS):
                    raise GuestDied(self._channel.death())
            output = self._answer[1].decode(errors="replace") if self._answer else ""
            raise GuestTimeout(f"no end after {timeout} s; output so far:\n{output[-2000:]}")
        if self._answer is None:
            raise GuestDied(self._channel.death())
        return self._answer

    def wait(self, timeout: float = 60) -> tuple[int, str]:
        """(exit code, output as text): see wait_bytes."""
        code, output = self.wait_bytes(timeout)
        return code, output.decode(errors="replace")

    def settle(self, answer: tuple[int, bytes] | None) -> None:
        """Called by the channel: the answer, or None when none will come."""
        self._answer = answer
        self._answered.set()


class Channel:
    """One guest's channel. `death` tells why the guest is gone, for error texts."""

    def __init__(self, path: Path, death):
        self.death = death
        self._path = path
        self._socket: socket.socket | None = None
        self._jobs: dict[int, Job] = {}
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._ended = threading.Event()
        self._next = itertools.count(1)

    @property
    def alive(self) -> bool:
        return not self._ended.is_set()

    def open(self, is_running, timeout: float) -> None:
        """Waits until the guest says that it serves commands. Raises GuestDied."""
        deadline = time.monotonic() + timeout
        while self._socket is None:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self._path))
                self._socket = connection
            except OSError:
                connection.close()
                if not is_running() or time.monotonic() > deadline:
                    raise GuestDied(self.death()) from None
                time.sleep(0.02)
        threading.Thread(target=self._read, daemon=True).start()
        while not self._ready.wait(0.1):
            if not is_running() or self._ended.is_set() or time.monotonic() > deadline:
                raise GuestDied(self.death())

    def close(self) -> None:
        if self._socket:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the guest went first
            self._socket.close()

    def run(self, script: str) -> Job:
        return self._send("run", "-", script.encode())

    def put(self, path: str, content: bytes) -> Job:
        return self._send("put", path, content)

    def get(self, path: str) -> Job:
        return self._send("get", path, b"")

    def send_signal(self, seq: int, name: str) -> None:
        self._write(f"signal {seq} 0 {name}\n".encode())

    def _send(self, verb: str, argument: str, payload: bytes) -> Job:
        job = Job(self, next(self._next))
        with self._lock:
            self._jobs[job._seq] = job
        padding = b"\0" * (-len(payload) % BLOCK)
        self._write(f"{verb} {job._seq} {len(payload)} {argument}\n".encode() + payload + padding)
        return job

    def _write(self, data: bytes) -> None:
        with self._lock:
            try:
                self._socket.sendall(data)
            except OSError:
                raise GuestDied(self.death()) from None

    def _read(self) -> None:
        try:
            with self._socket.makefile("rb") as stream:
                while line := stream.readline():
                    kind, seq, code, size = line.split()
                    output = stream.read(int(size))
                    if kind == b"ready":
                        self._ready.set()
                    elif len(output) == int(size):
                        with self._lock:
                            job = self._jobs.pop(int(seq))
                        job.settle((int(code), output))
        except (OSError, ValueError):
            pass  # the guest went away in the middle of an answer
        self._ended.set()
        with self._lock:
            waiting, self._jobs = self._jobs, {}
        for job in waiting.values():
            job.settle(None)
