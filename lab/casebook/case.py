"""What a case is, and what its label says.

A case is played on a stage (stage.py): its `play` starts loads, waits, brings in the
cause, and says what must be found. The label is one JSON object beside the run:

    {"name", "how", "expected": [finding…], "allowed": [finding…], "strength", "truth": {…}, "machine": {…}}

with finding = {"pattern", "victim", "culprit"}, perhaps "share", and of an expected one "from_ns" and "until_ns". A victim or culprit of "*" is not judged, null
is nobody. What is neither expected nor allowed is wrong to find.
"""

import dataclasses
from collections.abc import Callable

ANY = "*"
PATTERNS = ("disk-contention-vm", "disk-contention-host", "disk-slow-device", "disk-own-load", "disk-own-limit",
            "qemu-starved", "vcpu-starved", "exit-storm", "guest-stuck", "events-lost")
# From this ratio of the victim's times on, a cause must be found; below the second one it did nothing worth telling.
CLEAR, SLIGHT = 1.5, 1.15


class Unavailable(Exception):
    """This machine cannot play the case; the text says what it lacks."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that a diagnosis may say. share: the culprit's part of what the victim met, where it is known."""

    pattern: str
    victim: str | None = ANY
    culprit: str | None = ANY
    share: float | None = None

    def __post_init__(self):
        if self.pattern not in PATTERNS:
            raise ValueError(f"no pattern is called {self.pattern}")

    def json(self) -> dict:
        told = {"pattern": self.pattern, "victim": self.victim, "culprit": self.culprit}
        return told if self.share is None else told | {"share": round(self.share, 3)}


@dataclasses.dataclass(frozen=True)
class Seat:
    """A guest of a case. drive: more of QEMU's -drive. place: "disk", or "other" for an image on a device of its own."""

    name: str
    series: str = "6.12"
    aio: str = "native"
    cache: str = "none"
    drive: str = ""
    place: str = "disk"
    ring_mb: int = 16


@dataclasses.dataclass(frozen=True)
class Case:
    """One case. play(stage) plays it while the recorder runs; record: the recorder's options.

    nested: it needs KVM's events or a device that can be slowed, and is played in the emulated KVM host. on_disk: the
    recorder writes to the disk that the guests use, as it often does; else to memory, where it disturbs nobody.
    small: it makes a fixture. calm: it is judged by times, so nobody else should use this machine meanwhile.
    """

    name: str
    how: str
    play: Callable
    seats: tuple[Seat, ...]
    record: tuple[str, ...] = ("--profile", "io")
    nested: bool = False
    on_disk: bool = False
    small: bool = False
    calm: bool = True


class Book:
    """The cases of one chapter, in order, each made by decorating its play."""

    def __init__(self):
        self.cases: list[Case] = []

    def case(self, name: str, how: str, seats: tuple[Seat, ...], **options):
        def add(play):
            self.cases.append(Case(name, " ".join(how.split()), play, seats, **options))
            return play
        return add
