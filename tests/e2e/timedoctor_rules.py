"""What TimeDoctor's parser and viewer ask of a .tdi file, checked line by line; no code is shared with who writes them.

`python3 timedoctor_rules.py FILE…` prints what is wrong and exits with 1 when anything is.
"""

import dataclasses
import sys
from collections.abc import Callable, Iterable

TASK, ISR, SEMAPHORE, QUEUE, VALUE, CYCLES, NOTE, MEMORY_CYCLES = 0, 1, 2, 3, 5, 6, 7, 9
TYPES = range(12)
COUNTERS = (VALUE, CYCLES, MEMORY_CYCLES)
TEXT, NUMBER, TICKS, COLOUR = range(4)
MOST_TOKENS = 10
FIRST_BAD_ID = 2**28
FIRST_BAD_LEVEL = 2**21
LAST_EXACT = 2**53
# Tokens behind the tag, at least and at most.
ARGUMENTS = {"CPU": (2, 2), "TIME": (1, 1), "SPEED": (1, 1), "MEMSPEED": (1, 1), "NAM": (3, 3), "CRE": (3, 3), "DEL": (3, 3), "STA": (3, 4),
             "STO": (3, 4), "OCC": (3, 3), "TIM": (1, 1), "VAL": (3, 3), "DSC": (3, 3), "DNM": (3, 3), "END": (0, 0)}


class Broken(Exception):
    """A line that breaks a rule."""


@dataclasses.dataclass
class Line:
    """A row on the screen, and what is open on it."""
    type: int
    id: int
    name: str
    samples: int = 0
    level: int = 0
    value: float = -1
    created: float | None = None
    deleted: float | None = None


@dataclasses.dataclass
class Cpu:
    """A block."""
    id: int
    name: str
    lines: dict[int, Line] = dataclasses.field(default_factory=dict)
    now: float = 0
    timed: bool = False
    speed: float | None = None
    running: Line | None = None
    interrupts: list[Line] = dataclasses.field(default_factory=list)
    sample: Line | None = None
    told: list[int] = dataclasses.field(default_factory=list)  # the types of the DSC behind the sample

    def of(self, type: int) -> list[Line]:
        return [line for line in self.lines.values() if line.type == type]


def integer(token: str, least: int = -2**31, most: int = 2**31 - 1) -> int:
    digits = token[1:] if token.startswith("-") else token
    if not digits.isascii() or not digits.isdecimal():
        raise Broken(f"{token} is no whole number")
    number = int(token)
    if not least <= number <= most:
        raise Broken(f"{token} is not within {least} to {most}")
    return number


def number(token: str) -> float:
    if not set(token) <= set("0123456789.+-eE"):
        raise Broken(f"{token} is no number")
    try:
        value = float(token)
    except ValueError:
        raise Broken(f"{token} is no number") from None
    if not 0 <= value <= LAST_EXACT:
        raise Broken(f"{token} is not within 0 to 2^53")
    return value


class Trace:
    """A file, record by record. What is wrong is in `problems`, what is right in `cpus`."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.cpus: list[Cpu] = []
        self.first: float | None = None
        self.last: float | None = None
        self._records = 0
        self._ticks: float | None = None
        self._ended = False
        self._labels: set[int] = set()
        self._value_time = False

    @property
    def cpu(self) -> Cpu:
        """The block at work; a file without CPU records has one of no name."""
        if not self.cpus:
            self.cpus.append(Cpu(0, ""))
        return self.cpus[-1]

    def read(self, text: Iterable[str]) -> "Trace":
        for at, line in enumerate(text, 1):
            try:
                self.record(line.rstrip("\n"))
            except Broken as broken:
                self.problems.append(f"{at}: {line.rstrip()}: {broken}")
        try:
            self.end()
        except Broken as broken:
            self.problems.append(f"end: {broken}")
        return self

    def record(self, line: str) -> None:
        if not line.isascii() or not all(" " <= character <= "~" or character == "\t" for character in line):
            raise Broken("it is not printable ASCII")
        tag, *tokens = line.split() or [""]
        if not tag:
            raise Broken("it is empty")
        if 1 + len(tokens) > MOST_TOKENS:
            raise Broken("more than ten tokens abort the whole file")
        if tag not in ARGUMENTS:
            raise Broken("there is no such record")
        least, most = ARGUMENTS[tag]
        if not least <= len(tokens) <= most:
            raise Broken(f"{tag} has {least} to {most} arguments")
        if self._ended:
            raise Broken("it is behind END")
        self._records += 1
        if tag != "TIME" and self._ticks is None:
            raise Broken("TIME comes first")
        RECORDS[tag](self, *tokens)

    # The records.

    def time(self, ticks: str) -> None:
        if self._records > 1:
            raise Broken("TIME scales only what follows it: it comes first and once")
        self._ticks = number(ticks)
        if self._ticks == 0:
            raise Broken("a second has ticks")

    def begin_cpu(self, id: str, name: str) -> None:
        if self.cpus and self.cpus[0].name == "":
            raise Broken("records before the first CPU belong to none")
        if any(cpu.id == integer(id) for cpu in self.cpus):
            raise Broken("a CPU's records are one block")
        self.close_block()
        self.cpus.append(Cpu(integer(id), name))
        self._value_time = False

    def speed(self, hertz: str) -> None:
        if self.cpu.speed is not None or self.cpu.timed:
            raise Broken("a CPU has one SPEED, before its samples")
        self.cpu.speed = number(hertz)
        if self.cpu.speed <= 1:
            raise Broken("the viewer would not zoom in")

    def memory_speed(self, hertz: str) -> None:
        if number(hertz) < 1:
            raise Broken("a memory has a clock")

    def name(self, type: str, id: str, name: str) -> None:
        if self.cpu.timed:
            raise Broken("a line is named before the first sample")
        kind, key = self.key(type, id)
        if key in self.cpu.lines:
            raise Broken("the number is another line's")
        self.cpu.lines[key] = Line(kind, key, name)

    def create(self, type: str, id: str, time: str) -> None:
        kind, key = self.key(type, id)
        self.move_to(time)
        known = self.cpu.lines.get(key)
        if known is None:
            self.cpu.lines[key] = Line(kind, key, "", created=self.cpu.now)
            return
        if known.type != kind or known.created is None:
            raise Broken("what has a name already is not created")
        if known.deleted is None or self.cpu.now <= known.deleted:
            raise Broken("a line is created again later than it was deleted")
        self.cpu.lines[key] = Line(kind, key, known.name, created=self.cpu.now)

    def delete(self, type: str, id: str, time: str) -> None:
        line = self.known(type, id)
        self.move_to(time)
        if self.cpu.now <= (line.created or 0):
            raise Broken("a line is deleted later than it was created")
        if line is self.cpu.running or line in self.cpu.interrupts:
            raise Broken("what is open is not deleted")
        line.deleted = self.cpu.now

    def start(self, type: str, id: str, time: str, size: str = "1") -> None:
        line = self.sampled(type, id, time)
        amount = self.amount(line, size)
        if line.type == TASK:
            if self.cpu.running is not None:
                raise Broken(f"{self.cpu.running.name} has the CPU")
            if self.cpu.interrupts:
                raise Broken("only interrupts begin in an interrupt")
            self.cpu.running = line
        elif line.type == ISR:
            if line in self.cpu.interrupts:
                raise Broken("the interrupt is open already")
            self.cpu.interrupts.append(line)
        elif line.type in (SEMAPHORE, QUEUE):
            line.level += amount
            if line.level >= FIRST_BAD_LEVEL:
                raise Broken("the level is too high for the viewer")
        else:
            raise Broken("such a line has no start")
        line.samples += 1

    def stop(self, type: str, id: str, time: str, size: str = "1") -> None:
        line = self.sampled(type, id, time)
        amount = self.amount(line, size)
        if line.samples == 0:
            raise Broken("it lands on another line: this one has not started")
        if line.type == TASK:
            if line is not self.cpu.running:
                raise Broken("the task does not have the CPU")
            if self.cpu.interrupts:
                raise Broken("an interrupt is open")
            self.cpu.running = None
        elif line.type == ISR:
            if not self.cpu.interrupts or self.cpu.interrupts[-1] is not line:
                raise Broken("it is not the innermost interrupt")
            self.cpu.interrupts.pop()
        elif line.type in (SEMAPHORE, QUEUE):
            line.level -= amount
            if line.level < 0:
                raise Broken("less than nothing is in it")
        else:
            raise Broken("such a line has no stop")
        line.samples += 1

    def occur(self, type: str, id: str, time: str) -> None:
        line = self.sampled(type, id, time)
        if line.type != NOTE:
            raise Broken("OCC is a note's")
        line.samples += 1

    def now(self, time: str) -> None:
        self.move_to(time)
        self._value_time = True

    def sample_value(self, type: str, id: str, value: str) -> None:
        line = self.known(type, id)
        if line.type not in COUNTERS:
            raise Broken("VAL is a counter's")
        if not self._value_time:
            raise Broken("nothing has told the time")
        if number(value) < line.value:
            raise Broken("a counter that falls gains 2^32")
        line.value = number(value)
        line.samples += 1
        self.take(line)

    def describe(self, type: str, id: str, value: str) -> None:
        kind = integer(type, TEXT, COLOUR)
        if self.cpu.sample is None:
            raise Broken("there is no sample before it")
        if integer(id) not in self._labels:
            raise Broken("its label has no DNM")
        if TEXT in self.cpu.told:
            raise Broken("one text comes last")
        if kind == COLOUR and self.cpu.told:
            raise Broken("the colour comes first")
        if kind == COLOUR:
            integer(value)
        elif kind != TEXT:
            number(value)
        self.cpu.told.append(kind)

    def label(self, _: str, id: str, name: str) -> None:
        self._labels.add(integer(id))

    def finish(self) -> None:
        self._ended = True

    # What they share.

    def key(self, type: str, id: str) -> tuple[int, int]:
        kind = integer(type)
        if kind not in TYPES:
            raise Broken(f"there is no type {kind}")
        return kind, integer(id, 0, FIRST_BAD_ID - 1)

    def known(self, type: str, id: str) -> Line:
        kind, key = self.key(type, id)
        line = self.cpu.lines.get(key)
        if line is None or line.type != kind:
            raise Broken("no such line has a name")
        if line.deleted is not None:
            raise Broken("the line is deleted")
        return line

    def move_to(self, time: str) -> None:
        self.cpu.timed = True
        at = number(time)
        if at < self.cpu.now:
            raise Broken(f"the time falls from {self.cpu.now:.0f}")
        self.cpu.now = at
        self._value_time = True

    def sampled(self, type: str, id: str, time: str) -> Line:
        line = self.known(type, id)
        self.move_to(time)
        self.take(line)
        return line

    def take(self, line: Line) -> None:
        self.cpu.sample = line
        self.cpu.told = []
        self.first = min(self.cpu.now, self.cpu.now if self.first is None else self.first)
        self.last = max(self.cpu.now, self.cpu.now if self.last is None else self.last)

    @staticmethod
    def amount(line: Line, size: str) -> int:
        if line.type in (TASK, ISR) and size != "1":
            raise Broken("such a line has no size")
        return integer(size, 1)

    def close_block(self) -> None:
        if not self.cpus:
            return
        cpu = self.cpus[-1]
        left = ([cpu.running] if cpu.running else []) + cpu.interrupts
        if left:
            raise Broken(f"the block of {cpu.name} ends while open: " + ", ".join(line.name for line in left))

    def end(self) -> None:
        self.close_block()
        if self.first is None or self.last is None or self.first == self.last:
            raise Broken("a trace of no duration does not open")


RECORDS: dict[str, Callable] = {
    "TIME": Trace.time, "CPU": Trace.begin_cpu, "SPEED": Trace.speed, "MEMSPEED": Trace.memory_speed, "NAM": Trace.name, "CRE": Trace.create,
    "DEL": Trace.delete, "STA": Trace.start, "STO": Trace.stop, "OCC": Trace.occur, "TIM": Trace.now, "VAL": Trace.sample_value,
    "DSC": Trace.describe, "DNM": Trace.label, "END": Trace.finish}


def read(path) -> Trace:
    # Any byte is a character, so that what is not ASCII is found, and only a newline ends a line.
    with open(path, encoding="latin-1", newline="\n") as file:
        return Trace().read(file)


if __name__ == "__main__":
    wrong = [f"{path}:{problem}" for path in sys.argv[1:] for problem in read(path).problems]
    print("\n".join(wrong), end="\n" if wrong else "")
    sys.exit(1 if wrong else 0)
