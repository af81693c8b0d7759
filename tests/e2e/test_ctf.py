"""`ivtrace export --format ctf`, read by Babeltrace 2: the same events, at the same places, with the same values."""

import collections
import itertools
import json
import re
from pathlib import Path

import bt2
import pytest

import harness
import made_runs
from harness import ivtrace

CASES = ("contended-vm-strong", "slow-device")
OWN = ("ivtrace_loss", "ivtrace_unreadable")


@pytest.fixture(scope="module", params=CASES)
def run(request, tmp_path_factory):
    return made_runs.unpacked(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def changed(tmp_path):
    """A run of two machines that a test may change."""
    return made_runs.unpacked("healthy-reads", tmp_path / "changed")


def export(run: Path, out: Path, *args, check: int = harness.OK) -> str:
    """What it said on standard error."""
    return ivtrace("export", run, "--format", "ctf", "-o", out, *args, check=check).stderr


def plain(value):
    """A value of bt2's as Python's own."""
    if isinstance(value, bt2._StringFieldConst):
        return str(value)
    if isinstance(value, bt2._IntegerFieldConst):
        return int(value)
    return [plain(element) for element in value]


def event_of(message) -> dict:
    event = message.event
    context = event.common_context_field if event.common_context_field is not None else event.specific_context_field
    return {
        "ts": message.default_clock_snapshot.ns_from_origin,
        "machine": str(event.stream.trace.environment["hostname"]),
        "cpu": int(event.packet.context_field["cpu_id"]),
        "name": event.name,
        "pid": int(context["tid"]),
        "comm": str(context["procname"]),
        "fields": {name: plain(value) for name, value in event.payload_field.items()} if event.payload_field else {},
    }


def read(out: Path):
    """All events in Babeltrace's order, and all (machine, cpu, begin, end, count) of discarded ones."""
    events, discarded = [], []
    for message in bt2.TraceCollectionMessageIterator(str(out)):
        if type(message) is bt2._EventMessageConst:
            events.append(event_of(message))
        elif type(message) is bt2._DiscardedEventsMessageConst:
            begin, end = message.beginning_default_clock_snapshot, message.end_default_clock_snapshot
            discarded.append((str(message.stream.trace.environment["hostname"]), message.stream.name, begin.ns_from_origin, end.ns_from_origin, message.count))
    return events, discarded


def ctf_name(line: dict) -> str:
    if line["system"] == "syscalls":
        return re.sub("^sys_enter_", "syscall_entry_", re.sub("^sys_exit_", "syscall_exit_", line["event"]))
    return line["event"]


def ctf_fields(line: dict) -> dict:
    """A line's fields as the trace should have them."""
    fields = {}
    for name, value in line["fields"].items():
        if line["system"] == "sched" and re.fullmatch("(.*_)?pid", name):
            name = name[:-3] + "tid"
        fields[name] = value
    return fields


def without_lengths(fields: dict) -> dict:
    return {name: value for name, value in fields.items() if not (name.endswith("_length") and name[1:-len("_length")] in fields)}


def assert_same(events: list[dict], lines: list[dict], start: int) -> None:
    """Babeltrace's events are the report's: number, order but for ties, and values."""
    expected = [{"ts": line["ts_ns"] + start, "machine": line["machine"], "cpu": line["cpu"], "name": ctf_name(line), "pid": line["pid"],
                 "comm": line["comm"], "fields": ctf_fields(line)} for line in lines]
    told = [event | {"fields": without_lengths(event["fields"])} for event in events if event["name"] not in OWN]
    assert len(told) == len(expected)
    assert [event["ts"] for event in told] == [event["ts"] for event in expected]
    assert all(first["ts"] <= second["ts"] for first, second in itertools.pairwise(events))

    def by_stream(items: list[dict]) -> dict:
        streams = collections.defaultdict(list)
        for item in items:
            streams[item["machine"], item["cpu"]].append(item)
        return streams

    one, other = by_stream(told), by_stream(expected)
    assert one.keys() == other.keys()
    for stream, items in one.items():
        for event, line in zip(items, other[stream], strict=True):
            assert event == line


def start_of(run: Path) -> int:
    """When the run started, ns since the epoch, by the nearest anchor's word."""
    start = json.loads((run / "manifest.json").read_text())["start_tsc"]
    anchors = [line["anchor"] for line in harness.journal(run) if line["type"] == "anchor"]
    one, other = anchors[0], anchors[1]
    slope = (other["realtime"] - one["realtime"]) / (other["tsc"] - one["tsc"])
    return round(one["realtime"] - (one["tsc"] - start) * slope)


def told_start(events: list[dict], lines: list[dict], run: Path) -> int:
    """The exact start that the export went by; near what the journal says."""
    start = events[0]["ts"] - lines[0]["ts_ns"]
    assert abs(start - start_of(run)) < 10_000
    return start


def test_babeltrace_reads_what_the_report_tells(run, tmp_path):
    out = tmp_path / "ctf"
    export(run, out)
    events, discarded = read(out)
    lines = harness.events(run)
    assert len(lines) > 1000 and len({line["machine"] for line in lines}) >= 2
    assert discarded == []
    assert_same(events, lines, told_start(events, lines, run))


def test_a_stretch_and_a_machine(run, tmp_path):
    whole = harness.events(run)
    middle = whole[len(whole) // 2]["ts_ns"]
    guest = next(line["machine"] for line in whole if line["machine"] != "host")
    chosen = ["--from", f"{middle - 50_000_000}ns", "--until", f"{middle + 50_000_000}ns"]
    for name, args in (("stretch", chosen), ("machine", ["--machine", guest]), ("both", [*chosen, "--machine", guest])):
        out = tmp_path / name
        export(run, out, *args)
        events, _ = read(out)
        lines = harness.events(run, *args)
        assert 0 < len(lines) < len(whole), name
        assert_same(events, lines, told_start(events, lines, run))
    assert {path.name for path in (tmp_path / "machine").iterdir() if path.is_dir()} == {guest}


def test_lost_events_are_told_where_they_were_lost(changed, tmp_path):
    known, unknown = made_runs.lose_events(changed)
    assert known and unknown is None
    out = tmp_path / "ctf"
    export(changed, out, check=harness.LOSS)
    events, discarded = read(out)
    lines = harness.report(changed, check=harness.LOSS)
    told = [line for line in lines if harness.is_event(line)]
    holes = [line for line in lines if not harness.is_event(line)]
    start = told_start(events, told, changed)
    assert_same(events, told, start)
    assert [hole["lost"] for hole in holes] == [known, None]
    losses = [event for event in events if event["name"] == "ivtrace_loss"]
    assert [(loss["ts"] - start, loss["cpu"], loss["fields"]["since"] - start, loss["fields"]["lost"], loss["fields"]["reason"]) for loss in losses] == [
        (hole["ts_ns"], hole["cpu"], hole["since_ns"], -1 if hole["lost"] is None else hole["lost"], hole["reason"]) for hole in holes]
    # Discarded events of known number, between the hole's two ends.
    assert [(machine, begin - start, end - start, count) for machine, _, begin, end, count in discarded] == [
        ("host", holes[0]["since_ns"], holes[0]["ts_ns"], known)]


def test_a_run_that_was_cut_off(changed, tmp_path):
    made_runs.cut_off(changed)
    out = tmp_path / "ctf"
    export(changed, out, check=harness.LOSS)
    events, _ = read(out)
    lines = harness.events(changed)
    assert len(lines) > 1000
    assert_same(events, lines, told_start(events, lines, changed))


def test_hostile_formats_make_no_invalid_metadata(changed, tmp_path):
    guest = next(line["machine"] for line in harness.events(changed) if line["machine"] != "host")
    whole = harness.events(changed, "--machine", guest)
    made_runs.change_format(changed, guest, "block_rq_issue", {"nr_sector;": "struct;", " bytes;": " sector;", "dev_t dev;": "dev_t 9x;"})
    out = tmp_path / "ctf"
    export(changed, out, "--machine", guest)
    events, _ = read(out)
    assert len(events) == len(whole)
    issued = [event for event in events if event["name"] == "block_rq_issue"]
    assert issued and {"9x", "sector", "struct", "sector_2"} <= set(issued[0]["fields"])
    # One that claims more than records hold: nothing is made up, the bytes are kept.
    made_runs.change_format(changed, guest, "block_rq_issue", {"rwbs[8];\toffset:34": "rwbs[8];\toffset:9034"})
    said = export(changed, tmp_path / "more", "--machine", guest)
    events, _ = read(tmp_path / "more")
    unreadable = [event for event in events if event["name"] == "ivtrace_unreadable"]
    assert len(unreadable) == len(issued) and len(events) == len(whole)
    assert "do not fit their formats" in said and f"{len(issued):,} events" in said


def test_nothing_is_overwritten(changed, tmp_path):
    out = tmp_path / "ctf"
    export(changed, out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    said = export(changed, out, check=harness.FAILED)
    assert "--force" in said
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    export(changed, out, "--machine", "host", "--force")
    assert {path.name for path in out.iterdir() if path.is_dir()} == {"host"}
