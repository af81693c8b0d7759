"""`ivtrace export --format perfetto`, decoded by the published schema's numbers, against what `ivtrace query` tells."""

import collections
import json
from pathlib import Path

import pytest

import harness
import made_runs
import perfetto_reader
from harness import ivtrace

CASES = ("contended-vm-strong", "slow-device")
REQUESTS, DISKS, VCPUS, CPUS, INTERRUPTS, LOSSES = "Disk requests", "Requests to block devices", "vCPUs", "CPUs", "Interrupts", "Lost events"


@pytest.fixture(scope="module", params=CASES)
def run(request, tmp_path_factory):
    return made_runs.unpacked(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def changed(tmp_path):
    """A run that a test may change."""
    return made_runs.unpacked("healthy-reads", tmp_path / "changed")


def export(run: Path, out: Path, *args, check: int = harness.OK) -> perfetto_reader.Trace:
    ivtrace("export", run, "--format", "perfetto", "-o", out, *args, check=check)
    return perfetto_reader.Trace(out)


def ask(run, sql: str) -> list[dict]:
    return [json.loads(line) for line in ivtrace("query", run, sql, "--json", check=None).stdout.splitlines()]


def times(events, *more) -> collections.Counter:
    """(machine, begin, end, …) of slices; `more` are names of notes, or "name"."""
    def value(event, what):
        return event.name if what == "name" else event.notes.get(what)
    return collections.Counter((event.machine, event.time, event.until, *(value(event, what) for what in more)) for event in events)


def group(trace, name: str, depth: int | None = None):
    events = trace.of_group(name, depth)
    for event in events:
        event.machine = trace.path(event.track)[0]
    return events


def rows(run, sql: str) -> collections.Counter:
    return collections.Counter(tuple(row.values()) for row in ask(run, sql))


def assert_rows(trace, run, begin: int = -(1 << 62), end: int = 1 << 62, only: str = "") -> None:
    """Each group's slices are the tables' rows that overlap the stretch, cut to it."""
    def of(table: str, more: str, also: str = "1") -> collections.Counter:
        machine = f"machine = '{only}'" if only else "1"
        return rows(run, f"SELECT machine, max(from_ns, {begin}) AS f, min(until_ns, {end}) AS u, {more} FROM {table} "
                         f"WHERE until_ns >= {begin} AND from_ns <= {end} AND {also} AND {machine}")
    assert times(group(trace, CPUS), "name", "tid") == of("sched_slice", "coalesce(comm, 'thread ' || tid), tid", "tid <> 0")
    assert times(group(trace, INTERRUPTS), "name", "number") == of("irq_slice", "coalesce(name, kind || ' ' || irq), irq")
    assert times(group(trace, VCPUS), "name", "left the guest for", "CPU taken by") == of("vcpu_slice", "state, reason, by_comm")
    assert times(group(trace, REQUESTS, 0), "name", "request", "bytes") == of("io_request", "direction, id, bytes")
    assert times(group(trace, DISKS), "name", "host request", "guest's request") == of("block_request", "direction, id, request", "machine = 'host'")


def test_slices_are_the_tables_rows(run, tmp_path):
    trace = export(run, tmp_path / "trace")
    perfetto_reader.check(trace)
    assert_rows(trace, run)
    machines = [row["name"] for row in ask(run, "SELECT name FROM machine")]
    processes = [track for track in trace.tracks.values() if track.process]
    assert [track.process for track in processes] == machines and machines[0] == "host"
    assert [track.pid for track in processes] == list(range(1, len(machines) + 1))
    assert len(group(trace, CPUS)) > 1000 and len(group(trace, REQUESTS, 0)) > 100


def test_phases_stand_within_their_requests(run, tmp_path):
    trace = export(run, tmp_path / "trace")
    told = collections.Counter()
    for events in group_by_track(group(trace, REQUESTS)).values():
        request = None
        for event in events:
            if event.depth == 0:
                request = event.notes["request"]
            else:
                assert event.depth == 1
                told[request, event.name, event.time, event.until] += 1
    assert told == rows(run, "SELECT request, phase, from_ns, until_ns FROM io_phase")


def group_by_track(events) -> dict:
    tracks = collections.defaultdict(list)
    for event in events:
        tracks[event.track].append(event)
    return tracks


def test_arrows_go_from_a_guests_request_to_those_of_the_host(run, tmp_path):
    trace = export(run, tmp_path / "trace")
    begins = {flow: event.notes["request"] for event in group(trace, REQUESTS, 0) for flow in event.flows}
    ends = {flow: event.notes["host request"] for event in group(trace, DISKS) for flow in event.ending}
    assert begins.keys() == ends.keys()
    told = collections.Counter((begins[flow], ends[flow]) for flow in begins)
    assert told == rows(run, "SELECT request, id FROM block_request WHERE machine = 'host' AND request > 0")
    assert len(told) > 50


def test_findings_are_markers(run, tmp_path):
    trace = export(run, tmp_path / "trace")
    told = [(event.time, event.name, event.notes["finding"]) for event in trace.instants if trace.path(event.track) == ("Findings",)]
    found = ask(run, "SELECT from_ns, title, text FROM finding ORDER BY from_ns")
    assert sorted(told) == sorted(tuple(row.values()) for row in found)


def test_open_requests_are_counted(run, tmp_path):
    trace = export(run, tmp_path / "trace")
    steps = collections.defaultdict(collections.Counter)
    for row in ask(run, "SELECT machine, device, from_ns, until_ns FROM io_request"):
        steps[row["machine"], row["device"]][row["from_ns"]] += 1
        steps[row["machine"], row["device"]][row["until_ns"]] -= 1
    expected = {}
    for (machine, device), changes in steps.items():
        depth = 0
        for time in sorted(changes):
            depth += changes[time]
            expected[machine, f"Open requests of {device}", time] = depth
        assert depth == 0
    told = {(trace.path(event.track)[0], trace.path(event.track)[-1], event.time): event.value for event in trace.counters}
    assert told == expected and max(told.values()) >= 1


def test_a_stretch_is_cut_to_it(run, tmp_path):
    span = ask(run, "SELECT min(from_ns) AS low, max(until_ns) AS high FROM io_request")[0]
    middle = (span["low"] + span["high"]) // 2
    begin, end = middle - 200_000_000, middle + 200_000_000
    trace = export(run, tmp_path / "trace", "--from", f"{begin}ns", "--until", f"{end}ns")
    # The range is one of ticks: its ends may be a nanosecond off.
    perfetto_reader.check(trace, begin - 1, end + 1)
    begin, end = min(event.time for event in trace.slices), max(event.time for event in trace.events)
    assert_rows(trace, run, begin, end)


def test_a_machine_alone(run, tmp_path):
    guest = ask(run, "SELECT machine FROM io_request LIMIT 1")[0]["machine"]
    for name in (guest, "host"):
        trace = export(run, tmp_path / name, "--machine", name)
        perfetto_reader.check(trace)
        assert [track.process for track in trace.tracks.values() if track.process] == [name]
        assert_rows(trace, run, only=name)
        assert not any(event.flows or event.ending for event in trace.slices), "an arrow to a machine that is not there"


def test_losses_are_markers_where_they_end(changed, tmp_path):
    known, _ = made_runs.lose_events(changed)
    trace = export(changed, tmp_path / "trace", check=harness.LOSS)
    perfetto_reader.check(trace)
    told = sorted((event.time, event.name, event.notes["reason"], event.notes["CPU"]) for event in trace.instants if trace.path(event.track)[1:2] == (LOSSES,))
    holes = [line for line in harness.report(changed, check=harness.LOSS) if not harness.is_event(line)]
    assert told == sorted((hole["ts_ns"], f"lost {hole['lost']:,} events" if hole["lost"] else "lost an unknown number of events", hole["reason"], hole["cpu"])
                          for hole in holes)
    assert [hole["lost"] for hole in holes] == [known, None]


def test_a_run_that_was_cut_off(changed, tmp_path):
    made_runs.cut_off(changed)
    trace = export(changed, tmp_path / "trace", check=harness.LOSS)
    perfetto_reader.check(trace)
    assert_rows(trace, changed)
    assert len(trace.slices) > 1000


def test_times_are_those_of_the_hosts_clocks(changed, tmp_path):
    trace = export(changed, tmp_path / "trace")
    anchor = next(line["anchor"] for line in harness.journal(changed) if line["type"] == "anchor")
    start = json.loads((changed / "manifest.json").read_text())["start_tsc"]
    apart = abs(anchor["tsc"] - start)  # ticks: at least as many as nanoseconds on a TSC of 1 GHz and more
    assert abs(trace.start - anchor["monotonic"]) <= apart + 1000
    assert abs(trace.start_realtime - anchor["realtime"]) <= apart + 1000
