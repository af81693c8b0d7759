"""The files of `ivtrace export --format trace-cmd` as Debian's trace-cmd reads them, and trace-cmd's files as runs.

Recorded cases are the runs: real kernels, a host and guests, several clocks.
"""

import collections
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import BIN, FAILED, LOSS, OK, ROOT, copy_run, events, info, ivtrace, journal

from casebook import fixtures  # noqa: E402

CASES = ("contended-vm-strong", "exit-storm-cpuid")
TRACE_CMD = shutil.which("trace-cmd")
pytestmark = pytest.mark.skipif(TRACE_CMD is None, reason="no trace-cmd here")
OURS = re.compile(r"^(?P<machine>\S+) +~?(?P<task>.{16,}?)-(?P<pid>\d+) +\[(?P<cpu>\d+)\] +(?P<seconds>-?\d+)\.(?P<ns>\d{9}): (?P<name>[^:]+): ?(?P<text>.*)$")
THEIRS = re.compile(r"^ *(?P<machine>\S+): +(?P<task>.*?)-(?P<pid>\d+) +\[(?P<cpu>\d+)\] +(?P<seconds>\d+)\.(?P<ns>\d{9}): (?P<name>[^:]+): *(?P<text>.*)$")
UNNAMED = "<...>"
RENAMED = re.compile(r"^pid=(?P<pid>\d+) .*newcomm=(?P<name>\S+) ")

Event = collections.namedtuple("Event", "machine task pid cpu ns name text")


def parse(pattern: re.Pattern, lines: str) -> list[Event]:
    """The events of a report; other lines (losses, counts of CPUs) are none."""
    found = []
    for line in lines.splitlines():
        if match := pattern.match(line):
            machine = match["machine"].removesuffix(".dat")
            found.append(Event("host" if machine == "sys" else machine, match["task"].strip(), int(match["pid"]), int(match["cpu"]),
                               int(match["seconds"]) * 1_000_000_000 + int(match["ns"]), match["name"].strip(), match["text"].strip()))
    return found


def dat_files(folder: Path) -> list[Path]:
    """The host's first."""
    return [folder / "host.dat", *sorted(path for path in folder.glob("*.dat") if path.name != "host.dat")]


def trace_cmd(*args, **popen) -> str:
    done = subprocess.run([TRACE_CMD, *map(str, args)], capture_output=True, text=True, errors="replace", timeout=120, **popen)
    assert done.returncode == 0, f"trace-cmd {args}: exit {done.returncode}\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def their_events(folder: Path) -> list[Event]:
    inputs = [word for path in dat_files(folder) for word in ("-i", path.name)]
    return parse(THEIRS, trace_cmd("report", "-N", "-t", *inputs, cwd=folder))


def our_events(run: Path, *args) -> list[Event]:
    return parse(OURS, ivtrace("report", run, *args, check=None).stdout)


def export(run: Path, folder: Path, *args) -> Path:
    done = ivtrace("export", run, "--format", "trace-cmd", "-o", folder, *args, check=None)
    assert done.returncode in (OK, LOSS), done.stderr
    return folder


@pytest.fixture(scope="module", params=CASES)
def run(request, tmp_path_factory):
    return fixtures.unpack(ROOT / "tests" / "cases" / f"{request.param}.tar.zst", tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    return export(run, tmp_path_factory.mktemp("exported") / "out")


def check_same(ours: list[Event], theirs: list[Event]) -> None:
    """Every event is there once, with its machine, CPU, pid, task, name and text; near in time; and in order."""
    def key(event):
        return event.machine, event.cpu, event.pid, event.name, event.text

    waiting = collections.defaultdict(collections.deque)
    for place, event in enumerate(ours):
        waiting[key(event)].append((place, event))
    names = collections.defaultdict(set)
    for event in ours:
        names[event.machine, event.pid].add(event.task)
        if renamed := RENAMED.search(event.text):
            names[event.machine, int(renamed["pid"])].add(renamed["name"])
    matched = []
    for event in theirs:
        assert waiting[key(event)], f"not in ivtrace report: {event}"
        matched.append((*waiting[key(event)].popleft(), event))
    missing = [event for rest in waiting.values() for _, event in rest]
    assert not missing, f"{len(missing)} events are missing, the first is {missing[0]}"
    for _, mine, other in matched:
        # One name for each thread: it is one that the thread had.
        known = names[mine.machine, mine.pid] - {UNNAMED}
        assert other.task in known or not known, (mine, other)
        assert abs(mine.ns - other.ns) <= 1000, (mine, other)
    for (_, mine, other), (_, next_mine, next_other) in zip(matched, matched[1:]):
        assert other.ns <= next_other.ns, (other, next_other)
        assert mine.ns <= next_mine.ns or other.ns == next_other.ns, (mine, next_mine)


def test_trace_cmd_shows_the_same_events_in_the_same_order(run, exported):
    ours, theirs = our_events(run), their_events(exported)
    assert len(ours) > 1000 and len({event.machine for event in ours}) > 1
    check_same(ours, theirs)


def test_a_range_is_cut_to_the_event(run, tmp_path):
    whole = our_events(run)
    begin, end = whole[len(whole) // 3].ns, whole[len(whole) // 2].ns
    span = ("--from", f"{begin}ns", "--until", f"{end}ns")
    check_same(our_events(run, *span), their_events(export(run, tmp_path / "out", *span)))


def test_guests_with_several_clocks_are_merged_too(run, tmp_path):
    changed = copy_run(run, tmp_path / "run.ivt")
    lines = journal(changed)
    epoch = next(line for line in lines if line["type"] == "epoch")
    guest_from = epoch["epoch"]["valid_from"]
    relation = {"offset": epoch["epoch"]["relation"]["offset"] - 100_000, "ratio": 1, "frac_bits": 0}
    later = epoch | {"epoch": epoch["epoch"] | {"valid_from": guest_from + 1_000_000_000, "uncertain": 1_000_000, "relation": relation}}
    with open(changed / "journal.jsonl", "a") as out:
        out.write(json.dumps(later) + "\n")
    check_same(our_events(changed), their_events(export(changed, tmp_path / "out")))


def as_seen(run: Path) -> list[tuple]:
    """Everything of an event but its time, and its tick."""
    return [(line["machine"], line["cpu"], line["pid"], line["name"], json.dumps(line["fields"]), line["tsc"]) for line in events(run)]


def test_what_was_exported_comes_back(run, exported, tmp_path):
    ivtrace("import", *dat_files(exported), "-o", tmp_path / "back.ivt", check=None)
    assert sorted(as_seen(tmp_path / "back.ivt")) == sorted(as_seen(run))
    before, after = our_events(run), our_events(tmp_path / "back.ivt")
    assert len(before) == len(after)
    assert max(abs(a.ns - b.ns) for a, b in zip(sorted(before, key=lambda e: e.ns), sorted(after, key=lambda e: e.ns))) <= 1000
    machines = info(tmp_path / "back.ivt")["by_name"]
    assert set(machines) == {path.stem for path in dat_files(exported)}
    for command in (["diagnose"], ["vcpus"], ["exits"], ["io"], ["query"]):
        words = ["SELECT count(*) FROM event"] if command == ["query"] else []
        before, after = (ivtrace(*command, place, *words, check=None).returncode for place in (run, tmp_path / "back.ivt"))
        assert after in (before, OK, LOSS), command


@pytest.mark.parametrize("options", [["--file-version", "6", "--compression", "none"], ["--file-version", "7", "--compression", "zstd"]],
                         ids=["version-6", "zstd"])
def test_what_trace_cmd_makes_of_it_comes_back_too(run, exported, tmp_path, options):
    files = []
    for path in dat_files(exported):
        files.append(tmp_path / path.name)
        trace_cmd("convert", "-i", path, "-o", files[-1], *options)
    ivtrace("import", *files, "-o", tmp_path / "back.ivt", check=None)
    assert sorted(as_seen(tmp_path / "back.ivt")) == sorted(as_seen(run))


def test_files_that_are_cut_or_none_leave_one_line_and_no_run(exported, tmp_path):
    host = (exported / "host.dat").read_bytes()
    places = {0, 1, 9, 12, 17, 20, 31, 32, 100, len(host) - 1} | {len(host) * part // 23 for part in range(1, 23)}
    bad = [host[:place] for place in sorted(places)] + [b"\0" * 4096, os.urandom(5000), host[:300] + os.urandom(5000), b"#!/bin/sh\n"]
    for number, content in enumerate(bad):
        path = tmp_path / f"bad{number}.dat"
        path.write_bytes(content)
        done = ivtrace("import", path, "-o", tmp_path / "run.ivt", check=None)
        if done.returncode in (OK, LOSS):  # the last byte is one of a description that nobody needs
            assert len(content) > len(host) - 200
            shutil.rmtree(tmp_path / "run.ivt")
            continue
        assert done.returncode == FAILED, done.stderr
        assert done.stderr.count("\n") == 1 and str(path) in done.stderr, done.stderr
        path.unlink()
        assert not list(tmp_path.glob("run.ivt*")), "something was left behind"


def test_a_guest_named_first_is_told(exported, tmp_path):
    host, guest = dat_files(exported)[:2]
    done = ivtrace("import", guest, host, "-o", tmp_path / "run.ivt", check=FAILED)
    assert "name the host's file first" in done.stderr


RECORD = """
import subprocess, sys
from pathlib import Path
place = Path("/sys/kernel/tracing")
if not (place / "tracing_on").exists() and subprocess.run(["mount", "-t", "tracefs", "none", place]).returncode != 0:
    sys.exit(77)
def look():
    return [(place / name).read_text() for name in ("tracing_on", "current_tracer", "set_event", "trace_clock", "buffer_size_kb")]
before = look()
trace_cmd, instance = sys.argv[1:]
done = subprocess.run([trace_cmd, "record", "-q", "-B", instance, "-e", "sched:sched_switch", "-o", "trace.dat", "sleep", "0.3"])
if (place / "instances" / instance).exists():
    (place / "instances" / instance).rmdir()
assert before == look(), "the machine's own settings were changed"
sys.exit(done.returncode)
"""


def test_a_recording_of_trace_cmd_becomes_a_run(tmp_path):
    # In an instance of its own, and where nobody has mounted tracefs, in one that only this process sees.
    recorded = subprocess.run(["unshare", "-m", "python3", "-c", RECORD, TRACE_CMD, f"ivtest-{os.getpid()}"], cwd=tmp_path,
                              capture_output=True, text=True, timeout=60)
    if recorded.returncode == 77:
        pytest.skip("no tracefs here")
    if "Can't enable ftrace" in recorded.stderr:
        pytest.skip("this kernel does not let trace-cmd record")
    assert recorded.returncode == 0, recorded.stderr
    ivtrace("import", tmp_path / "trace.dat", "-o", tmp_path / "run.ivt", check=None)
    theirs = [line for line in trace_cmd("report", "-N", "-t", "-i", tmp_path / "trace.dat").splitlines() if "sched_switch:" in line]
    ours = our_events(tmp_path / "run.ivt")
    assert len(ours) == len(theirs) > 0
    assert [event.text for event in ours] == [line.split("sched_switch:")[1].strip() for line in theirs]
