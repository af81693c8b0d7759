"""Programs and scripts of host and guest that mark the trace, and what becomes of their marks."""

import collections
import json
import os
import subprocess

import pytest

import harness
import timedoctor_rules
from harness import ivtrace, named

ROUNDS = 50
THREADS = 2
MARKER = harness.BIN / "ivtrace-mark"
LOAD = harness.BIN / "lab" / "iv-marks"
SCRIPT = """ivtrace-mark --begin 'all of "it"'
ivtrace-mark --run sleep -- sleep 0.2
ivtrace-mark --counter files 3
ivtrace-mark 'half way'
printf 'one\\ntwo\\n' | ivtrace-mark -
ivtrace-mark --counter files -4
ivtrace-mark --end
echo shell $$
"""


def ask(run, sql: str) -> list[dict]:
    return [json.loads(line) for line in ivtrace("query", run, sql, "--json", check=None).stdout.splitlines()]


def in_host(command: str, **more) -> str:
    path = f"{harness.BIN}:{harness.BIN / 'lab'}:{os.environ['PATH']}"
    return subprocess.run(["sh", "-ec", command], capture_output=True, text=True, check=True, env=os.environ | {"PATH": path}, **more).stdout


@pytest.fixture(scope="module")
def recorded(new_guest, tmp_path_factory):
    """A run, and for host and guest: the process that marked by the header, one that had no right to write and was heard by
    probes alone, and the shell whose script marked. Probes are set for the first one, too, so it says each mark twice."""
    run = tmp_path_factory.mktemp("marks") / "run.ivt"
    with new_guest("marks") as vm:
        # As systemd does it in any other guest.
        vm.check("mount -t tracefs nodev /sys/kernel/tracing")
        harness.ensure_agent(vm)
        before = vm.run("ivtrace-mark nobody")
        idle = vm.start("iv-marks --rounds 1 --threads 1").wait(30)
        probes = ["--probe", f"host:usdt:{LOAD}:ivtrace:*", "--probe", f"{vm.name}:usdt:/bin/iv-marks:ivtrace:*"]
        with harness.Recording(run, *named(vm), *probes) as recording:
            recording.wait_for(["host", vm.name])
            load = f"iv-marks --rounds {ROUNDS} --threads {THREADS}"
            loads = {"host": json.loads(in_host(load)), vm.name: json.loads(vm.check(load))}
            probed = {"host": json.loads(in_host(load, user=65534, group=65534, extra_groups=[])),
                      vm.name: json.loads(vm.check(f"unshare -m sh -c 'umount /sys/kernel/tracing && exec {load}'"))}
            shells = {"host": in_host(SCRIPT), vm.name: vm.check(SCRIPT)}
            recording.stop(check=None)
        after = vm.run("ivtrace-mark nobody")
    return {"run": run, "guest": vm.name, "loads": loads, "probed": probed, "before": before, "idle": idle, "after": after,
            "shells": {name: int(said.split("shell ")[1]) for name, said in shells.items()}}


@pytest.fixture(params=["host", "guest"])
def machine(request, recorded):
    return "host" if request.param == "host" else recorded["guest"]


def test_every_mark_of_the_header_is_an_event_in_its_order(recorded, machine):
    load = recorded["loads"][machine]
    # Others may record the host meanwhile, who take the marks as well.
    assert load["taken"] >= 6 * ROUNDS * THREADS and load["taken"] % (6 * ROUNDS * THREADS) == 0
    by_thread = collections.defaultdict(list)
    for event in harness.events(recorded["run"], "--machine", machine):
        if event["system"] == "mark" and event["fields"]["tgid"] == load["pid"]:
            assert event["fields"]["tid"] == event["pid"]
            by_thread[event["pid"]].append((event["event"], event["fields"].get("name"), event["fields"].get("value")))
    wanted = []
    for i in range(ROUNDS):
        wanted += [("begin", "outer", None), ("begin", "in_ner", None), ("instant", str(i), None), ("end", None, None),
                   ("counter", "round", i), ("end", None, None)]
    assert len(by_thread) == THREADS
    for thread, marks in by_thread.items():
        assert marks == wanted, thread


def test_probes_of_who_may_not_write_are_events(recorded, machine):
    assert recorded["probed"][machine]["taken"] == 0
    counts = ask(recorded["run"], f"SELECT name, count(*) AS n FROM event WHERE system = 'usdt' AND machine = '{machine}' GROUP BY 1 ORDER BY 1")
    # Both processes passed the points.
    assert counts == [{"name": name, "n": 2 * times * ROUNDS * THREADS} for name, times in (("begin", 2), ("counter", 1), ("end", 2), ("instant", 1))]


@pytest.mark.parametrize("how", ["loads", "probed"])
def test_marks_of_the_header_are_rows(recorded, machine, how):
    """Each once, whether they were written and probed, or probed alone."""
    pid = recorded[how][machine]["pid"]
    where = f"machine = '{machine}' AND tgid = {pid}"
    slices = ask(recorded["run"], f"SELECT name, depth, open, doubtful, count(*) AS n, count(DISTINCT tid) AS threads FROM mark_slice WHERE {where} GROUP BY 1, 2, 3, 4")
    assert slices == [{"name": name, "depth": depth, "open": 0, "doubtful": 0, "n": ROUNDS * THREADS, "threads": THREADS}
                      for name, depth in (("in_ner", 1), ("outer", 0))]
    # An instant lies within the inner slice of its thread, and that within an outer one.
    nested = ask(recorded["run"], f"""SELECT count(*) AS n FROM mark_instant i
        JOIN mark_slice s ON s.machine = i.machine AND s.tid = i.tid AND i.time_ns BETWEEN s.from_ns AND s.until_ns AND s.name = 'in_ner'
        JOIN mark_slice o ON o.machine = i.machine AND o.tid = i.tid AND s.from_ns >= o.from_ns AND s.until_ns <= o.until_ns AND o.name = 'outer'
        WHERE i.machine = '{machine}' AND i.tgid = {pid}""")
    assert nested == [{"n": ROUNDS * THREADS}]
    counters = ask(recorded["run"], f"SELECT count(*) AS n, sum(value) AS sum, sum(open) AS open FROM mark_counter WHERE {where}")
    assert counters == [{"n": ROUNDS * THREADS, "sum": THREADS * sum(range(ROUNDS)), "open": 1}]


def test_a_scripts_marks_belong_to_its_shell(recorded, machine):
    run, shell = recorded["run"], recorded["shells"][machine]
    where = f"machine = '{machine}' AND tgid = {shell}"
    assert ask(run, f"SELECT name, tid, depth, open FROM mark_slice WHERE {where}") == [{"name": 'all of "it"', "tid": shell, "depth": 0, "open": 0}]
    assert [row["name"] for row in ask(run, f"SELECT name FROM mark_instant WHERE {where} ORDER BY time_ns")] == ["half way", "one", "two"]
    assert ask(run, f"SELECT name, value, open FROM mark_counter WHERE {where} ORDER BY from_ns") == [
        {"name": "files", "value": 3, "open": 0}, {"name": "files", "value": -4, "open": 1}]
    slept = ask(run, f"""SELECT s.until_ns - s.from_ns AS ns FROM mark_slice s JOIN mark_slice a ON a.machine = s.machine AND s.from_ns > a.from_ns AND s.until_ns < a.until_ns
                         WHERE s.name = 'sleep' AND s.machine = '{machine}' AND a.tgid = {shell}""")
    assert len(slept) == 1 and slept[0]["ns"] >= 200_000_000


def test_the_pages_have_the_texts(recorded, tmp_path):
    """What other tools read is the text that was written."""
    ivtrace("export", recorded["run"], "--format", "trace-cmd", "-o", tmp_path / "out", check=None)
    texts = (tmp_path / "out" / "host.dat").read_bytes()
    assert f"B|{recorded['loads']['host']['pid']}|outer\n".encode() in texts


def test_marks_are_in_a_perfetto_trace(recorded, tmp_path):
    ivtrace("export", recorded["run"], "--format", "perfetto", "-o", tmp_path / "run.pftrace", check=None)
    trace = (tmp_path / "run.pftrace").read_bytes()
    for name in (b"Programs' marks", b"outer", b"in_ner", b"half way", f"round ({recorded['loads']['host']['pid']})".encode()):
        assert name in trace, name


def test_marks_are_rows_of_timedoctor(recorded, machine, tmp_path):
    ivtrace("export", recorded["run"], "--format", "timedoctor", "-o", tmp_path / "run.tdi", check=None)
    trace = timedoctor_rules.read(tmp_path / "run.tdi")
    assert trace.problems == []
    block, = [cpu for cpu in trace.cpus if cpu.name == f"{machine}:marks"]
    queues = {line.name: line.samples for line in block.of(timedoctor_rules.QUEUE)}
    notes = {line.name: line.samples for line in block.of(timedoctor_rules.NOTE)}
    for how in ("loads", "probed"):
        pid = recorded[how][machine]["pid"]
        threads = [row["tid"] for row in ask(recorded["run"], f"SELECT DISTINCT tid FROM mark_instant WHERE machine = '{machine}' AND tgid = {pid}")]
        assert len(threads) == THREADS
        for tid in threads:
            row = str(pid) if tid == pid else f"{pid}/{tid}"
            assert (queues[f"{row}:outer"], queues[f"{row}:in_ner"], notes[row]) == (2 * ROUNDS, 2 * ROUNDS, ROUNDS)
        assert queues[f"{pid}:round"] > 0
    shell = recorded["shells"][machine]
    assert queues[f'{shell}:all_of_"it"'] == 2 and queues[f"{shell}:files_from_-4"] == 2 and notes[str(shell)] == 3


def test_who_marks_while_nothing_records_is_told(recorded):
    for code, said in (recorded["before"], recorded["after"]):
        assert code == 1 and "no recording took the mark (start ivtrace record" in said
    code, said = recorded["idle"]
    assert code == 0 and json.loads(said)["taken"] == 0


def test_ivtrace_mark_ends_as_its_command_does_and_says_what_it_lacks():
    def mark(*args, **options) -> tuple[int, str]:
        done = subprocess.run([MARKER, *args], capture_output=True, text=True, **options)
        return done.returncode, done.stdout + done.stderr

    assert mark("--quiet", "--run", "x", "--", "sh", "-c", "exit 7") == (7, "")
    assert mark("--quiet", "--run", "x", "--", "sh", "-c", "kill -KILL $$") == (137, "")
    code, said = mark("--run", "x", "--", "/no/such/program")
    assert code == 127 and "cannot run /no/such/program" in said
    code, said = mark("--counter", "x")
    assert code == 2 and "whole number" in said
    # Without the right to write to tracefs.
    code, said = mark("x", user=65534, group=65534, extra_groups=[])
    assert code == 1 and "run it as root" in said
    assert mark("--quiet", "x", user=65534, group=65534, extra_groups=[]) == (0, "")


@pytest.mark.parametrize("example", ["server.cc", "backup.sh"])
def test_the_examples_work(example, run_dir, tmp_path):
    path = harness.ROOT / "examples" / "mark" / example
    command = [str(path), str(harness.ROOT / "docs")]
    if example == "server.cc":
        subprocess.run(["c++", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{harness.ROOT / 'include'}", "-o", tmp_path / "server", path], check=True)
        command = [str(tmp_path / "server")]
    env = os.environ | {"PATH": f"{harness.BIN}:{os.environ['PATH']}"}
    ivtrace("record", "-o", run_dir, "--no-guests", "--", *command, check=None, env=env)
    names = {row["name"]: row["n"] for row in ask(run_dir, "SELECT name, count(*) AS n FROM mark_slice GROUP BY 1")}
    if example == "server.cc":
        assert names == {"request": 100, "read": 100, "answer": 100}
        assert {row["name"]: row["n"] for row in ask(run_dir, "SELECT name, count(*) AS n FROM mark_instant GROUP BY 1")} == {"cache missed": 10, "done": 1}
    else:
        assert set(names) == {f"backup of {harness.ROOT / 'docs'}", "copy", "compress"}
