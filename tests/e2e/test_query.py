"""What `ivtrace query` tells of a real recording, against what the other commands tell of it."""

import collections
import csv
import io
import json
import os
import shutil
import signal
import subprocess

import pytest

import harness
from harness import ivtrace, named

READS = 200


@pytest.fixture(scope="module")
def recorded(new_guest, tmp_path_factory):
    """A run, and the name of the guest in it, which read its disk meanwhile; all groups of events are recorded."""
    run = tmp_path_factory.mktemp("query") / "run.ivt"
    with new_guest("query") as vm:
        harness.ensure_agent(vm)
        with harness.Recording(run, *named(vm), "--profile", "all") as recording:
            recording.wait_for(["host", vm.name])
            vm.start(f"iv-reads --seconds 0 --count {READS}").wait(60)
            recording.stop(check=None)
    return run, vm.name


def ask(run, sql: str) -> list[dict]:
    return [json.loads(line) for line in ivtrace("query", run, sql, "--json", check=None).stdout.splitlines()]


def test_events_are_those_of_the_report(recorded):
    run, _ = recorded
    reported = collections.Counter((event["machine"], event["system"], event["event"]) for event in harness.events(run))
    told = {(row["machine"], row["system"], row["name"]): row["n"] for row in ask(run, "SELECT machine, system, name, count(*) AS n FROM event GROUP BY 1, 2, 3")}
    assert told == reported and len(told) > 10


def test_a_stretch_of_time_is_the_reports_line_by_line(recorded):
    run, guest = recorded
    middle = ask(run, "SELECT (min(from_ns) + max(until_ns)) / 2 AS middle FROM io_request")[0]["middle"]
    begin, end = middle - 5_000_000, middle + 5_000_000
    reported = harness.events(run, "--from", f"{begin}ns", "--until", f"{end}ns")
    told = ask(run, f"SELECT time_ns, machine, cpu, tid, name FROM event WHERE time_ns BETWEEN {begin} AND {end}")
    seen = [(event["ts_ns"], event["machine"], event["cpu"], event["pid"], event["event"]) for event in reported if begin <= event["ts_ns"] <= end]
    assert [tuple(row.values()) for row in told] == seen and len(told) > 10
    assert {row["machine"] for row in told} == {"host", guest}


def test_requests_and_phases_are_those_of_io(recorded):
    run, guest = recorded
    groups = json.loads(ivtrace("io", run, "--json", check=None).stdout)["groups"]
    told = ask(run, "SELECT machine, device, direction, count(*) AS requests, sum(bytes) AS bytes FROM io_request GROUP BY 1, 2, 3")
    key = ("machine", "device", "direction", "requests", "bytes")
    assert sorted(tuple(row.values()) for row in told) == sorted(tuple(group[name] for name in key) for group in groups)
    reads = [row for row in told if row["machine"] == guest and row["direction"] == "read"]
    assert sum(row["requests"] for row in reads) >= READS
    ties = collections.Counter()
    phases = collections.Counter()
    for group in groups:
        ties.update(group["ties"])
        phases.update({phase["phase"]: phase["requests"] for phase in group["phases"]})
    assert {row["tie"]: row["n"] for row in ask(run, "SELECT tie, count(*) AS n FROM io_request GROUP BY 1")} == ties
    assert {row["phase"]: row["n"] for row in ask(run, "SELECT phase, count(*) AS n FROM io_phase GROUP BY 1")} == phases
    # Without a gap: the phases of a request are as long as it is.
    broken = ask(run, """SELECT r.id FROM io_request r JOIN io_phase p ON p.request = r.id GROUP BY r.id
                         HAVING sum(p.until_ns - p.from_ns) <> max(r.until_ns) - min(r.from_ns)""")
    assert broken == []


def test_vcpu_slices_are_those_of_vcpus(recorded):
    run, guest = recorded
    vcpus = json.loads(ivtrace("vcpus", run, "--json", check=None).stdout)["vcpus"]
    told = {(row["machine"], row["thread"], row["state"]): row for row in ask(
        run, "SELECT machine, thread, state, count(*) AS n, sum(until_ns - from_ns) AS ns FROM vcpu_slice GROUP BY 1, 2, 3")}
    counted = {(vcpu["machine"], vcpu["thread"], name): state for vcpu in vcpus for name, state in vcpu["states"].items()}
    assert set(told) == set(counted)
    for key, state in counted.items():
        # Each slice's ends are rounded to nanoseconds by themselves.
        assert told[key]["ns"] == pytest.approx(state["total_ns"], rel=1e-4, abs=2 * told[key]["n"]), key
        if key[2] != "preempted":
            assert told[key]["n"] == state["times"], key


def test_a_vcpu_runs_when_the_hosts_scheduler_says_so(recorded):
    """Two tables that are made by different code: a vCPU's slices of running, and its thread's on the host's CPUs."""
    run, guest = recorded
    rows = ask(run, """SELECT v.thread, v.ns AS vcpu, s.ns AS sched
        FROM (SELECT thread, sum(until_ns - from_ns) AS ns FROM vcpu_slice WHERE state IN ('running', 'guest', 'exit', 'userspace') GROUP BY 1) v
        JOIN (SELECT tid, sum(until_ns - from_ns) AS ns FROM sched_slice WHERE machine = 'host' GROUP BY 1) s ON s.tid = v.thread""")
    assert rows
    for row in rows:
        assert row["vcpu"] == pytest.approx(row["sched"], rel=0.02, abs=5e6), row


def test_qemus_other_threads_run_when_the_hosts_scheduler_says_so(recorded):
    run, guest = recorded
    rows = ask(run, """SELECT q.machine, q.comm, q.ns AS qemu, s.ns AS sched
        FROM (SELECT machine, thread, comm, sum(until_ns - from_ns) AS ns FROM qemu_slice WHERE state = 'running' GROUP BY 1, 2) q
        JOIN (SELECT tid, sum(until_ns - from_ns) AS ns FROM sched_slice WHERE machine = 'host' GROUP BY 1) s ON s.tid = q.thread""")
    assert guest in {row["machine"] for row in rows}
    for row in rows:
        assert row["qemu"] == pytest.approx(row["sched"], rel=0.02, abs=5e6), row
    # They are no vCPUs, and a thread's slices do not overlap.
    assert ask(run, "SELECT thread FROM qemu_slice WHERE thread IN (SELECT thread FROM vcpu)") == []
    assert ask(run, """SELECT * FROM (SELECT from_ns, lag(until_ns) OVER (PARTITION BY thread ORDER BY from_ns) AS before FROM qemu_slice)
                       WHERE from_ns < before""") == []
    # Who reads the disk sleeps until it is asked to.
    states = {row["state"] for row in ask(run, f"SELECT state FROM qemu_slice WHERE machine = '{guest}' GROUP BY 1")}
    assert states == {"running", "preempted", "blocked"}


def test_interrupts_are_those_of_the_events(recorded):
    run, guest = recorded
    told = {(row["machine"], row["kind"]): row for row in ask(run, "SELECT machine, kind, count(*) AS n, max(cpu) AS cpu FROM irq_slice GROUP BY 1, 2")}
    assert set(told) == {(machine, kind) for machine in ("host", guest) for kind in ("irq", "softirq")}
    ended = {(row["machine"], row["kind"]): row["n"] for row in ask(run, """SELECT machine, count(*) AS n,
        CASE name WHEN 'irq_handler_exit' THEN 'irq' ELSE 'softirq' END AS kind FROM event WHERE name IN ('irq_handler_exit', 'softirq_exit') GROUP BY 1, 3""")}
    for key, row in told.items():
        # All but those that began before the run.
        assert ended[key] - 2 * (os.cpu_count() + 2) <= row["n"] <= ended[key], key
    # A guest's disk interrupts it when a request completes.
    assert any(row["name"].startswith("virtio") for row in ask(run, f"SELECT name FROM irq_slice WHERE machine = '{guest}' AND kind = 'irq' GROUP BY 1"))


def test_block_requests_are_those_of_io_and_of_the_events(recorded):
    run, guest = recorded
    # A flush that waited in the kernel completes once more, as an empty write that no driver ever got.
    completed = {row["machine"]: row["n"] for row in ask(
        run, "SELECT machine, count(*) AS n FROM event WHERE name = 'block_rq_complete' AND text NOT LIKE '% () 0 + 0 %' GROUP BY 1")}
    told = {row["machine"]: row["n"] for row in ask(run, "SELECT machine, count(*) AS n FROM block_request GROUP BY 1")}
    for machine in ("host", guest):
        # Some had been issued before the run, or completed in parts.
        assert completed[machine] * 0.95 <= told[machine] <= completed[machine], machine
    # The guests' are io_request's, and no more of the host served one than it says; those that served several have the first.
    assert ask(run, """SELECT r.id FROM io_request r LEFT JOIN block_request b ON b.request = r.id
                       GROUP BY r.id HAVING sum(b.machine = r.machine) IS NOT 1 OR sum(b.machine = 'host') > ifnull(min(r.host_requests), 0)""") == []
    served = ask(run, f"""SELECT b.owner, b.owner_task, b.from_ns >= r.from_ns AND b.until_ns <= r.until_ns AS within
                          FROM block_request b JOIN io_request r ON r.id = b.request WHERE b.machine = 'host' AND r.machine = '{guest}'""")
    assert len(served) >= READS * 0.9
    assert all(row == {"owner": guest, "owner_task": None, "within": 1} for row in served)


def test_qemus_calls_enclose_the_hosts_requests(recorded):
    """All system calls are recorded by number here; the disk's (aio=native) are io_submit."""
    run, guest = recorded
    calls = {row["name"]: row for row in ask(run, f"SELECT name, count(*) AS n, min(until_ns - from_ns) AS shortest FROM qemu_call WHERE machine = '{guest}' GROUP BY 1")}
    assert {"io_submit", "read", "write"} <= set(calls) and all(row["shortest"] >= 0 for row in calls.values())
    queued = ask(run, f"""SELECT count(*) AS n FROM block_request b JOIN qemu_call c
        ON c.thread = b.tid AND c.name = 'io_submit' AND c.from_ns <= b.from_ns AND c.until_ns >= b.from_ns WHERE b.owner = '{guest}'""")[0]["n"]
    assert queued >= READS * 0.9


def test_csv_and_text_have_the_same_rows(recorded):
    run, guest = recorded
    sql = "SELECT name, kind, accel FROM machine ORDER BY name"
    rows = list(csv.reader(io.StringIO(ivtrace("query", run, sql, "--csv").stdout, newline="")))
    assert rows[0] == ["name", "kind", "accel"] and {row[0] for row in rows[1:]} >= {"host", guest}
    assert [line.split() for line in ivtrace("query", run, sql).stdout.splitlines()] == [[cell for cell in row if cell] for row in rows]


def test_ctrl_c_ends_a_query_and_leaves_nothing_behind(recorded, tmp_path):
    run, _ = recorded
    sql = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    query = subprocess.Popen([harness.BIN / "ivtrace", "query", run, sql, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env={**os.environ, "TMPDIR": str(tmp_path)})
    assert query.stdout.readline() == b'{"i":1}\n'
    query.send_signal(signal.SIGINT)
    _, said = query.communicate(timeout=60)
    assert (query.returncode, said) == (1, b"ivtrace: the query was interrupted\n")
    ivtrace("query", run, "SELECT count(*) FROM sched_slice", env={**os.environ, "TMPDIR": str(tmp_path)}, check=None)
    assert list(tmp_path.iterdir()) == []


def answers(run, *options) -> list:
    """What each table, and diagnose, say of a run: rows, notices and exit status."""
    tables = [json.loads(line)["table"] for line in ivtrace("query", run, ".tables", "--json").stdout.splitlines()]
    commands = [("query", run, f"SELECT * FROM {table}", "--json") for table in tables if table != "event"] + [("diagnose", run, "--json")]
    done = [ivtrace(*command, *options, check=None) for command in commands]
    return [(one.returncode, one.stdout, one.stderr) for one in done]


def test_the_second_query_says_the_same_and_does_not_read_the_events(recorded, tmp_path):
    disk = shutil.disk_usage(tmp_path)
    if disk.free < max(2 << 30, disk.total / 9):
        pytest.skip("the disk is so full that nothing is kept")
    run = harness.copy_run(recorded[0], tmp_path / "run.ivt")
    shutil.rmtree(run / ".cache", ignore_errors=True)
    walked = answers(run, "--no-cache")
    assert not (run / ".cache").exists()
    assert answers(run) == walked
    kept = {path.name: path.stat().st_mtime_ns for path in (run / ".cache").iterdir()}
    assert len(kept) == 9 and all(name.endswith(".rows") for name in kept)
    # Nobody can tell by sizes and times that the pages are gone.
    for path in run.rglob("*.pages"):
        before = path.stat()
        os.truncate(path, 0)
        os.truncate(path, before.st_size)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert answers(run) == walked
    assert {path.name: path.stat().st_mtime_ns for path in (run / ".cache").iterdir()} == kept
    assert answers(run, "--no-cache") != walked


def test_a_run_that_is_being_recorded_has_no_cache(run_dir):
    with harness.Recording(run_dir, "--no-guests", "--events", "sched") as recording:
        recording.wait_for(["host"])
        ivtrace("query", run_dir, "SELECT count(*) FROM sched_slice", check=None)
        assert not (run_dir / ".cache").exists()
        recording.stop(check=None)
    ivtrace("query", run_dir, "SELECT count(*) FROM sched_slice", check=None)
    assert (run_dir / ".cache").exists()
    # It is no machine, and no command minds it.
    assert [machine["name"] for machine in harness.info(run_dir)["machines"]] == ["host"]
