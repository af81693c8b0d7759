"""Runs of the casebook, and a made one, in the formats of other tools: whole, right, and all or nothing."""

import csv
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

import harness
import timedoctor_rules
from harness import BIN, FAILED, LOSS, OK, ROOT, ivtrace
from timedoctor_rules import ISR, NOTE, QUEUE, TASK

from casebook import fixtures  # noqa: E402

CASES = ("contended-vm-strong", "cpu-starved-vcpu", "exit-storm-cpuid", "guest-stopped", "healthy-idle", "slow-device")
MADE_EVENTS = 1_000_000


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The run of each case, and "made", a large one, by name; unpacked when asked for."""
    place = tmp_path_factory.mktemp("runs")

    def run(name: str):
        path = place / name / "run.ivt"
        if path.exists():
            return path
        path.parent.mkdir()
        if name == "made":
            subprocess.run([BIN / "bench-run", str(MADE_EVENTS), path], check=True)
        else:
            fixtures.unpack(ROOT / "tests" / "cases" / f"{name}.tar.zst", path.parent)
        return path

    return run


def export(run, kind: str, out, *args, check: int | None = None) -> subprocess.CompletedProcess:
    done = ivtrace("export", run, "--format", kind, "-o", out, *args, check=check)
    assert check is not None or done.returncode in (OK, LOSS), done.stderr
    return done


def ask(run, sql: str) -> list[dict]:
    return [json.loads(line) for line in ivtrace("query", run, sql, "--json", check=None).stdout.splitlines()]


def told_by_rules(path) -> timedoctor_rules.Trace:
    trace = timedoctor_rules.read(path)
    assert trace.problems == [], trace.problems[:20]
    return trace


@pytest.mark.parametrize("name", (*CASES, "made"))
def test_timedoctor_takes_every_line(runs, name, tmp_path):
    run = runs(name)
    export(run, "timedoctor", tmp_path / "run.tdi")
    trace = told_by_rules(tmp_path / "run.tdi")
    blocks = {cpu.name: cpu for cpu in trace.cpus}
    wanted = {f"{row['machine']}:cpu{row['cpu']}" for row in ask(run, "SELECT DISTINCT machine, cpu FROM sched_slice UNION SELECT machine, cpu FROM irq_slice")}
    wanted |= {f"{row['machine']}:vcpu{row['vcpu']}" if row["vcpu"] is not None else f"{row['machine']}:vcpus-{row['thread']}"
               for row in ask(run, "SELECT DISTINCT machine, vcpu, thread FROM vcpu_slice")}
    wanted |= {f"{row['machine']}:disks" for row in ask(run, "SELECT DISTINCT machine FROM block_request")}
    wanted |= {f"{row['machine']}:marks" for row in ask(run, "SELECT machine FROM mark_slice UNION SELECT machine FROM mark_instant UNION SELECT machine FROM mark_counter")}
    assert blocks.keys() == wanted | {"notes"} and len(wanted) > 3
    findings, = [line for line in blocks["notes"].of(NOTE) if line.name == "findings"]
    assert findings.samples == ask(run, "SELECT count(*) AS n FROM finding")[0]["n"]


@pytest.mark.parametrize("name", CASES)
def test_timedoctor_has_every_row(runs, name, tmp_path):
    """Where a CPU's slices follow each other, each is a start and a stop; so is each request, and each interrupt."""
    run = runs(name)
    export(run, "timedoctor", tmp_path / "run.tdi")
    for cpu in told_by_rules(tmp_path / "run.tdi").cpus:
        machine, _, part = cpu.name.rpartition(":")
        if part.startswith("cpu"):
            where = f"machine = '{machine}' AND cpu = {part.removeprefix('cpu')}"
            for kind, table in ((TASK, "sched_slice"), (ISR, "irq_slice")):
                rows = ask(run, f"SELECT count(*) AS n FROM {table} WHERE {where}")[0]["n"]
                assert sum(line.samples for line in cpu.of(kind)) == 2 * rows, (cpu.name, table)
        elif part == "disks":
            rows = {f"disk:{row['device']}:{row['direction']}": row["n"] for row in ask(
                run, f"SELECT device, direction, count(*) AS n FROM block_request WHERE machine = '{machine}' GROUP BY 1, 2")}
            assert {line.name: line.samples for line in cpu.of(QUEUE)} == {name: 2 * count for name, count in rows.items()}


def test_timedoctor_has_the_times_of_the_run(runs, tmp_path):
    run = runs("contended-vm-strong")
    export(run, "timedoctor", tmp_path / "run.tdi")
    trace = told_by_rules(tmp_path / "run.tdi")
    assert trace.first == 0
    assert trace.last >= ask(run, "SELECT max(until_ns) AS last FROM sched_slice")[0]["last"]
    first, = ask(run, "SELECT tid, comm, from_ns, until_ns FROM sched_slice WHERE machine = 'host' AND cpu = 0 AND tid <> 0 AND from_ns >= 0 ORDER BY from_ns LIMIT 1")
    text = (tmp_path / "run.tdi").read_text()
    block = text[text.index(" host:cpu0\n"):]
    number = next(line.split()[2] for line in block.splitlines() if line.startswith("NAM 0") and line.endswith(f"-{first['tid']}"))
    assert f"\nSTA 0 {number} {first['from_ns']}\n" in block and f"\nSTO 0 {number} {first['until_ns']}\n" in block


def test_timedoctor_shows_a_part(runs, tmp_path):
    run = runs("contended-vm-strong")
    export(run, "timedoctor", tmp_path / "part.tdi", "--from", "2", "--until", "2.5", "--machine", "vm1")
    trace = told_by_rules(tmp_path / "part.tdi")
    # Times become ticks of the host's clock and nanoseconds again.
    assert (trace.first, trace.last) == (pytest.approx(2_000_000_000, abs=2), pytest.approx(2_500_000_000, abs=2))
    assert {cpu.name.partition(":")[0] for cpu in trace.cpus} == {"vm1", "notes"}


@pytest.mark.parametrize(("kind", "ending"), [("json", "jsonl"), ("csv", "csv")])
@pytest.mark.parametrize("name", ("contended-vm-strong", "guest-stopped"))
def test_tables_are_what_a_query_prints(runs, kind, ending, name, tmp_path):
    run = runs(name)
    done = export(run, kind, tmp_path / "tables")
    tables = [row["table"] for row in ask(run, ".tables")]
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == sorted([".ivtrace-export", *(f"{table}.{ending}" for table in tables)])
    for table in tables:
        asked = subprocess.run([BIN / "ivtrace", "query", run, f"SELECT * FROM {table}", f"--{kind}"], capture_output=True)
        assert (tmp_path / "tables" / f"{table}.{ending}").read_bytes() == asked.stdout, table
    assert done.returncode == ivtrace("query", run, "SELECT count(*) FROM event", check=None).returncode


def test_a_part_of_the_tables_is_written(runs, tmp_path):
    run = runs("contended-vm-strong")
    begin, end = 2_000_000_000, 2_100_000_000
    export(run, "csv", tmp_path / "part", "--from", f"{begin}ns", "--until", f"{end}ns", "--machine", "vm1", "--machine", "vm2")
    counts = {}
    for table in (row["table"] for row in ask(run, ".tables")):
        with open(tmp_path / "part" / f"{table}.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        counts[table] = len(rows)
        assert all(row.get("machine", "vm1") in ("vm1", "vm2") for row in rows), table
        if rows and {"from_ns", "until_ns"} <= rows[0].keys():
            assert all(int(row["from_ns"]) <= end + 1 and int(row["until_ns"] or end) >= begin - 1 for row in rows), table
    for table, when in (("event", "time_ns BETWEEN {0} AND {1}"), ("vcpu_slice", "from_ns <= {1} AND until_ns >= {0}"), ("io_request", "from_ns <= {1} AND until_ns >= {0}")):
        there = ask(run, f"SELECT count(*) AS n FROM {table} WHERE machine <> 'host' AND {when.format(begin, end)}")[0]["n"]
        assert counts[table] == pytest.approx(there, abs=2) and there > 10, table
    assert counts["machine"] == 3


def slow_export(run, kind: str, out, **popen) -> subprocess.Popen:
    return subprocess.Popen([BIN / "ivtrace", "export", run, "--format", kind, "-o", out, "--no-cache"], stderr=subprocess.PIPE, text=True, **popen)


@pytest.mark.parametrize("kind", ("timedoctor", "json"))
@pytest.mark.parametrize("after", (0.0, 0.5))
def test_ctrl_c_leaves_nothing(runs, kind, after, tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    process = slow_export(runs("made"), kind, place / "out")
    harness.wait_until(lambda: any(place.iterdir()), 20, "it writes nothing")  # beside its place, under another name
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == FAILED and "nothing was written" in said, said
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("kind", ("timedoctor", "csv"))
def test_a_full_disk_leaves_nothing_and_what_was_there(runs, kind, tmp_path):
    mount = tmp_path / "small"
    mount.mkdir()
    run = runs("made")
    script = (f"mount -t tmpfs -o size=2M none {mount} && echo mine > {mount}/other && "
              f"{BIN}/ivtrace export {run} --format {kind} -o {mount}/out; echo code $?; ls -A {mount}; cat {mount}/other")
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == [f"code {FAILED}", "other", "mine"], done
    assert done.stderr.count("\n") == 1 and "space" in done.stderr, done.stderr


def anonymous_memory(process: subprocess.Popen) -> int:
    """What the process has now, in MB, but for the files that it maps."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return max((int(line.split()[1]) // 1024 for line in lines if line.startswith("RssAnon")), default=0)


@pytest.mark.parametrize("kind", ("timedoctor", "json"))
def test_memory_does_not_grow_with_the_run(runs, kind, tmp_path):
    peak = 0
    with slow_export(runs("made"), kind, tmp_path / kind) as process:
        while process.poll() is None:
            peak = max(peak, anonymous_memory(process))
            time.sleep(0.02)
    assert process.returncode == OK
    # The rows are some hundred MB.
    assert 0 < peak < 50
