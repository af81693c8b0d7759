"""Runs of tests/cases as they are, and with something done to them that recording seldom does."""

import re
import shutil
from pathlib import Path

from casebook import fixtures
from harness import ROOT

PAGE, HEAD = 4096, 16
# Bits of a sub-buffer's commit word: events were lost before it, and their number stands behind its events.
MISSED, COUNTED = 1 << 31, 1 << 30


def unpacked(case: str, into: Path) -> Path:
    """The run of a fixture."""
    into.mkdir(parents=True, exist_ok=True)
    return fixtures.unpack(ROOT / "tests" / "cases" / f"{case}.tar.zst", into)


def copied(run: Path, into: Path) -> Path:
    shutil.copytree(run, into)
    return into


def host_files(run: Path) -> list[Path]:
    return sorted(path for path in (run / "host").iterdir() if path.name.endswith(".pages") and path.stat().st_size >= 3 * PAGE)


def lose_events(run: Path) -> list[int | None]:
    """Marks two pages of a host's CPU as following a hole, of known size and of unknown one; the holes' sizes."""
    path = host_files(run)[0]
    data = bytearray(path.read_bytes())

    def commit(page: int) -> int:
        return int.from_bytes(data[page * PAGE + 8:page * PAGE + 16], "little")

    def mark(page: int, flags: int) -> None:
        data[page * PAGE + 8:page * PAGE + 16] = (commit(page) | flags).to_bytes(8, "little")

    roomy = next(page for page in range(1, len(data) // PAGE - 1) if HEAD + commit(page) + 8 <= PAGE)
    size, behind = 1234, HEAD + commit(roomy)
    data[roomy * PAGE + behind:roomy * PAGE + behind + 8] = size.to_bytes(8, "little")
    mark(roomy, MISSED | COUNTED)
    mark(roomy + 1, MISSED)
    path.write_bytes(data)
    return [size, None]


def cut_off(run: Path) -> None:
    """As a machine leaves it that lost its power: every file ends somewhere, the journal in the middle of a line."""
    for path in run.rglob("*"):
        if path.is_file() and (path.suffix == ".pages" or path.name == "journal.jsonl"):
            data = path.read_bytes()
            path.write_bytes(data[:len(data) * 3 // 4 + 1])


def change_format(run: Path, machine: str, event: str, changes: dict[str, str]) -> None:
    """Replaces texts in an event's format, as a hostile guest would send it."""
    path = run / machine / "formats"
    text, out, at = path.read_bytes(), b"", 0
    while at < len(text):
        head = re.compile(rb"file (\S+) (\d+)\n").match(text, at)
        content = text[head.end():head.end() + int(head[2])]
        at = head.end() + int(head[2]) + 1
        if head[1].decode().endswith(f"/{event}/format"):
            for old, new in changes.items():
                assert old.encode() in content, f"{event}'s format has no {old}"
                content = content.replace(old.encode(), new.encode())
        out += b"file %s %d\n" % (head[1], len(content)) + content + b"\n"
    path.write_bytes(out)
